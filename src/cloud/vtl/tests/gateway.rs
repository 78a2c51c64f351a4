//! `$input`, `$util`, `$context` and `$stageVariables`.

use std::collections::BTreeMap;

use serde_json::json;

use super::super::{Limits, Scope, Template, TemplateError, select_json};
use super::rendered;

/// Template, request body, output; what they show is documented in "Variables for data
/// transformations" of the developer guide.
const CASES: &[(&str, &str, &str)] = &[
    ("$input.json('$')", "", "{}"),
    ("$input.json('$')", r#"{ "a" : [1, 2.50, "x\ny"] }"#, r#"{"a":[1,2.5,"x\ny"]}"#),
    ("$input.json('$.a')", r#"{"a":"x"}"#, r#""x""#),
    ("$input.json('$.b')", r#"{"a":"x"}"#, r#""""#),
    ("$input.json('$.a.b')", r#"{"a":{"b":null}}"#, "null"),
    ("$input.path('$.a') $input.path('$.b')|", r#"{"a":12345678901}"#, "12345678901 |"),
    ("$input.path('$.pets[1].type')", r#"{"pets":[{"type":"cat"},{"type":"dog"}]}"#, "dog"),
    (
        "$input.json('$.pets[*].type')",
        r#"{"pets":[{"type":"cat"},{"type":"dog"}]}"#,
        r#"["cat","dog"]"#,
    ),
    ("$input.json('$..type')", r#"{"pets":[{"type":"cat"},{"type":"dog"}]}"#, r#"["cat","dog"]"#),
    ("$input.json('$.p[?(@.n > 1)].n')", r#"{"p":[{"n":1},{"n":2},{"n":3}]}"#, "[2,3]"),
    (
        "$input.json(\"$.p[?(@.n == 'x' || @.n =~ /y+/)].n\")",
        r#"{"p":[{"n":"x"},{"n":"yy"},{"n":"z"}]}"#,
        r#"["x","yy"]"#,
    ),
    (
        "$input.json('$.p[-1:]') $input.json('$.p[0,2]') $input.json('$.p[1:]') $input.path('$.p.length()')",
        r#"{"p":[1,2,3]}"#,
        "[3] [1,3] [2,3] 3",
    ),
    (
        "$input.json(\"$['a','b']\") $input.path(\"$['c d']\") $input.path('a') $input.path('$.e-f')",
        r#"{"a":1,"b":2,"c d":3,"e-f":4}"#,
        "[1,2] 3 1 4",
    ),
    (
        "#foreach($p in $input.path('$.pets'))$p.id#if($foreach.hasNext),#end#end",
        r#"{"pets":[{"id":1},{"id":2}]}"#,
        "1,2",
    ),
    (
        "#foreach($k in $input.path('$').keySet())$k=$input.path('$').get($k);#end",
        r#"{"b":1,"a":"x"}"#,
        "b=1;a=x;",
    ),
    (r#"$util.escapeJavaScript("it's ""x""/")"#, "", r#"it\'s \"x\"\/"#),
    (r#"$util.escapeJavaScript("it's").replaceAll("\\'","'")"#, "", "it's"),
    ("$util.escapeJavaScript('é')", "", r"\u00E9"),
    (r#"#set($o = $util.parseJson('{"a":{"b":[1,2]}}'))$o.a.b[1]"#, "", "2"),
    ("$util.base64Encode('hé') $util.base64Decode('aMOp')", "", "aMOp hé"),
    ("$util.urlEncode('a b&c/é*~') $util.urlDecode('a+b%26c')", "", "a+b%26c%2F%C3%A9*%7E a b&c"),
    (
        "$input.params('nope')|$input.params()|$input.nope()|$util.nope(1)|",
        "",
        "|{path={}, querystring={}, header={}}|||",
    ),
];

#[test]
fn the_gateways_objects() {
    for (template, body, output) in CASES {
        assert_eq!(rendered(template, body).as_deref(), Ok(*output), "{template} on {body}");
    }
}

fn pair(name: &str, value: &str) -> Vec<(String, String)> {
    vec![(name.to_owned(), value.to_owned())]
}

fn scope() -> Scope<'static> {
    Scope {
        body: "",
        path: pair("id", "7"),
        querystring: pair("q", "x y"),
        header: pair("X-User", "ann"),
        context: json!({ "stage": "dev", "identity": { "sourceIp": "127.0.0.1" } }),
        stage_variables: BTreeMap::from([("alias".to_owned(), "live".to_owned())]),
    }
}

fn on_request(template: &str) -> (String, serde_json::Value) {
    let limits = Limits::default();
    let result = Template::parse(template, &limits).unwrap().render(&scope(), &limits).unwrap();
    (result.text, result.overrides)
}

#[test]
fn parameters_context_and_stage_variables() {
    let template = "$input.params('id') $input.params('q') $input.params('x-user') \
                    $input.params().header.get('X-User') $input.params().path.id \
                    $context.stage $context.identity.sourceIp $context.nope.x \
                    $stageVariables.alias $stageVariables['alias'] ${stageVariables.nope}|";
    assert_eq!(on_request(template).0, "7 x y ann ann 7 dev 127.0.0.1  live live |");
}

#[test]
fn overrides_are_handed_out_and_final() {
    let (text, overrides) = on_request(
        "#set($context.requestOverride.header.a = \"1\")\
         #set($context.requestOverride.path.body = $input.params('id'))\
         #set($context.responseOverride.status = 404)\
         #set($context.responseOverride.header['x-b'] = \"2\")done",
    );
    assert_eq!(text, "done");
    assert_eq!(
        overrides,
        json!({
            "requestOverride": { "header": { "a": "1" }, "path": { "body": "7" }, "querystring": {} },
            "responseOverride": { "header": { "x-b": "2" }, "status": 404 },
        })
    );
    let twice =
        "#set($context.responseOverride.status = 404)#set($context.responseOverride.status = 400)";
    let limits = Limits::default();
    let result = Template::parse(twice, &limits).unwrap().render(&scope(), &limits);
    assert!(matches!(result, Err(TemplateError::Failed(_))), "{result:?}");
}

#[test]
fn a_body_that_is_no_json_is_an_error_where_json_is_asked_for() {
    assert_eq!(rendered("$input.body", "{no").unwrap(), "{no");
    for template in ["$input.json('$')", "$input.path('$.a')"] {
        assert!(matches!(rendered(template, "{no"), Err(TemplateError::NotJson(_))), "{template}");
    }
    assert!(matches!(rendered("$util.parseJson('{no')", ""), Err(TemplateError::Failed(_))));
}

#[test]
fn a_path_selects_from_a_document() {
    let document = json!({ "errorMessage": "NotFound", "list": [1, { "a": true }] });
    assert_eq!(select_json(&document, "errorMessage").unwrap(), Some(json!("NotFound")));
    assert_eq!(select_json(&document, "list[1].a").unwrap(), Some(json!(true)));
    assert_eq!(select_json(&document, "nope").unwrap(), None);
    assert!(select_json(&document, "list[").is_err());
}

/// The templates of a course on mapping templates: data made by a loop, a parsed path parameter.
#[test]
fn data_made_by_templates() {
    let loop_template = r#"#set($ids = [1, 2, 3])
[
#foreach($ID in $ids)
#set($price = $ID * 1.5)
#set($name = "foo" + $ID)
  {"ID": $ID, "name": "$name", "price": $price}#if($foreach.hasNext),#end

#end
]"#;
    let text = rendered(loop_template, "").unwrap();
    let data: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(data[2], json!({ "ID": 3, "name": "foo3", "price": 4.5 }), "{text}");
    let one = r#"#set($Integer = 0)#set($ID = $Integer.parseInt($input.params("id")))#set($price = $ID * 1.5){"ID": $ID, "name": "foo$ID", "price": $price}"#;
    assert_eq!(on_request(one).0, r#"{"ID": 7, "name": "foo7", "price": 10.5}"#);
    let checked = r#"#set($ID = $input.params("id"))#if($ID.matches("^-?[0-9]+$")){"ID": $ID}#{else}{"ID": "bad"}#end"#;
    assert_eq!(on_request(checked).0, r#"{"ID": 7}"#);
}
