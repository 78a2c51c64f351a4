//! awsQuery parameters as a JSON value: `A.member.1.B=x` becomes `{"A":[{"B":"x"}]}`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::malformed;
use crate::error::AwsError;
use crate::protocol::Form;

/// Lists and maps: when they are empty they are sent as a parameter with an empty text.
const COLLECTIONS: [&str; 15] = [
    "MetricData",
    "Dimensions",
    "Values",
    "Counts",
    "MetricDataQueries",
    "Metrics",
    "Statistics",
    "ExtendedStatistics",
    "AlarmNames",
    "AlarmTypes",
    "AlarmActions",
    "OKActions",
    "InsufficientDataActions",
    "Tags",
    "TagKeys",
];
/// How deep parameters may be nested.
const DEEPEST: usize = 16;

#[derive(Default)]
struct Node {
    text: Option<String>,
    children: BTreeMap<String, Node>,
}

/// The parameters as one object; every value in it is text.
pub(super) fn tree(form: &Form) -> Result<Value, AwsError> {
    let mut root = Node::default();
    for (name, value) in form.iter() {
        let mut node = &mut root;
        for (depth, part) in name.split('.').enumerate() {
            if depth >= DEEPEST {
                return Err(malformed("The parameters are nested too deeply."));
            }
            node = node.children.entry(part.to_owned()).or_default();
        }
        node.text.get_or_insert_with(|| value.to_owned());
    }
    Ok(Value::Object(members(root)))
}

fn members(node: Node) -> Map<String, Value> {
    node.children
        .into_iter()
        .map(|(name, child)| {
            let empty = child.children.is_empty() && child.text.as_deref() == Some("");
            let is_list = empty && COLLECTIONS.contains(&name.as_str());
            let value = if is_list { Value::Array(Vec::new()) } else { value(child) };
            (name, value)
        })
        .collect()
}

fn value(mut node: Node) -> Value {
    if node.children.len() == 1
        && let Some(list) = node.children.remove("member")
    {
        let mut items: Vec<(u32, Node)> = list
            .children
            .into_iter()
            .filter_map(|(index, node)| Some((index.parse().ok()?, node)))
            .collect();
        items.sort_by_key(|(index, _)| *index);
        return Value::Array(items.into_iter().map(|(_, node)| value(node)).collect());
    }
    match node.text {
        Some(text) if node.children.is_empty() => Value::String(text),
        _ => Value::Object(members(node)),
    }
}
