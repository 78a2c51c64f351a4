//! JSON selectors of filter patterns: `{ $.level = "ERROR" && ($.x > 3 || $.y NOT EXISTS) }`.

use regex::Regex;
use serde_json::Value;

use super::pattern::{regex, unquote};

/// How deep parentheses may nest.
const DEEPEST: usize = 32;

/// A parsed selector.
#[derive(Debug)]
pub struct Selector(Expression);

#[derive(Debug)]
enum Expression {
    All(Vec<Expression>),
    Any(Vec<Expression>),
    Test(Vec<Segment>, Test),
}

#[derive(Debug)]
enum Segment {
    Member(String),
    Index(usize),
    Each,
}

#[derive(Debug)]
enum Test {
    Equals(Operand),
    Differs(Operand),
    Less(f64),
    LessOrEqual(f64),
    Greater(f64),
    GreaterOrEqual(f64),
    IsTrue,
    IsFalse,
    IsNull,
    NotExists,
    Exists,
}

#[derive(Debug)]
enum Operand {
    Number(f64, String),
    /// Text with `*` for any run of characters.
    Text(String),
    Regex(Regex),
}

impl Selector {
    /// Parses a selector with its braces.
    pub fn parse(pattern: &str) -> Result<Self, String> {
        let Some(inner) = pattern.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
            return Err("Invalid filter pattern: a JSON selector ends with }".to_owned());
        };
        let mut parser = Parser { rest: inner };
        let expression = parser.any(0)?;
        parser.space();
        if parser.rest.is_empty() {
            Ok(Self(expression))
        } else {
            Err(parser.unexpected("&&, || or the closing }"))
        }
    }

    /// Whether the message is a JSON object that the selector matches.
    pub fn matches(&self, message: &str) -> bool {
        let text = message.trim();
        if !text.starts_with('{') {
            return false;
        }
        serde_json::from_str::<Value>(text).is_ok_and(|document| holds(&self.0, &document))
    }
}

fn holds(expression: &Expression, document: &Value) -> bool {
    match expression {
        Expression::All(parts) => parts.iter().all(|part| holds(part, document)),
        Expression::Any(parts) => parts.iter().any(|part| holds(part, document)),
        Expression::Test(path, Test::NotExists) => find(document, path).is_empty(),
        Expression::Test(path, test) => {
            find(document, path).into_iter().any(|value| passes(test, value))
        }
    }
}

fn find<'a>(document: &'a Value, path: &[Segment]) -> Vec<&'a Value> {
    let mut found = vec![document];
    for segment in path {
        found = match segment {
            Segment::Member(name) => {
                found.into_iter().filter_map(|value| value.get(name)).collect()
            }
            Segment::Index(index) => {
                found.into_iter().filter_map(|value| value.get(index)).collect()
            }
            Segment::Each => found.into_iter().filter_map(Value::as_array).flatten().collect(),
        };
    }
    found
}

fn passes(test: &Test, value: &Value) -> bool {
    let number = || value.as_f64();
    match test {
        Test::Equals(operand) => equals(operand, value),
        Test::Differs(operand) => {
            !value.is_object() && !value.is_array() && !equals(operand, value)
        }
        Test::Less(limit) => number().is_some_and(|n| n < *limit),
        Test::LessOrEqual(limit) => number().is_some_and(|n| n <= *limit),
        Test::Greater(limit) => number().is_some_and(|n| n > *limit),
        Test::GreaterOrEqual(limit) => number().is_some_and(|n| n >= *limit),
        Test::IsTrue => value.as_bool() == Some(true),
        Test::IsFalse => value.as_bool() == Some(false),
        Test::IsNull => value.is_null(),
        Test::Exists => true,
        Test::NotExists => false,
    }
}

#[allow(clippy::float_cmp)]
fn equals(operand: &Operand, value: &Value) -> bool {
    match (operand, value) {
        (Operand::Number(number, _), Value::Number(other)) => other.as_f64() == Some(*number),
        (Operand::Number(_, text), Value::String(other)) => other == text,
        (Operand::Text(glob), Value::String(other)) => glob_matches(glob, other),
        (Operand::Text(glob), Value::Number(other)) => glob_matches(glob, &other.to_string()),
        (Operand::Regex(regex), Value::String(other)) => regex.is_match(other),
        (Operand::Regex(regex), Value::Number(other)) => regex.is_match(&other.to_string()),
        _ => false,
    }
}

