//! The statements of a template, as the grammar of Velocity 1.7 (`Parser.jjt`) reads them.
//!
//! Its lexer has states; what they come to is said at each place. `#set` takes spaces before it when
//! a statement begins with them; the parenthesis that closes a directive, `#else` and `#end` take
//! blanks up to and with the line's end; a word runs as far as it can, so that `#endif` is no `#end`.

use super::TemplateError;
use super::syntax::{Expr, Node, Reference};

/// What ends a block.
#[derive(Debug, PartialEq, Eq)]
enum End {
    File,
    Closed,
    Else,
    ElseIf,
}

/// Where the parser is.
pub(super) struct Parser<'a> {
    pub source: &'a str,
    pub at: usize,
    pub depth: usize,
}

/// The statements of a whole template that nests at most `depth` deep.
pub(super) fn template(source: &str, depth: usize) -> Result<Vec<Node>, TemplateError> {
    let mut parser = Parser { source, at: 0, depth };
    let (nodes, end) = parser.block()?;
    if end == End::File { Ok(nodes) } else { Err(parser.error("unexpected end of a block")) }
}

impl<'a> Parser<'a> {
    pub fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    pub fn peek(&self) -> Option<u8> {
        self.source.as_bytes().get(self.at).copied()
    }

    pub fn byte(&self, offset: usize) -> Option<u8> {
        self.source.as_bytes().get(self.at + offset).copied()
    }

    pub fn error(&self, message: &str) -> TemplateError {
        let before = &self.source[..self.at];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        TemplateError::Syntax { message: message.to_owned(), line, column }
    }

    pub fn enter(&mut self) -> Result<(), TemplateError> {
        self.depth =
            self.depth.checked_sub(1).ok_or(TemplateError::Limit("a template's nesting"))?;
        Ok(())
    }

    pub fn leave(&mut self) {
        self.depth += 1;
    }

    pub fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    pub fn expect(&mut self, byte: u8) -> Result<(), TemplateError> {
        if self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(self.error(&format!("expected '{}'", char::from(byte))))
    }

    /// Takes the blanks up to and with a line's end, if there is nothing else before it.
    fn gobble(&mut self) {
        let bytes = self.source.as_bytes();
        let mut at = self.at;
        while matches!(bytes.get(at), Some(b' ' | b'\t')) {
            at += 1;
        }
        match (bytes.get(at), bytes.get(at + 1)) {
            (Some(b'\r'), Some(b'\n')) => self.at = at + 2,
            (Some(b'\r' | b'\n'), _) => self.at = at + 1,
            _ => {}
        }
    }

    fn block(&mut self) -> Result<(Vec<Node>, End), TemplateError> {
        self.enter()?;
        let mut nodes = Vec::new();
        let end = loop {
            if self.peek().is_none() {
                break End::File;
            }
            if let Some(length) = set_directive(self.rest()) {
                self.at += length;
                nodes.push(self.set()?);
                continue;
            }
            match self.peek() {
                Some(b'\\') => self.escapes(&mut nodes)?,
                Some(b'$') => self.dollar(0, &mut nodes)?,
                Some(b'#') => {
                    if let Some(end) = self.hash(&mut nodes)? {
                        break end;
                    }
                }
                _ => {
                    let rest = self.rest();
                    let end = rest.find(['$', '#', '\\']).unwrap_or(rest.len());
                    push_text(&mut nodes, &rest[..end]);
                    self.at += end;
                }
            }
        };
        self.leave();
        Ok((nodes, end))
    }

    /// A block that must be closed by `#end`.
    fn closed_block(&mut self) -> Result<Vec<Node>, TemplateError> {
        match self.block()? {
            (nodes, End::Closed) => Ok(nodes),
            _ => Err(self.error("expected #end")),
        }
    }

    fn set(&mut self) -> Result<Node, TemplateError> {
        self.skip_space();
        let target = self.directive_reference()?;
        self.skip_space();
        self.expect(b'=')?;
        let value = self.expression()?;
        self.close()?;
        Ok(Node::Set { target, value })
    }

    /// The parenthesis that closes a directive.
    fn close(&mut self) -> Result<(), TemplateError> {
        self.skip_space();
        self.expect(b')')?;
        self.gobble();
        Ok(())
    }

