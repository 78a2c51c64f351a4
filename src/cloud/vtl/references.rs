//! References and expressions, with the precedences of Velocity 1.7's grammar.

use super::TemplateError;
use super::parse::{Parser, is_name_start};
use super::syntax::{Expr, Operator, Reference, Step};

/// The binary operators from the weakest binding to the strongest.
const LEVELS: [&[(&str, Operator)]; 6] = [
    &[("||", Operator::Or), ("or", Operator::Or)],
    &[("&&", Operator::And), ("and", Operator::And)],
    &[
        ("==", Operator::Equal),
        ("eq", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("ne", Operator::NotEqual),
    ],
    &[
        ("<=", Operator::LessOrEqual),
        ("le", Operator::LessOrEqual),
        ("<", Operator::Less),
        ("lt", Operator::Less),
        (">=", Operator::GreaterOrEqual),
        ("ge", Operator::GreaterOrEqual),
        (">", Operator::Greater),
        ("gt", Operator::Greater),
    ],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[("*", Operator::Multiply), ("/", Operator::Divide), ("%", Operator::Modulo)],
];

impl Parser<'_> {
    /// A reference where nothing else can be: `$name`, `$!name`, `${name}`, `$!{name}`.
    pub fn directive_reference(&mut self) -> Result<Reference, TemplateError> {
        self.expect(b'$')?;
        if self.peek() == Some(b'!') {
            self.at += 1;
        }
        let formal = self.peek() == Some(b'{');
        if formal {
            self.at += 1;
        }
        if !self.peek().is_some_and(is_name_start) {
            return Err(self.error("expected a name"));
        }
        let (root, steps) = self.chain(formal)?;
        Ok(Reference { root, steps, escapes: 0, escaped: None })
    }

    /// The name and the steps of a reference; `formal` ones are closed by a brace.
    pub fn chain(&mut self, formal: bool) -> Result<(String, Vec<Step>), TemplateError> {
        self.enter()?;
        let root = self.name();
        if matches!(root.as_str(), "true" | "false") {
            return Err(self.error("a truth value is no name"));
        }
        let mut steps = Vec::new();
        loop {
            match (self.peek(), self.byte(1)) {
                (Some(b'['), _) => {
                    self.at += 1;
                    let index = self.operand(false)?;
                    self.expect(b']')?;
                    steps.push(Step::Index(index));
                }
                (Some(b'.'), Some(next)) if next.is_ascii_alphabetic() => {
                    self.at += 1;
                    let name = self.name();
                    if self.peek() == Some(b'(') {
                        self.at += 1;
                        steps.push(Step::Method(name, self.parameters(b')', true)?));
                    } else {
                        steps.push(Step::Property(name));
                    }
                }
                _ => break,
            }
        }
        if formal {
            self.expect(b'}')?;
        }
        self.leave();
        Ok((root, steps))
    }

    /// A name; hyphens belong to it.
    fn name(&mut self) -> String {
        let rest = self.rest();
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let length = rest.bytes().take_while(is_name).count();
        self.at += length;
        rest[..length].to_owned()
    }

    /// A whole expression.
    pub fn expression(&mut self) -> Result<Expr, TemplateError> {
        self.enter()?;
        let expression = self.level(0)?;
        self.leave();
        Ok(expression)
    }

    fn level(&mut self, level: usize) -> Result<Expr, TemplateError> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let first = self.level(level + 1)?;
        let mut others = Vec::new();
        while let Some(operator) = self.operator(operators) {
            others.push((operator, self.level(level + 1)?));
        }
        Ok(if others.is_empty() { first } else { Expr::Chain(Box::new(first), others) })
    }

    fn operator(&mut self, among: &[(&str, Operator)]) -> Option<Operator> {
        self.skip_space();
        let rest = self.rest();
        let (text, operator) = among.iter().find(|(text, _)| rest.starts_with(text))?;
        let after = rest.as_bytes().get(text.len()).copied().unwrap_or(b' ');
        let is_word = text.as_bytes()[0].is_ascii_alphabetic();
        if is_word && (after.is_ascii_alphanumeric() || matches!(after, b'_' | b'@')) {
            return None;
        }
        // A minus right before a digit is the number's sign, so that `5 -1` is no subtraction.
        if *text == "-" && (after.is_ascii_digit() || after == b'.') {
            return None;
        }
        self.at += text.len();
        Some(*operator)
    }

    fn unary(&mut self) -> Result<Expr, TemplateError> {
        self.skip_space();
        let rest = self.rest();
        let length = match rest.as_bytes() {
            [b'!', next, ..] if *next != b'=' => 1,
            [b'n', b'o', b't', next, ..]
                if !(next.is_ascii_alphanumeric() || matches!(next, b'_' | b'@')) =>
            {
                3
            }
            _ => return self.primary(),
        };
        self.at += length;
        self.enter()?;
        let inner = self.unary()?;
        self.leave();
        Ok(Expr::Not(Box::new(inner)))
    }

    fn primary(&mut self) -> Result<Expr, TemplateError> {
        self.skip_space();
        if self.peek() == Some(b'(') {
            self.at += 1;
            let inner = self.expression()?;
            self.skip_space();
            self.expect(b')')?;
            self.skip_space();
            return Ok(inner);
        }
        self.operand(false)
    }

    /// What a directive takes as an argument: an operand.
    pub fn argument(&mut self) -> Result<Expr, TemplateError> {
        self.operand(false)
    }

    /// Operands separated by commas up to `close`.
    pub fn parameters(&mut self, close: u8, words: bool) -> Result<Vec<Expr>, TemplateError> {
        let mut parameters = Vec::new();
        self.skip_space();
        if self.peek() == Some(close) {
            self.at += 1;
            return Ok(parameters);
        }
        loop {
            parameters.push(self.operand(words)?);
            if self.peek() == Some(b',') {
                self.at += 1;
            } else {
                self.expect(close)?;
                return Ok(parameters);
            }
        }
    }

    /// A literal or a reference with the space around it. Within a method's parentheses (`words`) a
    /// bare word is a reference without a value.
    pub fn operand(&mut self, words: bool) -> Result<Expr, TemplateError> {
        self.enter()?;
        self.skip_space();
        let operand = match self.peek() {
            Some(b'"' | b'\'') => self.string()?,
            Some(b'$') => Expr::Reference(self.directive_reference()?),
            Some(b'[') => self.list(words)?,
            Some(b'{') => self.map(words)?,
            Some(byte) if byte.is_ascii_digit() || matches!(byte, b'-' | b'.') => self.number()?,
            Some(byte) if is_name_start(byte) => {
                let start = self.at;
                match self.name().as_str() {
                    "true" => Expr::Bool(true),
                    "false" => Expr::Bool(false),
                    _ if words => {
                        self.at = start;
                        self.chain(false)?;
                        Expr::Null
                    }
                    _ => {
                        self.at = start;
                        return Err(self.error("unexpected word"));
                    }
                }
            }
            _ => return Err(self.error("expected a value")),
        };
        self.skip_space();
        self.leave();
        Ok(operand)
    }

    fn list(&mut self, words: bool) -> Result<Expr, TemplateError> {
        self.at += 1;
        self.skip_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Expr::List(Vec::new()));
        }
        let first = self.operand(words)?;
        if self.rest().starts_with("..") {
            if !matches!(first, Expr::Integer(_) | Expr::Reference(_)) {
                return Err(self.error("a range goes from one integer to another"));
            }
            self.at += 2;
            let last = self.operand(words)?;
            self.expect(b']')?;
            return Ok(Expr::Range(Box::new(first), Box::new(last)));
        }
        let mut items = vec![first];
        while self.peek() == Some(b',') {
            self.at += 1;
            items.push(self.operand(words)?);
        }
        self.expect(b']')?;
        Ok(Expr::List(items))
    }

    fn map(&mut self, words: bool) -> Result<Expr, TemplateError> {
        self.at += 1;
        self.skip_space();
        let mut entries = Vec::new();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Expr::Map(entries));
        }
        loop {
            let key = self.operand(words)?;
            self.expect(b':')?;
            entries.push((key, self.operand(words)?));
            if self.peek() == Some(b',') {
                self.at += 1;
            } else {
                self.expect(b'}')?;
                return Ok(Expr::Map(entries));
            }
        }
    }
}
