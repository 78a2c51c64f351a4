//! Settings of a resource: what differs field by field, and whose change it was.
//!
//! No file remembers what was applied last. Each resource does, in its tag [`APPLIED_TAG`]: a few
//! digits of a hash for every field of the blueprint that it was given. A field that is not live as
//! the blueprint says is drift when the blueprint still says what the tag remembers: then somebody
//! else changed it. Else the blueprint changed.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::observe::Owner;
use super::plan::Change;

/// The tag that remembers what a resource was given last.
pub const APPLIED_TAG: &str = "labdeck:applied";
/// Bytes of a field's hash: a change that it misses is shown as drift, nothing worse.
const BYTES: usize = 3;

/// How people see a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Its values, with a unit behind the new one.
    Value(&'static str),
    /// That it changed.
    Hidden,
    /// Names of its members that changed: values may be secrets.
    Names,
    /// The first digits of a base64 hash.
    Digest,
}

/// The settings of one kind of resource, the same type for what is wanted and what is live.
pub trait Settings: Serialize + DeserializeOwned + Clone {
    /// Fields that are set by a call after the one that creates the resource: while they are not
    /// there, nobody has taken them away.
    const LATE: &'static [&'static str] = &[];

    /// How people see a field.
    fn shown(_field: &str) -> Shown {
        Shown::Value("")
    }
}

/// What a resource is to be, and what it remembers once it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Spec<S> {
    /// The settings.
    pub settings: S,
    /// What its tag will say: of the blueprint's settings, also where drift is kept.
    pub record: Record,
}

impl<S: Settings> Spec<S> {
    /// The settings of the blueprint.
    pub fn new(settings: S) -> Self {
        Self { record: Record::of(&settings), settings }
    }

    /// Takes over what somebody else changed, so that it is kept.
    pub fn keep_drift(&mut self, live: &Found<S>) {
        let mut wanted = fields(&self.settings);
        let live_fields = fields(&live.settings);
        for change in changes(self, live).into_iter().filter(|change| change.drift) {
            if let Some(value) = live_fields.get(&change.field) {
                wanted.insert(change.field, value.clone());
            }
        }
        if let Ok(kept) = serde_json::from_value(Value::Object(wanted)) {
            self.settings = kept;
        }
    }
}

/// What is live of a resource.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found<S> {
    /// Whose it is.
    pub owner: Owner,
    /// Its settings.
    pub settings: S,
    /// What it was given last.
    pub record: Record,
}

impl<S> Found<S> {
    /// A resource with these settings and the tags that `tag` looks up.
    pub fn new(lab: &str, settings: S, tag: impl Fn(&str) -> Option<String>) -> Self {
        Self {
            owner: Owner::of(tag(crate::live::LAB_TAG).as_deref(), lab),
            settings,
            record: Record::parse(&tag(APPLIED_TAG).unwrap_or_default()),
        }
    }
}

impl<S> Found<S> {
    /// Whether the field was given this value last.
    pub fn was_given(&self, field: &str, value: &impl Serialize) -> bool {
        let value = serde_json::to_value(value).unwrap_or_default();
        self.record.0.get(field) == Some(&digest(&value))
    }
}

/// What a resource remembers of the settings that it was given: a hash per field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record(BTreeMap<String, String>);

impl Record {
    /// Of these settings.
    pub fn of<S: Serialize>(settings: &S) -> Self {
        Self(fields(settings).iter().map(|(name, value)| (name.clone(), digest(value))).collect())
    }

    /// Reads a tag.
    pub fn parse(text: &str) -> Self {
        let pairs = text.split(' ').filter_map(|pair| pair.split_once('='));
        Self(pairs.map(|(name, hash)| (name.to_owned(), hash.to_owned())).collect())
    }

    /// The tag's value.
    pub fn text(&self) -> String {
        let pairs: Vec<String> =
            self.0.iter().map(|(name, hash)| format!("{name}={hash}")).collect();
        pairs.join(" ")
    }
}

fn digest(value: &Value) -> String {
    let hash = Sha256::digest(sorted(value).to_string());
    URL_SAFE_NO_PAD.encode(&hash[..BYTES])
}

/// The value with the members of its objects in order.
pub(super) fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut pairs: Vec<_> = members.iter().collect();
            pairs.sort_by_key(|(name, _)| *name);
            pairs.into_iter().map(|(name, member)| (name.clone(), sorted(member))).collect()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

