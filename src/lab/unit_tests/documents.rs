//! What is said about a broken `OpenAPI` document.

use std::fmt::Write;

use serde_json::json;

use super::{DOCUMENT, Lab, MANIFEST, assert_problem, changed};
use crate::references::{Form, Reference, ResourceKind, resolve_text, resolve_value};

#[test]
fn broken_documents() {
    for (from, to, at, said) in [
        (
            "openapi: \"3.0.1\"",
            "openapi: \"3.1.0\"",
            "openapi:",
            &["`openapi` is `3.1.0`", "API Gateway imports 3.0"][..],
        ),
        (
            "openapi: \"3.0.1\"",
            "openapi: 3.0",
            "openapi:",
            &["`openapi` is a number", "in quotes"][..],
        ),
        ("openapi: \"3.0.1\"", "swagger: \"2.0\"", "swagger:", &["Swagger 2.0"][..]),
        (
            "openapi: \"3.0.1\"",
            "openapl: \"3.0.1\"",
            "openapl:",
            &["has no `openapi`", "did you mean `openapi`?"][..],
        ),
        (
            "  title: small",
            "  title: large",
            "title:",
            &["`info.title` is `large`", "expected `small`"][..],
        ),
        ("  title: small\n", "", "version", &["`info` has no `title`"][..]),
        ("  version: \"1.0\"", "  version: 1.0", "version:", &["`info.version` is a number"][..]),
        (
            "  version: \"1.0\"",
            "  version: \"1.0\"\n  title: other",
            "title: other",
            &["`title` is already in line 3"][..],
        ),
        ("  /things/{id}:", "  things/{id}:", "things", &["is not a path", "begins with `/`"][..]),
        ("  /things/{id}:", "  /things/{id:", "things", &["is not a path"][..]),
        (
            "    get:",
            "    gett:",
            "gett:",
            &["`gett` is not a method of API Gateway", "did you mean `get`?"][..],
        ),
        (
            "x-amazon-apigateway-integration:",
            "x-amazon-apigateway-integraton:",
            "integraton",
            &["`GET /things/{id}` has no `x-amazon-apigateway-integration`", "did you mean"][..],
        ),
        (
            "type: aws_proxy",
            "type: aws_prox",
            "aws_prox",
            &["unknown integration type `aws_prox`", "did you mean `aws_proxy`?"][..],
        ),
        ("        type: aws_proxy\n", "", "httpMethod", &["has no `type`"][..]),
        ("httpMethod: POST", "httpMethod: GET", "httpMethod", &["is not `POST`"][..]),
        ("        httpMethod: POST\n", "", "type: aws_proxy", &["has no `httpMethod`"][..]),
        (
            "${function.small}",
            "${function.smal}",
            "uri:",
            &["`smal` is not a function of this lab", "did you mean `small`?"][..],
        ),
        (
            "${function.small}",
            "${functon.small}",
            "uri:",
            &["unknown reference", "did you mean `function`?"][..],
        ),
        (":${stageVariables.lambdaAlias}", "", "uri:", &["does not call an alias"][..]),
        (
            "stageVariables.lambdaAlias",
            "stageVariables.lambdaAlais",
            "uri:",
            &["no stage variable `lambdaAlais`", "did you mean `lambdaAlias`?"][..],
        ),
        ("paths:", "paths:\n  - one\nrest:", "- one", &["holds no path"][..]),
        ("info:", "info: &a [*b]\nother:", "info:", &["not valid YAML"][..]),
        ("  title: small", "  title: !Ref small", "!Ref", &["unknown tag"][..]),
        ("  title: small", "  title: small\n  <<: {}", "<<", &["merge keys"][..]),
        ("  title: small", "\ttitle: small", "title", &["not valid YAML"][..]),
        ("  title: small", "  title: small\n  x: .nan", "x: .nan", &["finite number"][..]),
    ] {
        assert_problem("small.yaml", from, to, at, said);
    }
}

#[test]
fn documents_that_are_no_mapping() {
    for (document, said) in [
        ("", "empty"),
        ("# nothing\n", "empty"),
        ("- a\n", "is a list"),
        ("just text", "is text"),
        ("a: 1\n---\nb: 2\n", "second document"),
    ] {
        let problems = Lab::new(MANIFEST, document).read().unwrap_err();
        assert_eq!(problems.0.len(), 1, "{problems}");
        assert!(problems.to_string().contains(said), "{problems}");
    }
}

