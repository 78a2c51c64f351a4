//! IAM's patterns: `*` stands for any text, `?` for any one character.

/// Whether `pattern` covers the whole of `text`. Takes at most `pattern × text` steps.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut p) = (0, 0);
    // Where to go on when the last star must take one byte more.
    let mut retry: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p, at));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[at] => {
                p += 1;
                at += 1;
            }
            _ => match retry {
                Some((star, from)) => {
                    retry = Some((star, from + 1));
                    p = star + 1;
                    at = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_and_question_marks() {
        assert!(matches("*", ""));
        assert!(matches("a*c", "abbbc"));
        assert!(matches("a*b*c", "a-b-b-c"));
        assert!(matches("table/visit?", "table/visits"));
        assert!(!matches("table/visit?", "table/visit"));
        assert!(!matches("a*c", "abcd"));
        assert!(!matches("", "a"));
        assert!(matches("", ""));
    }
}
