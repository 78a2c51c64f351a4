//! Numbers and texts in expressions.

use super::TemplateError;
use super::parse::{Parser, template};
use super::syntax::Expr;

impl Parser<'_> {
    /// A number, maybe with a sign. `1..3` is a range, not `1.` and `.3`.
    pub fn number(&mut self) -> Result<Expr, TemplateError> {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let digits =
            |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let sign = usize::from(bytes.first() == Some(&b'-'));
        let whole = digits(sign);
        let mut end = sign + whole;
        let mut fraction = false;
        if bytes.get(end) == Some(&b'.') && bytes.get(end + 1) != Some(&b'.') {
            let places = digits(end + 1);
            if whole + places > 0 {
                fraction = true;
                end += 1 + places;
            }
        }
        if whole == 0 && !fraction {
            return Err(self.error("expected a number"));
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let exponent = digits((end + 1 + sign).min(bytes.len()));
            if exponent > 0 {
                fraction = true;
                end += 1 + sign + exponent;
            }
        }
        let text = &rest[..end];
        let number = if fraction {
            text.parse().ok().filter(|value: &f64| value.is_finite()).map(Expr::Double)
        } else {
            text.parse().ok().map(Expr::Integer)
        };
        let number = number.ok_or_else(|| self.error("a number that is too large"))?;
        self.at += end;
        Ok(number)
    }

    /// A text in quotes; a doubled quote stands for one. Single quotes take everything as it is.
    pub fn string(&mut self) -> Result<Expr, TemplateError> {
        let rest = self.rest();
        let quote = if rest.starts_with('"') { '"' } else { '\'' };
        let inner = &rest[1..];
        let mut text = String::new();
        let mut from = 0;
        loop {
            let end =
                inner[from..].find(quote).ok_or_else(|| self.error("a text that is not closed"))?;
            text.push_str(&inner[from..from + end]);
            from += end + 1;
            if inner[from..].starts_with(quote) {
                text.push(quote);
                from += 1;
            } else {
                break;
            }
        }
        self.at += 1 + from;
        if quote == '\'' {
            return Ok(Expr::Text(text));
        }
        let text = unescape(&text);
        if !text.contains(['$', '#']) {
            return Ok(Expr::Text(text));
        }
        self.enter()?;
        // Velocity's lexer needs something after a reference: it reads one space more and drops it
        // from the result, unless the text has a comment in it, which would take the space.
        let comment = text.contains("##");
        let nodes = if comment {
            template(&text, self.depth)
        } else {
            template(&format!("{text} "), self.depth)
        };
        let mut nodes = nodes.map_err(|error| match error {
            TemplateError::Syntax { message, .. } => self.error(&message),
            other => other,
        })?;
        if !comment && let Some(super::syntax::Node::Text(last)) = nodes.last_mut() {
            last.truncate(last.trim_end_matches(' ').len().max(last.len().saturating_sub(1)));
        }
        self.leave();
        Ok(Expr::Interpolated(nodes))
    }
}

/// The text with its `\u00e9`s as the characters they stand for; other escapes stay.
fn unescape(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\\u") {
        result.push_str(before);
        let code = after.get(..4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let read =
            code.and_then(|digits| u32::from_str_radix(digits, 16).ok()).and_then(char::from_u32);
        if let Some(read) = read {
            result.push(read);
            rest = &after[4..];
        } else {
            result.push_str("\\u");
            rest = after;
        }
    }
    result.push_str(rest);
    result
}
