//! The evaluation of a template's statements and expressions.

use std::collections::HashMap;
use std::rc::Rc;

use indexmap::IndexMap;

use super::TemplateError;
use super::gateway::Payload;
use super::heap::{Heap, Key, Kind, Value};
use super::java_regex::JavaPattern;
use super::number::{Number, calculate};
use super::syntax::{Expr, Node, Operator, Reference, Step};
use super::text::DEEPEST;

/// What is done after a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Stop,
}

/// A running `#foreach`.
#[derive(Debug, Clone, Copy)]
struct Round {
    index: usize,
    length: usize,
}

/// A template being evaluated.
pub(super) struct Interpreter<'t> {
    pub heap: Heap,
    pub payload: Payload<'t>,
    pub variables: HashMap<String, Value>,
    /// Regular expressions that were used.
    pub patterns: HashMap<String, Rc<JavaPattern>>,
    rounds: Vec<Round>,
    blocks: Vec<&'t [Node]>,
    /// How many blocks of `#define` are being written.
    writing: usize,
}

impl<'t> Interpreter<'t> {
    pub fn new(heap: Heap, payload: Payload<'t>) -> Self {
        Self {
            heap,
            payload,
            variables: HashMap::new(),
            patterns: HashMap::new(),
            rounds: Vec::new(),
            blocks: Vec::new(),
            writing: 0,
        }
    }

    /// Writes what the statements make. A `#break` outside of a loop ends the template.
    pub fn template(&mut self, nodes: &'t [Node]) -> Result<String, TemplateError> {
        let mut out = String::new();
        self.run(nodes, &mut out)?;
        Ok(out)
    }