fn fields<S: Serialize>(settings: &S) -> Map<String, Value> {
    match serde_json::to_value(settings) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// The fields in which `live` is not as wanted.
pub fn changes<S: Settings>(wanted: &Spec<S>, live: &Found<S>) -> Vec<Change> {
    let (after, before) = (fields(&wanted.settings), fields(&live.settings));
    let blueprint = &wanted.record;
    after
        .iter()
        .filter_map(|(field, new)| {
            let old = before.get(field).unwrap_or(&Value::Null);
            if sorted(old) == sorted(new) {
                return None;
            }
            let not_yet = old.is_null() && S::LATE.contains(&field.as_str());
            let same_blueprint =
                live.record.0.get(field).is_some_and(|hash| blueprint.0.get(field) == Some(hash));
            Some(change(field, old, new, S::shown(field), same_blueprint && !not_yet))
        })
        .collect()
}

fn change(field: &str, old: &Value, new: &Value, shown: Shown, drift: bool) -> Change {
    let label = field.replace('_', " ");
    let text = match shown {
        Shown::Value(unit) => {
            let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
            format!("{label} {} → {}{unit}", plain(old), plain(new))
        }
        Shown::Hidden if old.is_null() => format!("{label} is missing"),
        Shown::Hidden => format!("{label} changed"),
        Shown::Names => format!("{label} changed ({})", differing(old, new).join(", ")),
        Shown::Digest => format!("{label} changed ({} → {})", short(old), short(new)),
    };
    let values = matches!(shown, Shown::Value(_));
    Change {
        field: field.to_owned(),
        old: values.then(|| plain(old)),
        new: values.then(|| plain(new)),
        text,
        drift,
        overwrites: digest(old),
    }
}

/// A value for people.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(true) => "on".to_owned(),
        Value::Bool(false) => "off".to_owned(),
        Value::String(text) if text.is_empty() => "nothing".to_owned(),
        // The name at an ARN's end says enough.
        Value::String(text) if text.starts_with("arn:") => {
            text.rsplit(['/', ':']).next().unwrap_or(text).to_owned()
        }
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(" "),
        Value::Number(number) => match number.as_f64() {
            Some(whole) if whole.fract() == 0.0 && whole.abs() < 1e15 => format!("{whole:.0}"),
            _ => number.to_string(),
        },
        Value::Object(members) => {
            members.iter().map(|(k, v)| format!("{k}={}", plain(v))).collect::<Vec<_>>().join(" ")
        }
    }
}

fn differing(old: &Value, new: &Value) -> Vec<String> {
    let none = Map::new();
    let (old, new) = (old.as_object().unwrap_or(&none), new.as_object().unwrap_or(&none));
    let mut names: Vec<String> = old.keys().chain(new.keys()).cloned().collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| old.get(name) != new.get(name));
    names
}

/// The first digits of a base64 hash, for people.
fn short(sha256: &Value) -> String {
    let digits = sha256.as_str().and_then(|text| STANDARD.decode(text).ok()).map(hex::encode);
    format!("{}…", digits.as_deref().and_then(|digits| digits.get(..8)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
    struct Some_ {
        size: i32,
        colour: Option<String>,
        secrets: BTreeMap<String, String>,
    }

    impl Settings for Some_ {
        const LATE: &'static [&'static str] = &["colour"];

        fn shown(field: &str) -> Shown {
            match field {
                "size" => Shown::Value("MB"),
                "secrets" => Shown::Names,
                _ => Shown::Value(""),
            }
        }
    }

    fn settings(size: i32, colour: Option<&str>) -> Some_ {
        Some_ { size, colour: colour.map(str::to_owned), secrets: BTreeMap::new() }
    }

    fn live(settings: Some_, of: &Some_) -> Found<Some_> {
        Found { owner: Owner::Lab, settings, record: Record::parse(&Record::of(of).text()) }
    }

    #[test]
    fn drift_is_told_from_a_changed_blueprint_field_by_field() {
        let wanted = Spec::new(settings(128, Some("red")));
        // Given 128 and blue; somebody made it 256; the blueprint says red now.
        let found = live(settings(256, Some("blue")), &settings(128, Some("blue")));
        let changes = changes(&wanted, &found);
        let told: Vec<_> = changes.iter().map(|c| (c.text.as_str(), c.drift)).collect();
        assert_eq!(told, [("size 256 → 128 MB", true), ("colour blue → red", false)]);
        let mut kept = wanted.clone();
        kept.keep_drift(&found);
        assert_eq!(kept.settings, settings(256, Some("red")));
        assert_eq!(kept.record, wanted.record, "what is kept stays drift");
    }

    #[test]
    fn what_was_not_set_yet_is_no_drift() {
        let wanted = Spec::new(settings(1, Some("red")));
        let found = live(settings(1, None), &wanted.settings);
        assert!(!changes(&wanted, &found)[0].drift);
    }

    #[test]
    fn names_of_secrets_are_shown_alone() {
        let mut wanted = settings(1, None);
        wanted.secrets.insert("KEY".into(), "hidden".into());
        let found = live(settings(1, None), &settings(1, None));
        let changes = changes(&Spec::new(wanted), &found);
        assert_eq!(changes[0].text, "secrets changed (KEY)");
        assert_eq!((&changes[0].old, &changes[0].new), (&None, &None));
    }
}
