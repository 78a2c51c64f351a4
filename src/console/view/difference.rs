//! What a deployment holds that the current definition does not have, as text.

use labdeck_ops::gateway::difference::Comparison;

/// The comparison in lines, as `diff` writes them.
pub fn text(found: &Comparison) -> String {
    let mut lines = Vec::new();
    if found.differences.is_empty() {
        lines.push("as the API's current definition".to_owned());
    } else {
        lines.push("-  served   +  the API's current definition".to_owned());
    }
    for one in &found.differences {
        let side = match (&one.served, &one.current) {
            (Some(_), None) => "(only served)",
            (None, Some(_)) => "(only in the definition)",
            _ => "",
        };
        lines.push(String::new());
        lines.push(format!("{} {} {side}", one.method, one.part).trim_end().to_owned());
        lines.extend(one.lines().iter().map(|(mark, line)| format!(" {mark} {line}")));
    }
    if let Some(note) = &found.note {
        lines.push(String::new());
        lines.push(note.clone());
    }
    lines.join("\n")
}
