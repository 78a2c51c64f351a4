//! What Apache Velocity 1.7 makes of templates, with an invalid-reference handler that answers the
//! empty text, no inline macros, and at most 1000 rounds of a loop: run on the library itself.

use super::rendered;

/// Set before each template, as they were in the library's context.
const PRELUDE: &str = concat!(
    r#"#set($m = {"a":1,"b":"x"})#set($z = $m.put("n", null))#set($m.c = {"deep":["p",2]})"#,
    r#"#set($l=[1,"two",3.5])#set($s="Hello")#set($i=7)#set($d=2.5)#set($big=4000000000)"#,
    r#"#set($t=true)#set($f=false)#set($e="")#[[]]#"#,
);

/// Template and output.
const CASES: &[(&str, &str)] = &[
    (
        r#"#if(1)a#end#if(0)b#end#if("x")c#end#if("")d#end#if('')e#end#if([])f#end#if({})g#end#if(1+1)h#end#if(1.5)i#end#if(true)j#end#if([1..2])k#end"#,
        r"j",
    ),
    (
        r#"#set($x = 1 + 1 && true)$x|#if($i && $s)y#end|#if(!"x")n#end|#if(!1)m#end"#,
        r"false|y|n|m",
    ),
    (r"US$#if($t)5#end", r"US5"),
    (r"a #* unclosed", r"a "),
    (r"a #[[ $raw #if ]]# b", r"a  $raw #if  b"),
    (
        r#"$l[-1] $l[0] $l.get(1) $l[1].length() $m['a'] $m["b"] $m.c.deep[1] $s[0]"#,
        r"3.5 1 two 3 1 x 2 ",
    ),
    (r#"$s.substring("1")|$s.substring(1)|$s.substring(1,3)"#, r"|ello|el"),
    (r"$s.foo() $s.length $l.size $l.empty $s.empty $m.size() $l.size()", r"   false false 4 3"),
    (
        r"#set($a = 7/2)$a #set($a = 7/2.0)$a #set($a = 7%2)$a #set($a=1/0)$a #set($a = 2147483647 + 1)$a #set($a = 9223372036854775807 + 1)$a #set($a=5.5%2)$a #set($a = 12345678.0)$a #set($a=0.1+0.2)$a #set($a=1.0*3)$a",
        r"33.511214748364892233720368547758081.51.2345678E70.300000000000000043.0",
    ),
    (
        r"#set($a = $s * 2)$a|#set($a = $s + 2)$a|#set($a = 2 + $s)$a|#set($a = $s + $undef)$a|#set($a = 1 + $undef)$a|#set($a = true + 1)$a",
        r"|Hello2|2Hello|Hello|1|1",
    ),
    (r"#break after", r""),
    (r"#foreach($x in $l)$x#break#end after", r"1 after"),
    (
        r"#foreach($x in $m)$x,#end|#foreach($x in $m.entrySet())$x.key=$x.value,#end|#foreach($x in $m.keySet())$x,#end|#foreach($x in $s)q#end|#foreach($x in 5)q#end",
        r"1,x,,{deep=[p, 2]},|a=1,b=x,n=,c={deep=[p, 2]},|a,b,n,c,||",
    ),
    (
        r"#foreach($x in $l)$foreach.index $foreach.count $foreach.hasNext $foreach.first $foreach.last $velocityCount $foreach.parent
#end",
        r"0 1 true true false 1 
1 2 true false false 2 
2 3 false false true 3 
",
    ),
    (
        r#"#set($q = $s.split("l"))$q.size() $q.get(0) $q[1] $q.length #foreach($w in $q)<$w>#end"#,
        r"3 He   <He><><o>",
    ),
    (r#"#set($q = "a""b")$q #set($q='it''s')$q #set($q="x\ny")$q"#, r#"a"bit'sx\ny"#),
    (
        r#"$Integer.parseInt("5")|$i.toString()|$i.intValue()|$i.doubleValue()|$i.compareTo(3)|$d.intValue()"#,
        r"|7|7|7.0|1|2",
    ),
    (
        r#"#foo(bar $s "x" 1.5 [1,2] {"a":1})  
next"#,
        r#"#foo(bar $s "x" 1.5 [1,2] {"a":1})  
next"#,
    ),
    (r"#foo bar #{foo} #{foo}(1)", r"#foo bar #{foo} #{foo}(1)"),
    (
        r"text #if($t)  
 body
 #else
 other
 #end
 after",
        r"text  body
  after",
    ),
    (
        r"a  #set($x=1)  
b
  #set($y = 2)  
  #set($z = 3)
c",
        r"a  b
  c",
    ),
    (r"$s #set($x=1)X", r"HelloX"),
    (
        r#"$m.put("k","v")|$m.put("k","w")|$l.add(4)|$l.remove(0)|$m.remove("k")|$l.addAll([1,2])|$l"#,
        r"|v|true|1|w|true|[two, 3.5, 4, 1, 2]",
    ),
    (
        r"#set($e.foo = 1)ok#set($m.new = 5)$m.new#set($m.c.deep2 = [1])$m.c",
        r"ok5{deep=[p, 2], deep2=[1]}",
    ),
    (
        r#"#if($s == "Hello")1#end#if($i == "7")2#end#if($i == 7.0)3#end#if($t == true)4#end#if($t == "true")5#end#if($l == [1,"two",3.5])6#end#if($s != "x")7#end#if($undef != "")8#end#if($s > 1)9#end#if("b" > "a")0#end"#,
        r"1234567",
    ),
    (r"#if($i eq 7 and not $f)A#end#if($i ge 7 or $f)B#end", r"AB"),
    (
        r#"${s}x $!{s}y ${s.length()}z $s.toUpperCase().toLowerCase() $s.concat("!") $s.replace("l","L") $s.replaceAll("l+","_") $s.charAt(1) $s.indexOf("l") $s.matches("H.*") $s.equals("Hello") $s.equalsIgnoreCase("hELLO") $s.contains("ell") $s.isEmpty() $s.trim()"#,
        r"Hellox Helloy 5z hello Hello! HeLLo He_o e 2 true true true true false Hello",
    ),
    (
        r"$s-$i $s_x $s.length()-1 $i.5 $s. $s.. $s[ 0 ]
",
        r"7  5-1 7.5 Hello. Hello.. 
",
    ),
    (r#"#set($q = {"z":1,"a":2,3:"c"})$q $q.z $q.get(3)"#, r"{z=1, a=2, 3=c} 1 c"),
    (r#"#set($x = "$s#if($t) yes#end!")$x|"$s"|#set($y='$s')$y"#, r#"Hello yes!|"Hello"|$s"#),
    (r#"#set($x = "a #set($z=3)b $z")$x"#, r"a b 3"),
    (
        r#"#set($c="a,b,,c,,")#foreach($p in $c.split(","))<$p>#end #foreach($p in $c.split(",",-1))<$p>#end #foreach($p in $c.split(",",2))<$p>#end #foreach($p in $c.split(""))<$p>#end"#,
        r"<a><b><><c> <a><b><><c><><> <a><b,,c,,> <a><,><b><,><,><c><,><,>",
    ),
    (
        r#"$l.contains(1) $l.contains("1") $l.indexOf("two") $l.subList(0,2) $l.isEmpty() $m.isEmpty() $m.containsKey("a") $m.containsValue("x") $m.get("a") $m.size()"#,
        r"true false 1 [1, two] false false true true 1 4",
    ),
    (
        r#"#foreach($x in [1..3])#foreach($y in ["a","b"])$x$y$foreach.parent.index #end#end"#,
        r"1a0 1b0 2a1 2b1 3a2 3b2 ",
    ),
    (r"#foreach($x in [3..1])$x#if($foreach.last)!#end#end", r"321!"),
    (r"#foreach($x in [])a#end#foreach($x in {})b#end z", r" z"),
    (r"## only", r""),
    (
        r"a ## c
b #* m
 *# c #** f *# d",
        r"a b  c  d",
    ),
    (r"#if($i > 5 && $i < 10)in#elseif($i == 5)five#{else}out#end", r"in"),
    (r"#set($a = -5)$a #set($a = 3 - -2)$a#set($b = 2*-3)|$b", r"-55|-6"),
    (r#"$m.c.deep.get(0) $m.c.deep.size() $m["c"]["deep"][1] $m.c.deep[0].length()"#, r"p 2 2 1"),
    (r"\#if \#foo \\#foo \\#if($t)x#end \#{if} #\if", r"#if \#foo \\#foo \x #{if} #\if"),
    (r"a#b #1 #-x #{x} #{if", r"a#b #1 #-x #{x} #{if"),
    (
        r#"#define($b)[$s]#end$b $b #set($s="q")$b "$b" #set($z="<$b>")$z"#,
        r#"[Hello] [Hello][q] "[q]" <[q]>"#,
    ),
    (
        r#"#set($l[1] = "TWO")$l #set($l[-1] = 9)$l #set($m.c.x = 1)$m.c"#,
        r"[1, TWO, 3.5][1, TWO, 9]{deep=[p, 2], x=1}",
    ),
    (
        r#"#set($x = [1,2,[3,{"a":"b"}]])$x $x[2][1].a $x.get(2).get(1).get("a")"#,
        r"[1, 2, [3, {a=b}]] b b",
    ),
    (
        r#"#set($x=1)#set($x=$x+1)$x #set($x = "a"+1+2)$x #set($x = 1+2+"a")$x #set($x = 1 + 2 * 3 - 4 / 2 % 3)$x"#,
        r"2a123a5",
    ),
    (r"#if(!$f)a#end#if(not $f)b#end#if(!($t && $f))c#end#if($f || !$t || $i == 7)d#end", r"abcd"),
    (r#"#if($s.equals("Hello") && $s.length() == 5)ok#end"#, r"ok"),
    (r"#set($v = $t && $f)$v #set($v = $i == 7)$v #set($v = !$t)$v", r"falsetruefalse"),
    (
        r"1.0E10: #set($x=1.0E10)$x #set($x=0.0001)$x #set($x=100.0)$x #set($x=1e3)$x #set($x=123456.789)$x #set($x=-0.5)$x #set($x=1.0/3)$x",
        r"1.0E10: 1.0E101.0E-4100.01000.0123456.789-0.50.3333333333333333",
    ),
    (
        r"$i.toString().length() $d.toString() $t.toString() $l.toString()",
        r"1 2.5 true [1, two, 3.5]",
    ),
    (r"#stop no", r""),
    (r"a#stop b", r"a"),
    (r"#foreach($x in $l)$x #if($foreach.index == 1)#break#end#end-", r"1 two -"),
    (r"#foreach($x in $l)#set($last = $x)#end$last $x", r"3.5 "),
    (r"#if ( $t )a#else b#end#if( $f )a#else b#end", r"a b"),
    (
        r"#if($t)
  x
#else
  y
#end
z",
        r"  x
z",
    ),
    (
        r"#foreach($x in $l)
  $x,
#end
z",
        r"  1,
  two,
  3.5,
z",
    ),
    (r"#set ( $x = 1 )$x #{set}($y=2)$y", r"12"),
    (r##"{"a": "$s", "b": $i, "c": "#if($t)1#end" }"##, r#"{"a": "Hello", "b": 7, "c": "1" }"#),
    (
        r##"<a href="#top">$s</a> #fff; $5.00 100% C# x"##,
        r##"<a href="#top">Hello</a> #fff; $5.00 100% C# x"##,
    ),
    (
        r#"$s.toString() $s.hashCode() $s.compareTo("Help") $s.lastIndexOf("l") $s.endsWith("lo") $s.startsWith("He") $s.charAt(0) $s.subSequence(1,3)"#,
        r"Hello 69609650 -4 3 true true H el",
    ),
    (r#"#set($cc = $s.charAt(0))#if($cc == "H")eq#end $cc"#, r"eq H"),
    (r#"$l.add("x") $l.remove("two") $l.set(0,"first") $l"#, r"true true 1 [first, 3.5, x]"),
    (
        r#"$m.keySet().contains("a") $m.values().contains(1) $m.entrySet().size() $m.keySet().size() $m.putAll({"q":1}) $m.q"#,
        r"true true 4 4  1",
    ),
    (r#"#set($x = "it's ""quoted""")$x 'single'"#, r#"it's "quoted" 'single'"#),
    (
        r"#set($x = 'a
b')$x",
        r"a
b",
    ),
    (r##""#set($x = 1)" $x"##, r#""" 1"#),
    (r#"#set($x = "\u0041\t")$x"#, r"A\t"),
    (r#"$l.get("0") $m.get(1) $s.substring(1.5) $s.indexOf(108)"#, r"   2"),
    (
        r"$big.intValue() #set($x = $big * 3)$x #set($x = $big * $big)$x #set($x=$big+1.5)$x",
        r"-29496729612000000000160000000000000000004.0000000015E9",
    ),
    (
        r"#literal()
raw $s #if($x) q #end
#end after",
        r"raw $s #if($x) q #end
 after",
    ),
    (r#"#macro(a $x)$x#end x #a("1") y"#, r#" x #a("1") y"#),
    (
        r"#foreach( $x in [1..3] )
#set($foo = $x)
$foo
#end",
        r"1
2
3
",
    ),
    (r#"$undef.size() $undef[0] ${undef.x} #if($undef.x == "")e#end #if(!$undef)n#end"#, r"   e "),
    (r#"#if("$!undef" == "")A#end#if("$s" == "Hello")B#end#if($s == "$s")C#end"#, r"ABC"),
    (r#"#if($l.size() > 2)big#end#if($l.size() >= 3.0)eq#end#if("10" > 9)x#end"#, r"bigeq"),
];

/// Templates that the parser or a method refuses.
const REFUSED: &[&str] = &[
    r"$true|x",
    r"$l[5]",
    r"#literal()$s #if#end z",
    r#"$s.split("").size() #set($p = "a,b,,c,,".split(","))"#,
    r"#set($n = 5 -1)",
    r"#set($n = $i - 1)$n #set($n = $i -1)",
    r"$foo[bar]",
    r"${foo",
    "Hello $",
    "#",
    r#"#set ($name = "\"batman\"")$name"#,
    "#foo(1 + 2)",
];

#[test]
fn templates_give_what_velocity_gives() {
    for (template, output) in CASES {
        let result = rendered(&format!("{PRELUDE}{template}"), "");
        assert_eq!(result.as_deref(), Ok(*output), "{template}");
    }
}

#[test]
fn what_velocity_refuses_is_refused() {
    for template in REFUSED {
        assert!(rendered(&format!("{PRELUDE}{template}"), "").is_err(), "{template}");
    }
}
