//! Filter patterns of CloudWatch Logs: words, quoted phrases, `?` for OR, `-` for NOT, `%regex%`,
//! and JSON selectors in braces.
//!
//! Syntax: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html>.
//! Terms are case-sensitive and match anywhere in the message. Space-delimited patterns in square
//! brackets are refused.

use regex::{Regex, RegexBuilder};

use super::selector::Selector;

/// Longest pattern that AWS takes.
const LONGEST: usize = 1024;
/// Compiled size that a pattern's regular expression may have, in bytes.
const REGEX_BYTES: usize = 1 << 20;

/// A parsed filter pattern.
#[derive(Debug)]
pub struct Pattern(Kind);

#[derive(Debug)]
enum Kind {
    All,
    Terms { all: Vec<Term>, any: Vec<Term>, none: Vec<Term> },
    Json(Selector),
}

#[derive(Debug)]
enum Term {
    Text(String),
    Regex(Regex),
}

impl Term {
    fn matches(&self, message: &str) -> bool {
        match self {
            Self::Text(text) => message.contains(text.as_str()),
            Self::Regex(regex) => regex.is_match(message),
        }
    }
}

impl Pattern {
    /// Parses a pattern; the error is the message for the person who wrote it.
    pub fn parse(pattern: &str) -> Result<Self, String> {
        if pattern.len() > LONGEST {
            return Err(format!("Invalid filter pattern: longer than {LONGEST} characters"));
        }
        let trimmed = pattern.trim();
        if trimmed.is_empty() {
            return Ok(Self(Kind::All));
        }
        if trimmed.starts_with('{') {
            return Ok(Self(Kind::Json(Selector::parse(trimmed)?)));
        }
        if trimmed.starts_with('[') {
            return Err("Invalid filter pattern: the local cloud does not implement \
                        space-delimited patterns ([a, b, …])"
                .to_owned());
        }
        parse_terms(trimmed).map(Self)
    }

    /// Whether a message matches.
    pub fn matches(&self, message: &str) -> bool {
        match &self.0 {
            Kind::All => true,
            Kind::Json(selector) => selector.matches(message),
            Kind::Terms { all, any, none } => {
                all.iter().all(|term| term.matches(message))
                    && !none.iter().any(|term| term.matches(message))
                    && (any.is_empty() || any.iter().any(|term| term.matches(message)))
            }
        }
    }
}

fn parse_terms(pattern: &str) -> Result<Kind, String> {
    let (mut all, mut any, mut none) = (Vec::new(), Vec::new(), Vec::new());
    let mut rest = pattern;
    while !rest.is_empty() {
        let list = match rest.as_bytes()[0] {
            b'?' => &mut any,
            b'-' => &mut none,
            _ => &mut all,
        };
        let body = rest.strip_prefix(['?', '-']).unwrap_or(rest);
        let (term, after) = parse_term(body)?;
        list.push(term);
        rest = after.trim_start();
    }
    // As AWS documents: "?" terms beside other terms are ignored.
    if !all.is_empty() || !none.is_empty() {
        any.clear();
    }
    Ok(Kind::Terms { all, any, none })
}

/// One term at the start of `text`, and what follows it.
fn parse_term(text: &str) -> Result<(Term, &str), String> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (phrase, after) = unquote(quoted)?;
        return Ok((Term::Text(phrase), after));
    }
    if let Some(inner) = text.strip_prefix('%') {
        let Some((source, after)) = inner.split_once('%') else {
            return Err("Invalid filter pattern: a regular expression has no closing %".to_owned());
        };
        return Ok((Term::Regex(regex(source)?), after));
    }
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (word, after) = text.split_at(end);
    if word.is_empty() || !word.chars().all(|c| c.is_alphanumeric() || c == '_') {
        return Err(format!(
            "Invalid character(s) in term '{word}': put terms with other characters than letters, \
             digits and underscores in double quotes"
        ));
    }
    Ok((Term::Text(word.to_owned()), after))
}

/// The text up to the closing quote, with `\"` and `\\` resolved, and what follows the quote.
pub fn unquote(text: &str) -> Result<(String, &str), String> {
    let mut phrase = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((phrase, &text[at + 1..])),
            '\\' => match chars.next() {
                Some((_, escaped @ ('"' | '\\'))) => phrase.push(escaped),
                Some((_, other)) => {
                    phrase.push('\\');
                    phrase.push(other);
                }
                None => break,
            },
            _ => phrase.push(c),
        }
    }
    Err("Invalid filter pattern: a quoted phrase has no closing quote".to_owned())
}

/// A regular expression of bounded size.
pub fn regex(source: &str) -> Result<Regex, String> {
    RegexBuilder::new(source)
        .size_limit(REGEX_BYTES)
        .build()
        .map_err(|error| format!("Invalid filter pattern: {error}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn matches(pattern: &str, message: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(message)
    }

    #[test]
    fn words_are_and_ed_and_case_sensitive() {
        assert!(matches("ERROR timeout", "timeout after ERROR"));
        assert!(!matches("ERROR timeout", "ERROR only"));
        assert!(!matches("error", "ERROR"));
        assert!(matches("  ", "anything"));
    }

    #[test]
    fn phrases_alternatives_and_exclusions() {
        assert!(matches(r#""not found""#, "user not found here"));
        assert!(!matches(r#""not found""#, "found, not"));
        assert!(matches(r#""say \"hi\"""#, r#"they say "hi" today"#));
        assert!(matches("?ERROR ?WARN", "a WARN"));
        assert!(!matches("?ERROR ?WARN", "INFO"));
        assert!(matches("ERROR -retry", "ERROR fatal"));
        assert!(!matches("ERROR -retry", "ERROR retry"));
        assert!(!matches(r#"-"a b""#, "x a b"));
        assert!(matches("%5[0-9]{2}%", "status 503"));
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        for bad in ["a-b", "\"open", "%open", "%(%", "[a, b]", "?", "- x", &"x".repeat(1025)] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
    }
}
