//! JSON paths as Jayway's library reads them, which API Gateway's `$input.path` takes.
//!
//! A definite path (names and single indexes only) selects one value or none, any other a list.

use super::TemplateError;
use super::heap::{Heap, Key, Kind, Value};
use super::java_regex::JavaPattern;
use super::jsonpath_text;
use super::number::{Number, calculate};
use super::syntax::Operator;
use super::text::DEEPEST;

/// Longest path, in bytes.
const LONGEST: usize = 4096;

/// One step of a path.
#[derive(Debug)]
pub(super) enum Segment {
    Names(Vec<String>),
    Indexes(Vec<i64>),
    Slice(Option<i64>, Option<i64>),
    All,
    /// Every value below, for the next segment.
    Deep,
    Filter(Filter),
    Function(String),
}

/// The condition of `[?(…)]`.
#[derive(Debug)]
pub(super) enum Filter {
    Or(Vec<Filter>),
    And(Vec<Filter>),
    Not(Box<Filter>),
    /// Whether something is there.
    There(Operand),
    Compare(Operand, String, Operand),
}

/// What a condition compares.
#[derive(Debug)]
pub(super) enum Operand {
    /// A path from the item (`@`) or the document (`$`).
    Path {
        item: bool,
        segments: Vec<Segment>,
    },
    Literal(Value),
    List(Vec<Operand>),
    Pattern(Box<JavaPattern>),
}

/// The value at `path` in `root`; nothing when a definite path leads nowhere.
pub(super) fn select(
    heap: &mut Heap,
    root: &Value,
    path: &str,
) -> Result<Option<Value>, TemplateError> {
    if path.len() > LONGEST {
        return Err(TemplateError::Limit("a JSON path's length"));
    }
    let path = path.trim();
    let full;
    let text = if path.starts_with(['$', '@']) {
        path
    } else {
        full = if path.starts_with('[') { format!("${path}") } else { format!("$.{path}") };
        &full
    };
    let segments = jsonpath_text::read(text)?;
    evaluate(heap, root, root, &segments)
}

fn evaluate(
    heap: &mut Heap,
    document: &Value,
    from: &Value,
    segments: &[Segment],
) -> Result<Option<Value>, TemplateError> {
    let definite = segments.iter().all(|segment| match segment {
        Segment::Names(names) => names.len() == 1,
        Segment::Indexes(indexes) => indexes.len() == 1,
        Segment::Function(_) => true,
        _ => false,
    });
    let mut values = vec![from.clone()];
    let mut listed = !definite;
    for segment in segments {
        let mut next = Vec::new();
        if let Segment::Function(name) = segment {
            let input = if listed {
                heap.list(values, Kind::Json)?
            } else {
                match values.pop() {
                    Some(value) => value,
                    None => return Ok(None),
                }
            };
            next.extend(function(heap, name, &input)?);
            listed = false;
        } else {
            for value in &values {
                step(heap, document, value, segment, &mut next)?;
            }
        }
        values = next;
    }
    if listed {
        return heap.list(values, Kind::Json).map(Some);
    }
    Ok(values.pop())
}

fn step(
    heap: &mut Heap,
    document: &Value,
    value: &Value,
    segment: &Segment,
    next: &mut Vec<Value>,
) -> Result<(), TemplateError> {
    heap.charge(1)?;
    match (segment, value) {
        (Segment::Names(names), Value::Map(id)) => {
            let map = &heap.maps[*id];
            next.extend(names.iter().filter_map(|name| map.get(&Key::text(name)).cloned()));
        }
        (Segment::Indexes(indexes), Value::List(id)) => {
            let items = &heap.lists[*id].items;
            let found = |index: &i64| items.get(index_in(*index, items.len())?).cloned();
            next.extend(indexes.iter().filter_map(found));
        }
        (Segment::Slice(from, to), Value::List(id)) => {
            let items = &heap.lists[*id].items;
            let length = items.len() as i64;
            let bound = |at: i64| if at < 0 { at.saturating_add(length) } else { at };
            let from = from.map_or(0, bound).clamp(0, length);
            let to = to.map_or(length, bound).clamp(from, length);
            next.extend_from_slice(&items[from as usize..to as usize]);
        }
        (Segment::All, Value::List(_) | Value::Map(_)) => next.extend(children(heap, value)),
        (Segment::Deep, _) => below(heap, value, next, 0)?,
        (Segment::Filter(filter), Value::List(_)) => {
            for item in children(heap, value) {
                if holds(heap, document, &item, filter)? {
                    next.push(item);
                }
            }
        }
        (Segment::Filter(filter), Value::Map(_)) if holds(heap, document, value, filter)? => {
            next.push(value.clone());
        }
        _ => {}
    }
    heap.charge(next.len() / 16)
}

fn index_in(index: i64, length: usize) -> Option<usize> {
    let index = if index < 0 { index.checked_add(i64::try_from(length).ok()?)? } else { index };
    usize::try_from(index).ok()
}

fn children(heap: &Heap, value: &Value) -> Vec<Value> {
    match value {
        Value::List(id) => heap.lists[*id].items.clone(),
        Value::Map(id) => heap.maps[*id].items.values().cloned().collect(),
        _ => Vec::new(),
    }
}

