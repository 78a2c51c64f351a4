//! The text of a JSON path.

use super::TemplateError;
use super::heap::Value;
use super::java_regex::JavaPattern;
use super::jsonpath::{Filter, Operand, Segment};
use super::number::Number;

/// Most brackets and parentheses within one another.
const NESTED: usize = 16;

/// The segments of a path that begins with `$` or `@`.
pub(super) fn read(text: &str) -> Result<Vec<Segment>, TemplateError> {
    let mut reader = Reader { text, at: 1, depth: NESTED };
    let segments = reader.segments()?;
    if reader.at < text.len() { Err(reader.invalid()) } else { Ok(segments) }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn invalid(&self) -> TemplateError {
        TemplateError::Failed(format!("Could not parse the JSON path '{}'", self.text))
    }

    fn take(&mut self, text: &str) -> bool {
        let taken = self.rest().starts_with(text);
        if taken {
            self.at += text.len();
        }
        taken
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn expect(&mut self, text: &str) -> Result<(), TemplateError> {
        self.space();
        if self.take(text) { Ok(()) } else { Err(self.invalid()) }
    }

    fn segments(&mut self) -> Result<Vec<Segment>, TemplateError> {
        self.depth =
            self.depth.checked_sub(1).ok_or(TemplateError::Limit("a JSON path's nesting"))?;
        let mut segments = Vec::new();
        loop {
            if self.take("..") {
                segments.push(Segment::Deep);
                if !self.rest().starts_with('[') {
                    segments.push(self.dotted()?);
                }
            } else if self.take(".") {
                // `$.[0]` is `$[0]`.
                if !self.rest().starts_with('[') {
                    segments.push(self.dotted()?);
                }
            } else if self.take("[") {
                segments.push(self.bracket()?);
            } else {
                break;
            }
        }
        self.depth += 1;
        Ok(segments)
    }

    fn dotted(&mut self) -> Result<Segment, TemplateError> {
        if self.take("*") {
            return Ok(Segment::All);
        }
        let rest = self.rest();
        let stops = |c: char| c.is_whitespace() || ".[]()=!<>&|,'\"".contains(c);
        let length = rest.find(stops).unwrap_or(rest.len());
        let name = &rest[..length];
        self.at += length;
        if name.is_empty() {
            return Err(self.invalid());
        }
        if self.take("()") {
            return Ok(Segment::Function(name.to_owned()));
        }
        Ok(Segment::Names(vec![name.to_owned()]))
    }

    fn bracket(&mut self) -> Result<Segment, TemplateError> {
        self.space();
        if self.take("*") {
            self.expect("]")?;
            return Ok(Segment::All);
        }
        if self.take("?") {
            self.expect("(")?;
            let filter = self.any()?;
            self.expect(")")?;
            self.expect("]")?;
            return Ok(Segment::Filter(filter));
        }
        if self.rest().starts_with(['\'', '"']) {
            let mut names = vec![self.quoted()?];
            self.space();
            while self.take(",") {
                self.space();
                names.push(self.quoted()?);
                self.space();
            }
            self.expect("]")?;
            return Ok(Segment::Names(names));
        }
        let first = self.integer()?;
        self.space();
        if self.take(":") {
            let last = self.integer()?;
            self.expect("]")?;
            return Ok(Segment::Slice(first, last));
        }
        let mut indexes = vec![first.ok_or_else(|| self.invalid())?];
        while self.take(",") {
            indexes.push(self.integer()?.ok_or_else(|| self.invalid())?);
            self.space();
        }
        self.expect("]")?;
        Ok(Segment::Indexes(indexes))
    }

    fn integer(&mut self) -> Result<Option<i64>, TemplateError> {
        self.space();
        let rest = self.rest();
        let is_part = |c: char| c.is_ascii_digit() || c == '-';
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        self.at += length;
        if length == 0 {
            return Ok(None);
        }
        rest[..length].parse().map(Some).map_err(|_| self.invalid())
    }

    fn quoted(&mut self) -> Result<String, TemplateError> {
        let rest = self.rest();
        let mut characters = rest.char_indices();
        let quote =
            characters.next().map(|(_, quote)| quote).filter(|quote| "'\"".contains(*quote));
        let quote = quote.ok_or_else(|| self.invalid())?;
        let mut text = String::new();
        while let Some((at, character)) = characters.next() {
            if character == quote {
                self.at += at + 1;
                return Ok(text);
            }
            if character == '\\' {
                text.extend(characters.next().map(|(_, escaped)| escaped));
            } else {
                text.push(character);
            }
        }
        Err(self.invalid())
    }

    fn any(&mut self) -> Result<Filter, TemplateError> {
        let mut parts = vec![self.every()?];
        self.space();
        while self.take("||") {
            parts.push(self.every()?);
            self.space();
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::Or(parts) })
    }

    fn every(&mut self) -> Result<Filter, TemplateError> {
        let mut parts = vec![self.single()?];
        self.space();
        while self.take("&&") {
            parts.push(self.single()?);
            self.space();
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::And(parts) })
    }

    fn single(&mut self) -> Result<Filter, TemplateError> {
        self.space();
        self.depth =
            self.depth.checked_sub(1).ok_or(TemplateError::Limit("a JSON path's nesting"))?;
        let filter = if self.take("!") {
            Filter::Not(Box::new(self.single()?))
        } else if self.take("(") {
            let inner = self.any()?;
            self.expect(")")?;
            inner
        } else {
            let left = self.operand()?;
            self.space();
            let operators = ["==", "!=", "<=", ">=", "=~", "<", ">", "nin", "in", "contains"];
            match operators.into_iter().find(|operator| self.take(operator)) {
                Some(operator) => {
                    self.space();
                    Filter::Compare(left, operator.to_owned(), self.operand()?)
                }
                None => Filter::There(left),
            }
        };
        self.depth += 1;
        Ok(filter)
    }

    fn operand(&mut self) -> Result<Operand, TemplateError> {
        self.space();
        let rest = self.rest();
        for (start, item) in [("@", true), ("$", false)] {
            if self.take(start) {
                return Ok(Operand::Path { item, segments: self.segments()? });
            }
        }
        if rest.starts_with(['\'', '"']) {
            return self.quoted().map(|text| Operand::Literal(Value::text(text)));
        }
        for (word, value) in
            [("true", Value::Bool(true)), ("false", Value::Bool(false)), ("null", Value::Null)]
        {
            if self.take(word) {
                return Ok(Operand::Literal(value));
            }
        }
        if self.take("[") {
            self.depth =
                self.depth.checked_sub(1).ok_or(TemplateError::Limit("a JSON path's nesting"))?;
            let mut items = Vec::new();
            self.space();
            while !self.take("]") {
                items.push(self.operand()?);
                self.space();
                self.take(",");
                self.space();
            }
            self.depth += 1;
            return Ok(Operand::List(items));
        }
        if let Some(pattern) = rest.strip_prefix('/') {
            let end = pattern.find('/').ok_or_else(|| self.invalid())?;
            self.at += end + 2;
            let folds = self.take("i");
            let pattern = &pattern[..end];
            let pattern = if folds { format!("(?i){pattern}") } else { pattern.to_owned() };
            let compiled = JavaPattern::new(&pattern).map_err(|_| self.invalid())?;
            return Ok(Operand::Pattern(Box::new(compiled)));
        }
        let is_part = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let text = &rest[..length];
        let value = match text.parse::<i64>() {
            Ok(whole) => Number::integer(whole.into()),
            Err(_) => Value::Double(text.parse().map_err(|_| self.invalid())?),
        };
        self.at += length;
        Ok(Operand::Literal(value))
    }
}