    /// Backslashes: before a reference or a directive they escape, anywhere else they are text.
    fn escapes(&mut self, nodes: &mut Vec<Node>) -> Result<(), TemplateError> {
        let rest = self.rest();
        let count = rest.bytes().take_while(|byte| *byte == b'\\').count();
        let after = &rest[count..];
        if after.starts_with('$') {
            self.at += count;
            return self.dollar(count, nodes);
        }
        let word = after.strip_prefix('#').and_then(word);
        match word {
            Some((name, length)) if count % 2 == 1 => {
                let kept = if recognised(name) || name == "set" { (count - 1) / 2 } else { count };
                push_text(nodes, &rest[..kept]);
                push_text(nodes, &after[..=length]);
                self.at += count + 1 + length;
            }
            Some((name, _)) if recognised(name) => {
                push_text(nodes, &rest[..count / 2]);
                self.at += count;
            }
            _ => {
                push_text(nodes, &rest[..count]);
                self.at += count;
            }
        }
        Ok(())
    }

    /// A `$` after `slashes` backslashes: a reference, or text.
    fn dollar(&mut self, slashes: usize, nodes: &mut Vec<Node>) -> Result<(), TemplateError> {
        let start = self.at;
        let bytes = self.source.as_bytes();
        let mut at = start + 1;
        let inner = bytes[at..].iter().take_while(|byte| **byte == b'\\').count();
        if bytes.get(at + inner) == Some(&b'!') {
            at += inner + 1;
            if inner > 0 {
                // `$\!name` is no reference; one of the backslashes goes.
                push_text(nodes, &"\\".repeat(slashes));
                push_text(nodes, "$");
                push_text(nodes, &"\\".repeat(inner - 1));
                push_text(nodes, "!");
                self.at = at;
                return Ok(());
            }
        }
        let formal = bytes.get(at) == Some(&b'{');
        let name = at + usize::from(formal);
        if !bytes.get(name).is_some_and(|byte| is_name_start(*byte)) {
            if at == bytes.len() {
                self.at = at;
                return Err(self.error("unexpected end of the template after '$'"));
            }
            self.at = name;
            // A directive right after the sign swallows it, as in Velocity's lexer.
            let swallowed = !formal && bytes[at] == b'#' && {
                let rest = &self.source[at..];
                set_directive(rest).is_some()
                    || rest.starts_with("##")
                    || word(&rest[1..]).is_some_and(|(name, _)| recognised(name))
            };
            if !swallowed {
                push_text(nodes, &"\\".repeat(slashes));
                push_text(nodes, &self.source[start..name]);
            }
            return Ok(());
        }
        self.at = name;
        let (root, steps) = self.chain(formal)?;
        let escaped = (slashes % 2 == 1).then(|| self.source[start..self.at].to_owned());
        nodes.push(Node::Reference(Reference { root, steps, escapes: slashes / 2, escaped }));
        Ok(())
    }

    /// A `#`: a comment, a directive, or text. Answers what ends the block, if this does.
    fn hash(&mut self, nodes: &mut Vec<Node>) -> Result<Option<End>, TemplateError> {
        let rest = self.rest();
        if rest.starts_with("##") {
            self.at += rest.find(['\n', '\r']).map_or(rest.len(), |end| {
                end + if rest[end..].starts_with("\r\n") { 2 } else { 1 }
            });
            return Ok(None);
        }
        if let Some(block) = rest.strip_prefix("#[[") {
            let end = block
                .find("]]#")
                .ok_or_else(|| self.error("a block of text that is not closed"))?;
            push_text(nodes, &block[..end]);
            self.at += 3 + end + 3;
            return Ok(None);
        }
        if let Some(comment) = rest.strip_prefix("#*") {
            self.at += 2 + comment.find("*#").map_or(comment.len(), |end| end + 2);
            return Ok(None);
        }
        let Some((name, length)) = word(&rest[1..]) else {
            if rest.len() == 1 {
                self.at += 1;
                return Err(self.error("unexpected end of the template after '#'"));
            }
            push_text(nodes, "#");
            self.at += 1;
            return Ok(None);
        };
        let after = 1 + length;
        match name {
            "end" | "else" => {
                self.at += after;
                self.gobble();
                return Ok(Some(if name == "end" { End::Closed } else { End::Else }));
            }
            "elseif" => {
                self.at += after;
                return Ok(Some(End::ElseIf));
            }
            "if" => {
                self.at += after;
                nodes.push(self.conditional()?);
            }
            "stop" => {
                self.at += after;
                nodes.push(Node::Stop);
            }
            _ => self.directive(name, after, nodes)?,
        }
        Ok(None)
    }

    fn conditional(&mut self) -> Result<Node, TemplateError> {
        let mut branches = Vec::new();
        loop {
            self.skip_space();
            self.expect(b'(')?;
            let condition = self.expression()?;
            self.close()?;
            let (nodes, end) = self.block()?;
            branches.push((condition, nodes));
            match end {
                End::ElseIf => {}
                End::Else => {
                    let otherwise = self.closed_block()?;
                    return Ok(Node::If { branches, otherwise });
                }
                End::Closed => return Ok(Node::If { branches, otherwise: Vec::new() }),
                End::File => return Err(self.error("expected #end")),
            }
        }
    }

