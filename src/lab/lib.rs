//! Labs: `lab.toml` and `OpenAPI` documents, read into a validated blueprint.
//!
//! The format is described in `docs/lab-format.md`.

pub mod blueprint;
mod later;
mod links;
mod manifest;
mod names;
mod openapi;
mod own;
mod prefix;
mod problem;
pub mod references;
pub mod rules;
mod section;
mod syntax;
#[cfg(test)]
mod unit_tests;
mod yaml;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

pub use blueprint::Blueprint;
pub use own::{check_requests, read_requests};
pub use prefix::{PrefixError, check_prefix};
pub use problem::{Problem, Problems, nearest};

use blueprint::Api;
use manifest::Document;
use problem::{Findings, MOST_PROBLEMS, Position};

/// The file that makes a folder a lab.
pub const MANIFEST: &str = "lab.toml";
/// The JSON Schema (draft 2020-12) of `lab.toml`, for editors.
pub const SCHEMA: &str = include_str!("../../docs/lab.schema.json");
/// Largest `lab.toml` that is read, in bytes.
const MOST_MANIFEST_BYTES: u64 = 1024 * 1024;
/// Largest API document: API Gateway imports at most 6 MB.
const MOST_DOCUMENT_BYTES: u64 = 6 * 1024 * 1024;

/// The lab folders directly below a directory, sorted by name: those that hold a `lab.toml`.
///
/// Errors are those of reading the directory.
pub fn discover(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut labs = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let folder = entry?.path();
        if folder.join(MANIFEST).is_file() {
            labs.push(folder);
        }
    }
    labs.sort();
    Ok(labs)
}

/// Reads and checks the lab in a folder.
///
/// Every problem of `lab.toml` and of the API documents it names, of all variants, is reported at once. A
/// syntax error can hide the problems behind it. The blueprint is that of the last variant; the others
/// are had from it by [`Blueprint::variant_of`]. Problems name the files below `dir` as it was given; the paths in
/// the blueprint are absolute.
pub fn read(dir: &Path) -> Result<Blueprint, Problems> {
    let file = dir.join(MANIFEST);
    let mut findings = Findings::new(&file);
    let text = match read_text(&file, MOST_MANIFEST_BYTES) {
        Ok(text) => text,
        Err(message) => {
            findings.add(Position { line: 1, column: 1 }, message);
            return Err(Problems(findings.into_sorted()));
        }
    };
    let absolute = std::fs::canonicalize(dir).unwrap_or_else(|_| dir.to_path_buf());
    let manifest = manifest::read(&absolute, &text, &mut findings);
    let mut blueprint = manifest.blueprint;
    links::check(&manifest.links, &text, &blueprint, &mut findings);

    let names_known = !manifest.damaged;
    let mut problems = Vec::new();
    let mut forms = Vec::new();
    for document in manifest.documents {
        let (api, found) = read_document(dir, &blueprint, &document, names_known, &mut findings);
        problems.extend(found);
        forms.push((document, api));
    }
    blueprint.fill(forms, &manifest.plan_variants);
    let documents_read = names_known && problems.is_empty();
    later::check(&manifest.later, &text, &blueprint, documents_read, &mut findings);
    let mut all = findings.into_sorted();
    all.extend(problems);
    all.truncate(MOST_PROBLEMS);
    if all.is_empty() { Ok(blueprint) } else { Err(Problems(all)) }
}

impl Blueprint {
    /// Gives each variant its APIs and plans, and the blueprint those of its last one.
    fn fill(&mut self, forms: Vec<(Document, Api)>, plan_variants: &[Vec<String>]) {
        let all = std::mem::take(&mut self.plans);
        let plans_of = |variant: &str| {
            all.iter()
                .zip(plan_variants)
                .filter(|(_, of)| of.is_empty() || of.iter().any(|name| name == variant))
                .map(|(plan, _)| plan.clone())
                .collect::<Vec<_>>()
        };
        for variant in &mut self.variants {
            variant.plans = plans_of(&variant.name);
            variant.apis = forms
                .iter()
                .filter(|(document, _)| document.variants.contains(&variant.name))
                .map(|(document, api)| (document.api, api.clone()))
                .collect::<BTreeMap<_, _>>()
                .into_values()
                .collect();
        }
        if let Some(last) = self.variants.last() {
            self.variant = Some(last.name.clone());
            self.apis = last.apis.clone();
            self.plans = last.plans.clone();
        } else {
            self.apis = forms.into_iter().map(|(_, api)| api).collect();
            self.plans = all;
        }
    }
}

/// Reads a document of an API. Hands back the API with it, and the document's problems; that the file
/// can't be read is a problem of the line that names it.
fn read_document(
    dir: &Path,
    blueprint: &Blueprint,
    document: &Document,
    names_known: bool,
    manifest: &mut Findings,
) -> (Api, Vec<Problem>) {
    let name = blueprint.apis.get(document.api).map(|api| api.name.clone()).unwrap_or_default();
    let mut api = Api { name, file: document.file.clone(), ..Api::default() };
    if document.file.as_os_str().is_empty() {
        return (api, Vec::new());
    }
    // Problems name files as the caller named the folder.
    let file = document
        .file
        .strip_prefix(&blueprint.dir)
        .map_or_else(|_| document.file.clone(), |file| dir.join(file));
    let text = match read_text(&file, MOST_DOCUMENT_BYTES) {
        Ok(text) => text,
        Err(message) => {
            manifest
                .add(document.named_at, message)
                .expected("an OpenAPI file, relative to the lab's folder");
            return (api, Vec::new());
        }
    };
    let mut findings = Findings::new(&file);
    if let Some(root) = yaml::parse(&text, &mut findings) {
        api.functions = openapi::check(&root, &api.name, blueprint, names_known, &mut findings);
        api.document = root.to_value();
    }
    (api, findings.into_sorted())
}

/// A file's text, or why it can't be had.
fn read_text(file: &Path, most_bytes: u64) -> Result<String, String> {
    let failed = |error: io::Error| format!("cannot read {}: {error}", file.display());
    // A pipe or a device would never end.
    let metadata = std::fs::metadata(file).map_err(failed)?;
    if !metadata.is_file() {
        return Err(format!("cannot read {}: it is not a file", file.display()));
    }
    let mut bytes = Vec::new();
    File::open(file)
        .map_err(failed)?
        .take(most_bytes + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > most_bytes {
        return Err(format!("{} is larger than {most_bytes} bytes", file.display()));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        format!("{} is not UTF-8 at byte {good}", file.display())
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned())
}