    fn run(&mut self, nodes: &'t [Node], out: &mut String) -> Result<Flow, TemplateError> {
        for node in nodes {
            self.heap.charge(1)?;
            let flow = match node {
                Node::Text(text) => {
                    self.heap.charge_text(out.len() + text.len())?;
                    out.push_str(text);
                    Flow::Next
                }
                Node::Reference(reference) => {
                    self.insert(reference, out)?;
                    Flow::Next
                }
                Node::Set { target, value } => {
                    let value = self.value(value)?;
                    self.assign(target, value)?;
                    Flow::Next
                }
                Node::If { branches, otherwise } => self.branch(branches, otherwise, out)?,
                Node::Foreach { variable, source, body } => {
                    self.foreach(variable, source, body, out)?
                }
                Node::Define { name, body } => {
                    self.heap.charge(1)?;
                    self.blocks.push(body);
                    let block = Value::Block(self.blocks.len() - 1);
                    self.variables.insert(name.clone(), block);
                    Flow::Next
                }
                Node::Stop => Flow::Stop,
                Node::Break => Flow::Break,
            };
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn branch(
        &mut self,
        branches: &'t [(Expr, Vec<Node>)],
        otherwise: &'t [Node],
        out: &mut String,
    ) -> Result<Flow, TemplateError> {
        for (condition, nodes) in branches {
            if self.truth(condition)? {
                return self.run(nodes, out);
            }
        }
        self.run(otherwise, out)
    }

    fn foreach(
        &mut self,
        variable: &'t str,
        source: &'t Expr,
        body: &'t [Node],
        out: &mut String,
    ) -> Result<Flow, TemplateError> {
        let items = match self.value(source)? {
            Value::List(id) => self.heap.lists[id].items.clone(),
            Value::Map(id) => self.heap.maps[id].items.values().cloned().collect(),
            _ => return Ok(Flow::Next),
        };
        self.heap.charge(items.len())?;
        let names = [variable, "foreach", "velocityCount", "velocityHasNext"];
        let saved = names.map(|name| self.variables.remove(name));
        let length = items.len();
        self.rounds.push(Round { index: 0, length });
        let depth = self.rounds.len() - 1;
        let mut flow = Flow::Next;
        for (index, item) in items.into_iter().take(self.heap.limits.rounds).enumerate() {
            self.rounds[depth].index = index;
            let count = i32::try_from(index + 1).unwrap_or(i32::MAX);
            self.variables.insert("velocityCount".to_owned(), Value::Int(count));
            self.variables.insert("velocityHasNext".to_owned(), Value::Bool(index + 1 < length));
            self.variables.insert("foreach".to_owned(), Value::Loop(depth));
            self.variables.insert(variable.to_owned(), item);
            flow = self.run(body, out)?;
            if flow != Flow::Next {
                break;
            }
        }
        self.rounds.pop();
        for (name, value) in names.into_iter().zip(saved) {
            match value {
                Some(value) => self.variables.insert(name.to_owned(), value),
                None => self.variables.remove(name),
            };
        }
        Ok(if flow == Flow::Stop { Flow::Stop } else { Flow::Next })
    }

    /// Writes a reference's value.
    fn insert(&mut self, reference: &'t Reference, out: &mut String) -> Result<(), TemplateError> {
        let value = self.reference(reference)?;
        out.extend(std::iter::repeat_n('\\', reference.escapes));
        if let Some(source) = &reference.escaped {
            out.push_str(source);
        } else if let Value::Block(block) = value {
            self.block(block, out)?;
        } else {
            let text = self.heap.to_text(&value)?;
            self.heap.charge_text(out.len() + text.len())?;
            out.push_str(&text);
        }
        Ok(())
    }

    /// Writes what `#define` made; one that writes itself stops at the second time, as Velocity's.
    fn block(&mut self, block: usize, out: &mut String) -> Result<(), TemplateError> {
        let Some(nodes) = self.blocks.get(block).copied() else { return Ok(()) };
        if self.writing >= 8 {
            return Ok(());
        }
        self.writing += 1;
        self.run(nodes, out)?;
        self.writing -= 1;
        Ok(())
    }

    /// What a reference stands for. What has no value is the empty text: API Gateway's handler of
    /// invalid references.
    fn reference(&mut self, reference: &'t Reference) -> Result<Value, TemplateError> {
        self.heap.charge(1)?;
        let root = self.variables.get(&reference.root).cloned().unwrap_or(Value::Null);
        let value = self.walk(root, &reference.steps)?;
        Ok(if matches!(value, Value::Null) { Value::text("") } else { value })
    }

    fn walk(&mut self, mut value: Value, steps: &'t [Step]) -> Result<Value, TemplateError> {
        for step in steps {
            if matches!(value, Value::Null) {
                break;
            }
            value = match step {
                Step::Property(name) => self.property(&value, name),
                Step::Method(name, arguments) => {
                    let arguments = self.values(arguments)?;
                    self.call(&value, name, &arguments)?
                }
                Step::Index(index) => {
                    let index = self.value(index)?;
                    let index = self.counted_from_end(&value, index);
                    if matches!(value, Value::List(_) | Value::Map(_)) {
                        self.call(&value, "get", &[index])?
                    } else {
                        Value::Null
                    }
                }
            };
        }
        Ok(value)
    }

    /// An index from the end of a list as one from its start.
    fn counted_from_end(&self, of: &Value, index: Value) -> Value {
        match (of, &index) {
            (Value::List(id), Value::Int(back)) if *back < 0 => {
                let size = i32::try_from(self.heap.lists[*id].items.len()).unwrap_or(i32::MAX);
                Value::Int(size.saturating_add(*back))
            }
            _ => index,
        }
    }

    /// `value.name`.
    fn property(&self, value: &Value, name: &str) -> Value {
        match value {
            Value::Map(id) => {
                let map = &self.heap.maps[*id];
                match map.get(&Key::text(name)) {
                    Some(found) => found.clone(),
                    None if name == "empty" => Value::Bool(map.items.is_empty()),
                    None => Value::Null,
                }
            }
            Value::List(id) if name == "empty" => {
                Value::Bool(self.heap.lists[*id].items.is_empty())
            }
            Value::Text(text) if name == "empty" => Value::Bool(text.is_empty()),
            Value::Entry(entry) if name == "key" => entry.0.value(),
            Value::Entry(entry) if name == "value" => entry.1.clone(),
            Value::Loop(depth) => self.round(*depth, name),
            Value::Input if name == "body" => Value::text(self.payload.body_text()),
            _ => Value::Null,
        }
    }

    /// A property of `$foreach`.
    pub fn round(&self, depth: usize, name: &str) -> Value {
        let Some(round) = self.rounds.get(depth) else { return Value::Null };
        let number = |value: usize| Value::Int(i32::try_from(value).unwrap_or(i32::MAX));
        match name {
            "index" => number(round.index),
            "count" => number(round.index + 1),
            "hasNext" => Value::Bool(round.index + 1 < round.length),
            "first" => Value::Bool(round.index == 0),
            "last" => Value::Bool(round.index + 1 >= round.length),
            "parent" => depth.checked_sub(1).map_or(Value::Null, Value::Loop),
            "topmost" => Value::Loop(0),
            _ => Value::Null,
        }
    }

    fn assign(&mut self, target: &'t Reference, value: Value) -> Result<(), TemplateError> {
        if matches!(value, Value::Null) {
            return Ok(());
        }
        let Some((last, steps)) = target.steps.split_last() else {
            self.variables.insert(target.root.clone(), value);
            return Ok(());
        };
        let root = self.variables.get(&target.root).cloned().unwrap_or(Value::Null);
        let place = self.walk(root, steps)?;
        match (last, &place) {
            (Step::Property(name), Value::Map(id)) => {
                self.heap.put(*id, Key::text(name), value)?;
            }
            (Step::Index(index), Value::List(_) | Value::Map(_)) => {
                let index = self.value(index)?;
                let index = self.counted_from_end(&place, index);
                let method = if matches!(place, Value::List(_)) { "set" } else { "put" };
                self.call(&place, method, &[index, value])?;
            }
            _ => {}
        }
        Ok(())
    }

    fn values(&mut self, expressions: &'t [Expr]) -> Result<Vec<Value>, TemplateError> {
        expressions.iter().map(|expression| self.value(expression)).collect()
    }

    /// What an expression stands for.
    fn value(&mut self, expression: &'t Expr) -> Result<Value, TemplateError> {
        self.heap.charge(1)?;
        Ok(match expression {
            Expr::Null => Value::Null,
            Expr::Bool(value) => Value::Bool(*value),
            Expr::Integer(value) => Number::integer(*value),
            Expr::Double(value) => Value::Double(*value),
            Expr::Text(text) => {
                self.heap.charge_text(text.len())?;
                Value::text(text)
            }
            Expr::Interpolated(nodes) => {
                let mut text = String::new();
                self.run(nodes, &mut text)?;
                Value::text(text)
            }
            Expr::Range(first, last) => self.range(first, last)?,
            Expr::List(items) => {
                let items = self.values(items)?;
                self.heap.list(items, Kind::List)?
            }
            Expr::Map(entries) => {
                let mut items = IndexMap::with_capacity(entries.len());
                for (key, value) in entries {
                    let key = self.value(key)?;
                    let key = match Key::of(&key) {
                        Some(key) => key,
                        None => Key::text(&self.heap.to_text(&key)?),
                    };
                    items.insert(key, self.value(value)?);
                }
                self.heap.map(items)?
            }
            Expr::Reference(reference) => self.reference(reference)?,
            Expr::Not(inner) => Value::Bool(!self.truth(inner)?),
            Expr::Chain(first, others) => self.chain(first, others)?,
        })
    }

    fn range(&mut self, first: &'t Expr, last: &'t Expr) -> Result<Value, TemplateError> {
        let (first, last) = (self.value(first)?, self.value(last)?);
        let (Some(first), Some(last)) = (Number::of(&first), Number::of(&last)) else {
            return Ok(Value::Null);
        };
        let (first, last) = (first.as_int(), last.as_int());
        self.heap.charge(first.abs_diff(last) as usize + 1)?;
        let items = if first <= last {
            (first..=last).map(Value::Int).collect()
        } else {
            (last..=first).rev().map(Value::Int).collect()
        };
        self.heap.list(items, Kind::List)
    }

    /// Whether a condition holds: what is neither a reference nor a truth value does not.
    fn truth(&mut self, expression: &'t Expr) -> Result<bool, TemplateError> {
        Ok(match expression {
            Expr::Reference(_) => !matches!(self.value(expression)?, Value::Bool(false)),
            Expr::Bool(_) | Expr::Not(_) | Expr::Chain(..) => {
                matches!(self.value(expression)?, Value::Bool(true))
            }
            _ => false,
        })
    }

    fn chain(
        &mut self,
        first: &'t Expr,
        others: &'t [(Operator, Expr)],
    ) -> Result<Value, TemplateError> {
        let logical = others.first().map(|(operator, _)| *operator);
        if let Some(Operator::And | Operator::Or) = logical {
            // All operators of a chain bind equally: here they are all the same.
            let decisive = logical == Some(Operator::Or);
            for operand in std::iter::once(first).chain(others.iter().map(|(_, operand)| operand)) {
                if self.truth(operand)? == decisive {
                    return Ok(Value::Bool(decisive));
                }
            }
            return Ok(Value::Bool(!decisive));
        }
        let mut left = self.value(first)?;
        for (operator, operand) in others {
            let right = self.value(operand)?;
            left = self.combine(*operator, &left, &right)?;
        }
        Ok(left)
    }

    fn combine(
        &self,
        operator: Operator,
        left: &Value,
        right: &Value,
    ) -> Result<Value, TemplateError> {
        let texts = matches!(left, Value::Text(_)) || matches!(right, Value::Text(_));
        Ok(match operator {
            Operator::Equal => Value::Bool(self.equal(left, right)?),
            Operator::NotEqual => Value::Bool(!self.equal(left, right)?),
            Operator::Add if texts => {
                let mut joined = self.heap.to_text(left)?;
                joined.push_str(&self.heap.to_text(right)?);
                self.heap.charge_text(joined.len())?;
                Value::text(joined)
            }
            _ => {
                let numbers = (Number::of(left), Number::of(right));
                let comparison = matches!(
                    operator,
                    Operator::Less
                        | Operator::LessOrEqual
                        | Operator::Greater
                        | Operator::GreaterOrEqual
                );
                match numbers {
                    (Some(left), Some(right)) if comparison => {
                        let order = left.compare(right);
                        Value::Bool(match operator {
                            Operator::Less => order.is_lt(),
                            Operator::LessOrEqual => order.is_le(),
                            Operator::Greater => order.is_gt(),
                            _ => order.is_ge(),
                        })
                    }
                    (Some(left), Some(right)) => calculate(operator, left, right)?,
                    _ if comparison => Value::Bool(false),
                    _ => Value::Null,
                }
            }
        })
    }

    /// `==`: numbers by value, what is of one type as its type says, anything else as text.
    fn equal(&self, left: &Value, right: &Value) -> Result<bool, TemplateError> {
        match (left, right) {
            (Value::Null, Value::Null) => Ok(true),
            (Value::Null, _) | (_, Value::Null) => Ok(false),
            _ => match (Number::of(left), Number::of(right)) {
                (Some(left), Some(right)) => Ok(left.compare(right).is_eq()),
                _ if same_type(left, right) => self.equals(left, right, 0),
                _ => Ok(self.heap.to_text(left)? == self.heap.to_text(right)?),
            },
        }
    }

    /// Java's `equals`.
    pub fn equals(&self, left: &Value, right: &Value, depth: usize) -> Result<bool, TemplateError> {
        self.heap.charge(1)?;
        if depth > DEEPEST {
            return Err(TemplateError::Limit("a value's nesting"));
        }
        Ok(match (left, right) {
            (Value::Null, Value::Null)
            | (Value::Input, Value::Input)
            | (Value::Util, Value::Util) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Long(a), Value::Long(b)) => a == b,
            (Value::Big(a), Value::Big(b)) => a == b,
            (Value::Double(a), Value::Double(b)) => a.to_bits() == b.to_bits(),
            (Value::Char(a), Value::Char(b)) => a == b,
            (Value::Text(a), Value::Text(b)) => {
                self.heap.charge(a.len().min(b.len()) / 64)?;
                a == b
            }
            (Value::Loop(a), Value::Loop(b)) | (Value::Block(a), Value::Block(b)) => a == b,
            (Value::List(a), Value::List(b)) if a == b => true,
            (Value::Map(a), Value::Map(b)) if a == b => true,
            (Value::List(a), Value::List(b)) => {
                let (a, b) = (&self.heap.lists[*a], &self.heap.lists[*b]);
                if a.kind == Kind::Array || a.items.len() != b.items.len() {
                    return Ok(false);
                }
                for (a, b) in a.items.iter().zip(&b.items) {
                    if !self.equals(a, b, depth + 1)? {
                        return Ok(false);
                    }
                }
                true
            }
            (Value::Map(a), Value::Map(b)) => {
                let (a, b) = (&self.heap.maps[*a].items, &self.heap.maps[*b].items);
                if a.len() != b.len() {
                    return Ok(false);
                }
                for (key, value) in a {
                    match b.get(key) {
                        Some(other) if self.equals(value, other, depth + 1)? => {}
                        _ => return Ok(false),
                    }
                }
                true
            }
            (Value::Entry(a), Value::Entry(b)) => {
                a.0 == b.0 && (Rc::ptr_eq(a, b) || self.equals(&a.1, &b.1, depth + 1)?)
            }
            _ => false,
        })
    }

    /// A block of `#define` as a text.
    pub fn block_text(&mut self, block: usize) -> Result<Value, TemplateError> {
        let mut text = String::new();
        self.block(block, &mut text)?;
        Ok(Value::text(text))
    }
}

fn same_type(left: &Value, right: &Value) -> bool {
    std::mem::discriminant(left) == std::mem::discriminant(right)
}
