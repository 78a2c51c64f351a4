//! What AWS answered, recorded: the templates of the `airspeed` and API Gateway suites of the
//! `LocalStack` project (Apache License 2.0), evaluated by API Gateway itself.

use super::rendered;

/// Template, request body, output.
const CASES: &[(&str, &str, &str)] = &[
    ("Hello $ ", "", "Hello $ "),
    // A reference without a value is the empty text.
    ("Hello $name", "", "Hello "),
    ("Hello $!name", "", "Hello "),
    // And the empty text is true.
    ("#if(${a.b.c})yes!#end", "", "yes!"),
    ("#if($value) true #else false #end", "", " true "),
    ("#if($value)true#{else}false#end", "", "true"),
    ("#if($value)true#{end}monkey", "", "truemonkey"),
    ("#set($a = $input.path('$.a'))#if($a)yes!#end", r#"{"a":false}"#, ""),
    ("#set($a = $input.path('$.a'))#if(!$a)yes#end", r#"{"a":false}"#, "yes"),
    ("#set($a = $input.path('$.a'))#if(not $a)yes#end", r#"{"a":null}"#, ""),
    ("## comment\nStuff\nMore stuff## more comments $blah", "", "Stuff\nMore stuff"),
    ("Stuff#*\n more comments *#\n and more stuff", "", "Stuff\n and more stuff"),
    ("#set ($name = \"\\\\batman\\nand robin\")$name", "", "\\\\batman\\nand robin"),
    (r#"#set($d = "{""a"": 2}")$d"#, "", r#"{"a": 2}"#),
    (r#"#set($d = "1\\""2""3")$d"#, "", r#"1\\"2"3"#),
    (
        "\n#set( $email = \"foo\" )\n$email\n\\$email\n\\\\$email\n\\\n\\\\ \\# \\$\n\\#end\n\\# end\n\\#set( $email = \"foo\" )\n",
        "",
        "\nfoo\n$email\n\\foo\n\\\n\\\\ \\# \\$\n#end\n\\# end\n#set( foo = \"foo\" )\n",
    ),
    ("#define ( $hello)hi#end$hello()$hello()", "", "hi()hi()"),
    ("#define ( $showindex )$foreach.index#end#foreach($x in [1,2,3])$showindex#end", "", "012"),
    (
        "\n#define( $myfunc )$ctx#end\n#set( $ctx = 'foo' )\n$myfunc\n#set( $ctx = 'bar' )\n$myfunc\n",
        "",
        "\nfoo\nbar\n",
    ),
    (
        "#foreach ($i in [1, 2, 3])$i. #if ($velocityHasNext)yes#end, #end",
        "",
        "1. yes, 2. yes, 3. , ",
    ),
    ("#set($values = [2..-2])#foreach($value in $values)$value,#end", "", "2,1,0,-1,-2,"),
    ("#foreach( $v in [1..5] )$v\n#end", "", "1\n2\n3\n4\n5\n"),
    ("#foreach($value in $values)foo#end", "", ""),
    ("#set($i = 1)$i,#foreach ($i in [2, 3, 4])$i,#set($i = $i)#end$i", "", "1,2,3,4,1"),
    (
        "#foreach ($j in [1,2])#foreach ($i in [3, 4])$foreach.count,#end$foreach.count|#end",
        "",
        "1,2,1|1,2,2|",
    ),
    ("hello #stop world", "", "hello "),
    ("#macro(tryme)$values#end#tryme()", "", "#tryme()"),
    ("\n#macro ( blah )\nhello##\n#end\n#blah()", "", "\n#blah()"),
    ("#set($v1 = {})#set($ignore = $v1.put('foo', 'bar'))#return($v1)", "", "#return($v1)"),
    (
        "\n#set($dynamicsource = \"x\")\n#evaluate($dynamicsource)",
        "",
        "\n#evaluate($dynamicsource)",
    ),
    ("#set($a = 4 > 2 + 5)$a", "", "false"),
    ("#set($a = (5 + 4) > 2)$a", "", "true"),
    ("#set($a = 5 * 4 - 2)$a", "", "18"),
    ("#set($a = 100.0 / 50)$a", "", "2.0"),
    ("#set($x = .5*.1)$x", "", "0.05"),
    ("#set($a = {\"dog\": \"cat\" , \"horse\":15})$a.dog", "", "cat"),
    ("<span style=\"color: #13ff93\">", "", "<span style=\"color: #13ff93\">"),
    ("<a href=\"#\">bob</a>", "", "<a href=\"#\">bob</a>"),
    ("#set($foo = [1,2,3]) $foo.size()", "", " 3"),
    ("#set($foo = [1,2,3]) #if($foo.contains(10))found#end", "", " "),
    (
        "#set($foo = [1,2,3])#set( $ignore = $foo.add('string value') )#foreach($item in $foo)$item,#end",
        "",
        "1,2,3,string value,",
    ),
    ("#set($foo = 'foobar123bab') $foo.replaceAll('ba.', 'foo')", "", " foofoo123foo"),
    ("#set($foo = 'something') $foo.substring(3, 6)", "", " eth"),
    ("#set($foo = 'something') $foo.indexOf('e')", "", " 3"),
    (
        "#set($d = $input.path('$'))#set( $ignore = $d.put('k', 'new value') )$ignore - $d.k",
        r#"{"k":"initial value"}"#,
        "initial value - new value",
    ),
    (
        "#set($test_dict = {} )#set($key = 'bar')#set( $test_dict[$key] = 'foo' )$test_dict",
        "",
        "{bar=foo}",
    ),
    (
        "#set($a = ['one', 'two', 'three'] )#set($i = 1)#set( $a[$i] = 'foo' )$a",
        "",
        "[one, foo, three]",
    ),
    (
        "#set( $myMap = {} )#set($ignore = $myMap.put('k', null))#if(\"$myMap.k\" == \"\")none#{else}some#end",
        "",
        "none",
    ),
    (
        "\n        #set( $o = {\n          \"userId\": \"user1\"\n        } )\n        {\n          \"key\": \"$o.userId\"\n        }\n        ",
        "",
        "\n                {\n          \"key\": \"user1\"\n        }\n        ",
    ),
    ("#set( $o = {'k1': 'v1', 'k2': 'v2'} )$o.toString()", "", "{k1=v1, k2=v2}"),
    ("#set( $s = '123456789' )$s.matches( '[0-9]*' )", "", "true"),
    (
        r"#set( $s = '2020-01-20T08:00:00.000Z' )$s.matches('^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:00\.000Z$')",
        "",
        "true",
    ),
    (
        r#"#set( $s = "2020-01-20T08:00:00.000Z" )$s.matches("^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:00\.000Z$")"#,
        "",
        "true",
    ),
    ("$input.path('$.a')[\"foo\"]", r#"{"a":{"foo":"bar"}}"#, "bar"),
    ("#set($a=$input.path('$'))$a.b.c['foo:bar']", r#"{"b":{"c":{"foo:bar":"baz"}}}"#, "baz"),
    // How values of JSON are written.
    ("$input.path('$')", r#"{"foo":"bar"}"#, "{foo=bar}"),
    ("$input.path('$')", r#"[{"foo":"bar"}]"#, r#"[{"foo":"bar"}]"#),
    ("$input.path('$.nested')", r#"{"nested":{"foo":"bar"}}"#, "{foo=bar}"),
    ("$input.path('$.nested')", r#"{"nested":[{"foo":"bar"}]}"#, r#"[{"foo":"bar"}]"#),
    ("$input.path('$')[0]", r#"[{"foo":"bar"}]"#, "{foo=bar}"),
    ("$input.path('$')", r#"{"foo":[{"nested":"bar"}]}"#, r#"{foo=[{"nested":"bar"}]}"#),
    (
        "$input.path('$')",
        r#"{"bigger":"dict","to":"test","with":"separators"}"#,
        "{bigger=dict, to=test, with=separators}",
    ),
    ("$input.path('$').toString()", r#"{"foo":"bar"}"#, "{foo=bar}"),
    ("$input.path('$').toString()", r#"{"list":[{"foo":"bar"}]}"#, r#"{list=[{"foo":"bar"}]}"#),
    (
        r##"#set($body = $input.path("$")){"body": $body, "nested": $body.value, "isNull": "#if($body == $Null)true#{else}false#end", "isEmptyString": "#if($body == "")true#{else}false#end"}"##,
        "",
        r#"{"body": , "nested": , "isNull": "true", "isEmptyString": "true"}"#,
    ),
    // The body itself.
    ("$input.body", "", "{}"),
    ("$input.body", "some raw data", "some raw data"),
    (
        "Action=SendMessage&MessageBody=$input.body",
        "{\"some\": \"value\"}",
        "Action=SendMessage&MessageBody={\"some\": \"value\"}",
    ),
    ("$input.body.testAccess", "{}", ""),
    (
        "EncodedBody=$util.urlEncode($input.body)&EncodedBodyAccess=$util.urlEncode($input.body.testAccess)",
        r#"{"some": "value"}"#,
        "EncodedBody=%7B%22some%22%3A+%22value%22%7D&EncodedBodyAccess=",
    ),
];

#[test]
fn templates_give_what_aws_gave() {
    for (template, body, output) in CASES {
        assert_eq!(rendered(template, body).as_deref(), Ok(*output), "{template}");
    }
}
