//! Java's regular expressions on a backtracking engine that has look-around and a limit.
//!
//! Where Java's syntax means something else than the engine's it is rewritten: the classes `\d`,
//! `\w` and `\s` are ASCII, `.` leaves out every line terminator, `$` also stands before the last
//! one, `\Q…\E` quotes, and any punctuation may be escaped (`java.util.regex.Pattern`).

use super::TemplateError;

/// Longest pattern, in bytes.
const LONGEST: usize = 4096;

/// Steps back that one search may take.
const BACKTRACKS: usize = 300_000;

const TERMINATORS: &str = r"\n\r\x{85}\x{2028}\x{2029}";

/// A compiled pattern.
#[derive(Debug, Clone)]
pub struct JavaPattern {
    whole: fancy_regex::Regex,
    part: fancy_regex::Regex,
}

/// A match: start, end, and the groups from the first one on.
pub(super) struct Found {
    pub start: usize,
    pub end: usize,
    pub groups: Vec<Option<String>>,
}

impl JavaPattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// What Java's `PatternSyntaxException` would say, in the engine's words.
    pub fn new(pattern: &str) -> Result<Self, String> {
        if pattern.len() > LONGEST {
            return Err("the pattern is too long".to_owned());
        }
        let pattern = translated(pattern)?;
        let compile = |pattern: &str| {
            fancy_regex::RegexBuilder::new(pattern)
                .backtrack_limit(BACKTRACKS)
                .delegate_size_limit(1 << 20)
                .delegate_dfa_size_limit(1 << 20)
                .build()
                .map_err(|error| error.to_string())
        };
        Ok(Self { part: compile(&pattern)?, whole: compile(&format!(r"\A(?:{pattern})\z"))? })
    }

    /// Whether the pattern matches the whole text.
    ///
    /// # Errors
    /// A search that takes too many steps.
    pub fn matches(&self, text: &str) -> Result<bool, TemplateError> {
        self.whole.is_match(text).map_err(|_| too_long())
    }

    /// Every match, at most `limit`.
    pub(super) fn find_all(&self, text: &str, limit: usize) -> Result<Vec<Found>, TemplateError> {
        let mut found = Vec::new();
        for captures in self.part.captures_iter(text).take(limit) {
            let captures = captures.map_err(|_| too_long())?;
            let Some(whole) = captures.get(0) else { continue };
            let groups = captures.iter().skip(1);
            let groups = groups.map(|group| group.map(|group| group.as_str().to_owned()));
            found.push(Found { start: whole.start(), end: whole.end(), groups: groups.collect() });
        }
        Ok(found)
    }
}

fn too_long() -> TemplateError {
    TemplateError::Limit("a regular expression's steps")
}

/// The pattern in the engine's syntax.
fn translated(pattern: &str) -> Result<String, String> {
    let mut out = String::with_capacity(pattern.len() + 16);
    let flags = |flag: char| {
        pattern.match_indices("(?").any(|(at, _)| {
            let named = pattern[at + 2..].chars().take_while(char::is_ascii_alphabetic);
            named.into_iter().any(|named| named == flag)
        })
    };
    let (dot_all, multi_line) = (flags('s'), flags('m'));
    let last = format!(r"(?=(?:\r\n|[{TERMINATORS}])?\z)");
    let mut classes = 0_usize;
    let mut rest = pattern.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\\' => {
                let Some(escaped) = rest.next() else {
                    return Err("a lonely backslash".to_owned());
                };
                if escaped == 'Q' {
                    let quoted: String = rest.clone().collect();
                    let end = quoted.find("\\E").unwrap_or(quoted.len());
                    out.push_str(&fancy_regex::escape(&quoted[..end]));
                    for _ in quoted[..end].chars().chain("\\E".chars()) {
                        rest.next();
                    }
                } else if matches!(escaped, 'p' | 'P') {
                    property(&mut out, escaped, &mut rest);
                } else if escaped == 'Z' && classes == 0 {
                    out.push_str(&last);
                } else {
                    escape(&mut out, escaped, classes > 0)?;
                }
            }
            '[' => {
                classes += 1;
                out.push('[');
                if rest.peek() == Some(&'^') {
                    rest.next();
                    out.push('^');
                }
            }
            ']' if classes > 0 => {
                classes -= 1;
                out.push(']');
            }
            '~' if classes > 0 => out.push_str("\\~"),
            '-' if classes > 0 && rest.peek() == Some(&'-') => out.push_str("\\-"),
            '.' if classes == 0 && !dot_all => {
                out.push_str("[^");
                out.push_str(TERMINATORS);
                out.push(']');
            }
            '$' if classes == 0 && !multi_line => out.push_str(&last),
            other => out.push(other),
        }
    }
    Ok(out)
}

