//! No template takes more than its limits, and none makes the program panic.

use super::super::{JavaPattern, Limits, Template, TemplateError};
use super::rendered;

fn is_limit(template: &str) {
    let result = rendered(template, "");
    assert!(matches!(result, Err(TemplateError::Limit(_))), "{template}: {:?}", result.is_ok());
}

#[test]
fn loops_texts_and_nesting_end() {
    let rounds = rendered("#foreach($i in [1..5000])$foreach.count #end", "").unwrap();
    assert!(rounds.ends_with(" 1000 "), "a loop has 1000 rounds");
    is_limit("#set($s = \"0123456789\")#foreach($i in [1..100])#set($s = \"$s$s\")#end");
    is_limit(
        "#foreach($a in [1..1000])#foreach($b in [1..1000])#foreach($c in [1..1000])x#end#end#end",
    );
    is_limit("#set($r = [1..2000000000])");
    is_limit("#set($l = [])#foreach($i in [1..500])#set($l = [$l])#end$l");
    is_limit("#set($a = [])#set($b = [$a])#set($x = $a.add($b))$a");
    is_limit("#set($a = [1])#foreach($i in [1..60])#set($a = [$a, $a])#end$a");
    is_limit("#set($s = 'a')$s.repeat(2000000000)");
    is_limit(&format!("{}1", "#set($x = ".to_owned() + &"(".repeat(5000)));
    is_limit(&"#if($x)".repeat(5000));
    is_limit(&format!("$input.json('$[?({}')", "(".repeat(3000)));
    assert_eq!(
        rendered("#set($l = [])#set($x = $l.add($l))$l", "").unwrap(),
        "[(this Collection)]"
    );
    assert_eq!(rendered("#define($d)a$d#end$d", "").unwrap().len(), 8);
    let text = "a".repeat(400 * 1024);
    let refused = Template::parse(&text, &Limits::default());
    assert!(matches!(refused, Err(TemplateError::Limit(_))));
}

#[test]
fn a_regular_expression_that_runs_away_is_stopped() {
    let pattern = JavaPattern::new("(?:(a|aa)(?!b))+c").unwrap();
    assert!(pattern.matches(&"a".repeat(60)).is_err());
    for (pattern, text, matches) in [
        (".*NotFound.*", "x NotFound y", true),
        (".*NotFound.*", "x NotFound\ny", false),
        (r"(\n|.)*NotFound(\n|.)*", "x NotFound\ny", true),
        ("NotFound", "NotFoundError", false),
        (r"(?!NotFoundError).+", "NotFoundError", false),
        (r"(?!NotFoundError).+", "other", true),
        (r"^(?!NotFound).*$", "Timeout", true),
        (r"5\d{2}", "503", true),
        (r"\d", "٣", false),
        (r"[\d\w.-]+", "a-b.3", true),
        (r"\Qa.b\E.", "a.bc", true),
        (r"\p{Alpha}+\p{Punct}", "ab!", true),
        ("(?i)error.*", "ERROR 1", true),
        ("(?s).*", "a\nb", true),
        ("a|b", "b", true),
    ] {
        assert_eq!(
            JavaPattern::new(pattern).unwrap().matches(text),
            Ok(matches),
            "{pattern} {text}"
        );
    }
    assert!(JavaPattern::new("(").is_err());
    assert!(JavaPattern::new(r"\y").is_err());
}

/// Pieces of templates in random order: whatever comes out, nothing panics and all of it ends.
#[test]
fn random_templates_never_panic() {
    let pieces = [
        "$",
        "!",
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "#",
        "set",
        "if",
        "else",
        "elseif",
        "end",
        "foreach",
        "in",
        "define",
        "macro",
        "stop",
        "break",
        "\"",
        "'",
        "\\",
        "x",
        "input",
        ".json",
        "path",
        "('$')",
        " ",
        "\n",
        "..",
        ".",
        ",",
        ":",
        "=",
        "==",
        "+",
        "-",
        "*",
        "/",
        "%",
        "&&",
        "||",
        "1",
        "2.5",
        "99999999999",
        "true",
        "#[[",
        "]]#",
        "#*",
        "*#",
        "##",
        "é",
        "util",
        "get",
        "size()",
        "#set($x = ",
        "#foreach($i in [1..3])",
        "#if($x)",
        "#end",
        "$x",
        "$i.",
        "substring(1, 9)",
        "[?(@.a == 1)]",
        "replaceAll(\"(.\", \"$1\")",
        "#{end}",
        "$!{",
        "\u{0}",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    for _ in 0..3_000 {
        let length = next(24) + 1;
        let template: String = (0..length).map(|_| pieces[next(pieces.len())]).collect();
        let _ = rendered(&template, r#"{"a":[1,{"b":"c"}]}"#);
        let _ = JavaPattern::new(&template).map(|pattern| pattern.matches("a$1(b"));
        let _ = super::super::select_json(&serde_json::json!({ "a": [1] }), &template);
    }
}