/// A value and everything below it.
fn below(
    heap: &Heap,
    value: &Value,
    out: &mut Vec<Value>,
    depth: usize,
) -> Result<(), TemplateError> {
    heap.charge(1)?;
    if depth > DEEPEST {
        return Err(TemplateError::Limit("a value's nesting"));
    }
    out.push(value.clone());
    for child in children(heap, value) {
        if matches!(child, Value::List(_) | Value::Map(_)) {
            below(heap, &child, out, depth + 1)?;
        }
    }
    Ok(())
}

fn function(heap: &mut Heap, name: &str, input: &Value) -> Result<Option<Value>, TemplateError> {
    let items = children(heap, input);
    let length = match input {
        Value::Text(text) => text.chars().count(),
        _ => items.len(),
    };
    let numbers: Vec<Number> = items.iter().filter_map(Number::of).collect();
    let doubles = numbers.iter().map(|number| number.as_double());
    Ok(match name {
        "length" | "size" => Some(Number::integer(length as i128)),
        "keys" => match input {
            Value::Map(id) => {
                let keys = heap.maps[*id].items.keys().map(Key::value).collect();
                Some(heap.list(keys, Kind::Set)?)
            }
            _ => None,
        },
        "first" => items.first().cloned(),
        "last" => items.last().cloned(),
        "min" => doubles.reduce(f64::min).map(Value::Double),
        "max" => doubles.reduce(f64::max).map(Value::Double),
        "sum" => Some(Value::Double(doubles.sum())),
        "avg" if !numbers.is_empty() => {
            let sum = Number::Double(doubles.sum());
            Some(calculate(Operator::Divide, sum, Number::Double(numbers.len() as f64))?)
        }
        _ => None,
    })
}

fn holds(
    heap: &mut Heap,
    document: &Value,
    item: &Value,
    filter: &Filter,
) -> Result<bool, TemplateError> {
    heap.charge(1)?;
    Ok(match filter {
        Filter::Or(parts) => {
            for part in parts {
                if holds(heap, document, item, part)? {
                    return Ok(true);
                }
            }
            false
        }
        Filter::And(parts) => {
            for part in parts {
                if !holds(heap, document, item, part)? {
                    return Ok(false);
                }
            }
            true
        }
        Filter::Not(inner) => !holds(heap, document, item, inner)?,
        Filter::There(operand) => resolve(heap, document, item, operand)?.is_some(),
        Filter::Compare(left, operator, right) => {
            let Some(left) = resolve(heap, document, item, left)? else { return Ok(false) };
            if let Operand::Pattern(pattern) = right {
                let Value::Text(text) = &left else { return Ok(false) };
                heap.charge(64 + text.len() / 8)?;
                return pattern.matches(text);
            }
            let Some(right) = resolve(heap, document, item, right)? else { return Ok(false) };
            compare(heap, &left, operator, &right)?
        }
    })
}

fn compare(
    heap: &Heap,
    left: &Value,
    operator: &str,
    right: &Value,
) -> Result<bool, TemplateError> {
    let within = |list: &Value, value: &Value| -> Result<bool, TemplateError> {
        for item in children(heap, list) {
            if same(heap, &item, value)? {
                return Ok(true);
            }
        }
        Ok(false)
    };
    let order = match (Number::of(left), Number::of(right), left, right) {
        (Some(left), Some(right), ..) => Some(left.compare(right)),
        (_, _, Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        _ => None,
    };
    Ok(match operator {
        "==" => same(heap, left, right)?,
        "!=" => !same(heap, left, right)?,
        "<" => order.is_some_and(std::cmp::Ordering::is_lt),
        "<=" => order.is_some_and(std::cmp::Ordering::is_le),
        ">" => order.is_some_and(std::cmp::Ordering::is_gt),
        ">=" => order.is_some_and(std::cmp::Ordering::is_ge),
        "in" => within(right, left)?,
        "nin" => !within(right, left)?,
        "contains" => match (left, right) {
            (Value::Text(left), Value::Text(right)) => left.contains(&**right),
            _ => within(left, right)?,
        },
        _ => false,
    })
}

fn same(heap: &Heap, left: &Value, right: &Value) -> Result<bool, TemplateError> {
    Ok(match (Number::of(left), Number::of(right)) {
        (Some(left), Some(right)) => left.compare(right).is_eq(),
        (None, None) => heap.to_json(left)? == heap.to_json(right)?,
        _ => false,
    })
}

fn resolve(
    heap: &mut Heap,
    document: &Value,
    item: &Value,
    operand: &Operand,
) -> Result<Option<Value>, TemplateError> {
    Ok(match operand {
        Operand::Path { item: from_item, segments } => {
            let from = if *from_item { item } else { document };
            evaluate(heap, document, from, segments)?
        }
        Operand::Literal(value) => Some(value.clone()),
        Operand::List(operands) => {
            let mut items = Vec::with_capacity(operands.len());
            for operand in operands {
                items.extend(resolve(heap, document, item, operand)?);
            }
            Some(heap.list(items, Kind::Json)?)
        }
        Operand::Pattern(_) => None,
    })
}