fn escape(out: &mut String, escaped: char, in_class: bool) -> Result<(), String> {
    let (class, inner) = match escaped {
        'd' => ("[0-9]", "0-9"),
        'w' => ("[a-zA-Z_0-9]", "a-zA-Z_0-9"),
        's' => (r"[ \t\n\x0B\f\r]", r" \t\n\x0B\f\r"),
        'h' => (r"[ \t\x{A0}]", r" \t\x{A0}"),
        'D' => ("[^0-9]", "[^0-9]"),
        'W' => ("[^a-zA-Z_0-9]", "[^a-zA-Z_0-9]"),
        'S' => (r"[^ \t\n\x0B\f\r]", r"[^ \t\n\x0B\f\r]"),
        'R' => (r"(?:\r\n|[\n\x0B\f\r\x{85}\x{2028}\x{2029}])", ""),
        'e' => (r"\x1B", r"\x1B"),
        'b' | 'B' | 'A' | 'z' | 'n' | 't' | 'r' | 'f' | 'x' | 'u' | 'k' | 'a' | '1'..='9' => {
            out.push('\\');
            out.push(escaped);
            return Ok(());
        }
        other if other.is_ascii_alphanumeric() => {
            return Err(format!("illegal/unsupported escape sequence \\{other}"));
        }
        other => {
            if other.is_ascii_punctuation() {
                out.push('\\');
                // These two would be boundaries of words.
                if matches!(other, '<' | '>') {
                    out.pop();
                }
            }
            out.push(other);
            return Ok(());
        }
    };
    out.push_str(if in_class { inner } else { class });
    Ok(())
}

/// `\p{…}`: Java's POSIX classes are ASCII, its other names are Unicode's.
fn property(out: &mut String, letter: char, rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    let mut name = String::new();
    if rest.peek() == Some(&'{') {
        rest.next();
        name.extend(rest.by_ref().take_while(|character| *character != '}'));
    } else {
        name.extend(rest.next());
    }
    let ascii = match name.as_str() {
        "Lower" => Some("a-z"),
        "Upper" => Some("A-Z"),
        "ASCII" => Some(r"\x00-\x7F"),
        "Alpha" => Some("a-zA-Z"),
        "Digit" => Some("0-9"),
        "Alnum" => Some("a-zA-Z0-9"),
        "Punct" => Some(r"!-/:-@\[-`{-\~"),
        "Graph" => Some(r"!-\~"),
        "Print" => Some(r"\x20-\~"),
        "Blank" => Some(r" \t"),
        "Cntrl" => Some(r"\x00-\x1F\x7F"),
        "XDigit" => Some("0-9a-fA-F"),
        "Space" => Some(r" \t\n\x0B\f\r"),
        _ => None,
    };
    if let Some(class) = ascii {
        out.push_str(if letter == 'P' { "[^" } else { "[" });
        out.push_str(class);
        out.push(']');
    } else {
        out.push('\\');
        out.push(letter);
        out.push('{');
        out.push_str(name.strip_prefix("Is").unwrap_or(&name));
        out.push('}');
    }
}