    /// `#name` or `#name(arguments)` other than the ones above. Unknown ones are text.
    fn directive(
        &mut self,
        name: &str,
        length: usize,
        nodes: &mut Vec<Node>,
    ) -> Result<(), TemplateError> {
        let start = self.at;
        self.at += length;
        let before = self.at;
        self.skip_space();
        if self.peek() != Some(b'(') {
            self.at = before;
            match name {
                "break" => nodes.push(Node::Break),
                "foreach" | "define" | "macro" | "literal" => {
                    return Err(self.error(&format!("#{name} without arguments")));
                }
                _ => push_text(nodes, &self.source[start..before]),
            }
            return Ok(());
        }
        self.at += 1;
        self.skip_space();
        match name {
            "foreach" => {
                let variable = self.directive_reference()?.root;
                self.skip_space();
                if word(self.rest()).is_none_or(|(word, _)| word != "in") {
                    return Err(self.error("expected 'in'"));
                }
                self.at += 2;
                let source = self.argument()?;
                self.close()?;
                let body = self.closed_block()?;
                nodes.push(Node::Foreach { variable, source, body });
            }
            "define" => {
                let name = self.directive_reference()?.root;
                self.close()?;
                let body = self.closed_block()?;
                nodes.push(Node::Define { name, body });
            }
            "macro" => {
                // API Gateway lets no template define macros: the definition has no effect.
                self.arguments()?;
                self.closed_block()?;
            }
            "literal" => {
                self.arguments()?;
                let body = self.at;
                let end = self.closed_block_start()?;
                push_text(nodes, &self.source[body..end]);
            }
            "break" => {
                self.arguments()?;
                nodes.push(Node::Break);
            }
            _ => {
                self.arguments()?;
                push_text(nodes, &self.source[start..self.at]);
            }
        }
        Ok(())
    }

    /// Reads a block and answers where its `#end` begins.
    fn closed_block_start(&mut self) -> Result<usize, TemplateError> {
        let body = self.at;
        self.closed_block()?;
        let read = &self.source[body..self.at];
        let end = read.rfind("#end").max(read.rfind("#{end}")).unwrap_or(read.len());
        Ok(body + end)
    }

    /// The arguments of a directive that is not evaluated, with the closing parenthesis.
    fn arguments(&mut self) -> Result<Vec<Expr>, TemplateError> {
        let mut arguments = Vec::new();
        loop {
            self.skip_space();
            if self.peek() == Some(b',') {
                self.at += 1;
                self.skip_space();
            }
            if self.peek() == Some(b')') {
                self.close()?;
                return Ok(arguments);
            }
            match word(self.rest()) {
                Some((name, length)) if !matches!(name, "true" | "false") => self.at += length,
                _ => arguments.push(self.argument()?),
            }
        }
    }
}

/// Adds text, to the text before it where there is one.
fn push_text(nodes: &mut Vec<Node>, text: &str) {
    if text.is_empty() {
        return;
    }
    if let Some(Node::Text(last)) = nodes.last_mut() {
        last.push_str(text);
    } else {
        nodes.push(Node::Text(text.to_owned()));
    }
}

/// Whether a name can begin with this.
pub(super) fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

/// The directive's name at the start of `text`, `name` or `{name}`, and how long that is.
fn word(text: &str) -> Option<(&str, usize)> {
    let (inner, brackets) = match text.strip_prefix('{') {
        Some(inner) => (inner, true),
        None => (text, false),
    };
    let first = *inner.as_bytes().first()?;
    if !(is_name_start(first) || (first == b'@' && !brackets)) {
        return None;
    }
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'@');
    let length = inner.bytes().take_while(|byte| is_word(byte)).count();
    if !brackets {
        return Some((&inner[..length], length));
    }
    inner[length..].starts_with('}').then(|| (&inner[..length], length + 2))
}

/// Whether a name is that of a directive, which backslashes escape.
fn recognised(name: &str) -> bool {
    matches!(
        name,
        "if" | "else"
            | "elseif"
            | "end"
            | "stop"
            | "foreach"
            | "break"
            | "define"
            | "macro"
            | "literal"
    )
}

/// The length of blanks and `#set(` at the start of `text`.
fn set_directive(text: &str) -> Option<usize> {
    let rest = text.trim_start_matches([' ', '\t']);
    let rest = rest.strip_prefix("#set").or_else(|| rest.strip_prefix("#{set}"))?;
    let rest = rest.trim_start_matches(' ').strip_prefix('(')?;
    Some(text.len() - rest.len())
}