#[test]
fn depth_and_repetition_are_bounded() {
    let deep = format!("a: {}{}", "[".repeat(100_000), "]".repeat(100_000));
    let problems = Lab::new(MANIFEST, &deep).read().unwrap_err();
    assert_eq!(problems.0.len(), 1, "{problems}");

    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..30 {
        let alias = format!("*a{}", n - 1);
        let aliases = [alias.as_str(); 10].join(", ");
        writeln!(laughs, "a{n}: &a{n} [{aliases}]").unwrap();
    }
    let problems = Lab::new(MANIFEST, &laughs).read().unwrap_err();
    assert!(problems.to_string().contains("more than 200000 values"), "{problems}");

    let mut nested = "a0: &a0 [x]\n".to_owned();
    for n in 1..300 {
        writeln!(nested, "a{n}: &a{n} [*a{}]", n - 1).unwrap();
    }
    let problems = Lab::new(MANIFEST, &nested).read().unwrap_err();
    assert!(problems.to_string().contains("nested deeper"), "{problems}");
}

#[test]
fn anchors_and_number_keys_are_read() {
    let document = DOCUMENT.replace(
        "    get:\n",
        "    get:\n      responses: { 200: &ok { description: Fine }, 201: *ok }\n",
    );
    let blueprint = Lab::new(MANIFEST, &document).read().unwrap();
    let responses = &blueprint.apis[0].document["paths"]["/things/{id}"]["get"]["responses"];
    assert_eq!(
        *responses,
        json!({ "200": { "description": "Fine" }, "201": { "description": "Fine" } })
    );
}

#[test]
fn json_documents_are_read() {
    let blueprint = Lab::new(MANIFEST, DOCUMENT).read().unwrap();
    let mut json = blueprint.apis[0].document.clone();
    json["info"]["description"] = json!("tab\t, quote \", slash /, emoji 😀, line\nend");
    let text = serde_json::to_string_pretty(&json).unwrap();
    for text in [text.clone(), text.replace("  ", "\t"), json.to_string()] {
        let read = Lab::new(MANIFEST, &text).read();
        let read = read.unwrap_or_else(|problems| panic!("{problems}\n{text}"));
        assert_eq!(read.apis[0].document, json);
    }
}

#[test]
fn templates_keep_their_own_references() {
    let (_, problems) = changed(
        "small.yaml",
        "        type: aws_proxy\n",
        "        type: aws_proxy\n        requestTemplates: { application/json: \"${item.name}\" }\n",
    );
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn a_mock_needs_no_address() {
    let document = DOCUMENT.split("        type:").next().unwrap();
    let document = format!("{document}        type: MOCK\n");
    let blueprint = Lab::new(MANIFEST, &document).read().unwrap();
    assert!(blueprint.apis[0].functions.is_empty());
}

#[test]
fn references_are_replaced() {
    for (text, resolved) in [
        ("${function.f}", "F-arn"),
        ("${function.f.arn}", "F-arn"),
        ("${function.f.name}", "F-name"),
        ("a ${table.t.x}${region} b", "a T.x-arnR b"),
        ("${account}/${role.r.name.arn}", "A/unknown"),
        ("${queue.q} ${queue.q.url} ${queue.q.name}", "Q-arn Q-url Q-name"),
        ("${topic.t} ${table.t.x.streams}", "T-arn T.x-streams"),
        ("${parameter.p} ${target.inbox} ${target.mailbox}", "P(p) I M"),
        ("${target.outbox} ${topics.t}", "${target.outbox} ${topics.t}"),
        ("${stageVariables.lambdaAlias} ${x} ${ $", "${stageVariables.lambdaAlias} ${x} ${ $"),
        ("", ""),
    ] {
        let lookup = |reference: &Reference<'_>| {
            Some(match reference {
                Reference::Region => "R".to_owned(),
                Reference::Account => "A".to_owned(),
                Reference::Resource { kind, name, form } => {
                    let form = match form {
                        Form::Arn => "arn",
                        Form::Name => "name",
                        Form::Url => "url",
                        Form::Streams => "streams",
                    };
                    match (kind, *name) {
                        (ResourceKind::Function, "f") => format!("F-{form}"),
                        (ResourceKind::Table, "t.x") => format!("T.x-{form}"),
                        // The explicit form leaves a name that ends in `.name` whole.
                        (ResourceKind::Role, "r.name") => "unknown".to_owned(),
                        (ResourceKind::Queue, "q") => format!("Q-{form}"),
                        (ResourceKind::Topic, "t") => format!("T-{form}"),
                        _ => return None,
                    }
                }
                Reference::Parameter(name) => format!("P({name})"),
                Reference::Inbox => "I".to_owned(),
                Reference::Mailbox => "M".to_owned(),
            })
        };
        assert_eq!(resolve_text(text, &lookup).unwrap(), resolved);
        let value = json!({ "${region}": [text, 1, null] });
        let expected = json!({ "${region}": [resolved, 1, null] });
        assert_eq!(resolve_value(&value, &lookup).unwrap(), expected);
    }
}

#[test]
fn a_reference_without_a_value_is_an_error() {
    let error = resolve_text("x ${table.t}", &|_| None).unwrap_err();
    assert_eq!(error.to_string(), "nothing is known for the reference `${table.t}`");
}