/// Whether `text` matches `glob`, in which `*` stands for any run of characters.
fn glob_matches(glob: &str, text: &str) -> bool {
    let Some((head, tail)) = glob.split_once('*') else { return glob == text };
    let Some(mut rest) = text.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = tail.split('*').collect();
    let last = parts.pop().unwrap_or("");
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn unexpected(&self, wanted: &str) -> String {
        let found: String = self.rest.chars().take(20).collect();
        format!("Invalid filter pattern: expected {wanted} at '{found}'")
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn eat(&mut self, token: &str) -> bool {
        self.space();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn keyword(&mut self, word: &str) -> bool {
        self.space();
        let Some(head) = self.rest.get(..word.len()) else { return false };
        let after = &self.rest[word.len()..];
        let ends = !after.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        if head.eq_ignore_ascii_case(word) && ends {
            self.rest = after;
            return true;
        }
        false
    }

    fn any(&mut self, depth: usize) -> Result<Expression, String> {
        let mut parts = vec![self.all(depth)?];
        while self.eat("||") {
            parts.push(self.all(depth)?);
        }
        Ok(Expression::Any(parts))
    }

    fn all(&mut self, depth: usize) -> Result<Expression, String> {
        let mut parts = vec![self.one(depth)?];
        while self.eat("&&") {
            parts.push(self.one(depth)?);
        }
        Ok(Expression::All(parts))
    }

    fn one(&mut self, depth: usize) -> Result<Expression, String> {
        if depth > DEEPEST {
            return Err("Invalid filter pattern: parentheses are nested too deep".to_owned());
        }
        if self.eat("(") {
            let inner = self.any(depth + 1)?;
            if self.eat(")") {
                return Ok(inner);
            }
            return Err(self.unexpected(")"));
        }
        let path = self.path()?;
        let test = self.test()?;
        Ok(Expression::Test(path, test))
    }

    fn path(&mut self) -> Result<Vec<Segment>, String> {
        if !self.eat("$") {
            return Err(self.unexpected("a property such as $.level"));
        }
        let mut path = Vec::new();
        loop {
            if let Some(rest) = self.rest.strip_prefix('.') {
                let end = rest
                    .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-'))
                    .unwrap_or(rest.len());
                if end == 0 {
                    return Err(self.unexpected("a property's name"));
                }
                path.push(Segment::Member(rest[..end].to_owned()));
                self.rest = &rest[end..];
            } else if let Some(rest) = self.rest.strip_prefix("[\"") {
                let (name, after) = unquote(rest)?;
                path.push(Segment::Member(name));
                self.rest = after.strip_prefix(']').ok_or_else(|| self.unexpected("]"))?;
            } else if let Some(rest) = self.rest.strip_prefix('[') {
                let (index, after) =
                    rest.split_once(']').ok_or_else(|| self.unexpected("a closing ]"))?;
                path.push(if index.trim() == "*" {
                    Segment::Each
                } else {
                    Segment::Index(index.trim().parse().map_err(|_| self.unexpected("an index"))?)
                });
                self.rest = after;
            } else if path.is_empty() {
                return Err(self.unexpected("a property such as $.level"));
            } else {
                return Ok(path);
            }
        }
    }

    fn test(&mut self) -> Result<Test, String> {
        if self.keyword("IS") {
            return if self.keyword("TRUE") {
                Ok(Test::IsTrue)
            } else if self.keyword("FALSE") {
                Ok(Test::IsFalse)
            } else if self.keyword("NULL") {
                Ok(Test::IsNull)
            } else {
                Err(self.unexpected("TRUE, FALSE or NULL"))
            };
        }
        if self.keyword("NOT") {
            return if self.keyword("EXISTS") {
                Ok(Test::NotExists)
            } else {
                Err(self.unexpected("EXISTS"))
            };
        }
        if self.keyword("EXISTS") {
            return Ok(Test::Exists);
        }
        if self.eat("!=") {
            return self.operand().map(Test::Differs);
        }
        if self.eat("<=") {
            return self.number().map(Test::LessOrEqual);
        }
        if self.eat(">=") {
            return self.number().map(Test::GreaterOrEqual);
        }
        if self.eat("<") {
            return self.number().map(Test::Less);
        }
        if self.eat(">") {
            return self.number().map(Test::Greater);
        }
        if self.eat("=") {
            return self.operand().map(Test::Equals);
        }
        Err(self.unexpected("=, !=, <, <=, >, >=, IS, EXISTS or NOT EXISTS"))
    }

    fn number(&mut self) -> Result<f64, String> {
        match self.operand()? {
            Operand::Number(number, _) => Ok(number),
            _ => Err(self.unexpected("a number after the comparison")),
        }
    }

    fn operand(&mut self) -> Result<Operand, String> {
        self.space();
        if let Some(rest) = self.rest.strip_prefix('"') {
            let (text, after) = unquote(rest)?;
            self.rest = after;
            return Ok(Operand::Text(text));
        }
        if let Some(rest) = self.rest.strip_prefix('%') {
            let (source, after) =
                rest.split_once('%').ok_or_else(|| self.unexpected("a closing %"))?;
            self.rest = after;
            return regex(source).map(Operand::Regex);
        }
        let end = self
            .rest
            .find(|c: char| c.is_whitespace() || "&|(){}=<>!\"".contains(c))
            .unwrap_or(self.rest.len());
        let (word, after): (&'a str, &'a str) = self.rest.split_at(end);
        if word.is_empty() {
            return Err(self.unexpected("a value"));
        }
        self.rest = after;
        Ok(match word.parse::<f64>() {
            Ok(number) if number.is_finite() => Operand::Number(number, word.to_owned()),
            _ => Operand::Text(word.to_owned()),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"level":"ERROR","x":4,"ok":true,"none":null,
        "user":{"id":"a-1"},"list":[{"n":1},{"n":7}],"ip":"10.0.0.7","key-a":"b"}"#;

    fn matches(pattern: &str) -> bool {
        Selector::parse(pattern).unwrap().matches(EVENT)
    }

    #[test]
    fn comparisons_and_connectives() {
        assert!(matches(r#"{ $.level = "ERROR" && $.x > 3 }"#));
        assert!(!matches(r#"{ $.level = "ERROR" && $.x > 4 }"#));
        assert!(matches("{ $.x >= 4 && $.x <= 4 && $.x = 4.0 }"));
        assert!(matches(r#"{($.x < 3 || $.level != "INFO") && $.ok IS TRUE}"#));
        assert!(matches("{ $.none IS NULL && $.gone NOT EXISTS }"));
        assert!(matches("{ $.ip = 10.0.* }"));
        assert!(matches("{ $.level = %^ERR% }"));
        assert!(!matches("{ $.gone != 1 }"));
    }

    #[test]
    fn paths_reach_into_objects_and_arrays() {
        assert!(matches(r#"{ $.user.id = "a-*" }"#));
        assert!(matches("{ $.list[1].n = 7 }"));
        assert!(matches("{ $.list[*].n = 7 }"));
        assert!(!matches("{ $.list[0].n = 7 }"));
        assert!(matches(r#"{ $["key-a"] = b }"#));
    }

    #[test]
    fn text_that_is_no_object_never_matches() {
        let selector = Selector::parse("{ $.x = 4 }").unwrap();
        assert!(!selector.matches("x = 4"));
        assert!(!selector.matches("[4]"));
    }

    #[test]
    fn nonsense_is_refused_and_depth_is_bounded() {
        for bad in
            ["{}", "{ $.x }", "{ $.x = }", "{ x = 1 }", "{ $.x = 1", "{ $.x > a }", "{ $. = 1 }"]
        {
            assert!(Selector::parse(bad).is_err(), "{bad}");
        }
        let deep = format!("{{ {}$.x = 1{} }}", "(".repeat(400), ")".repeat(400));
        assert!(Selector::parse(&deep).is_err());
    }

    #[test]
    fn globs() {
        assert!(glob_matches("a*c*", "abcd"));
        assert!(glob_matches("*", ""));
        assert!(!glob_matches("a*a", "a"));
        assert!(glob_matches("*b*", "abc"));
    }
}
