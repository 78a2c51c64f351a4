//! What an integration makes of a request and of its back end's answer, compiled.

use std::collections::BTreeMap;

use super::super::model::{Integration, IntegrationResponse, Method, Texts};
use crate::vtl::{JavaPattern, Limits, Template, TemplateError};

/// A mapping template; one that cannot be read fails the requests that need it.
pub(super) type Compiled = Result<Template, TemplateError>;

/// Templates by content type. An empty one stands for no transformation, as AWS's console and
/// imports write it.
pub(super) type Templates = Vec<(String, Option<Compiled>)>;

/// A non-proxy integration.
#[derive(Debug)]
pub(super) struct Mapping {
    pub request_templates: Templates,
    pub request_parameters: Texts,
    pub passthrough: String,
    pub content_handling: Option<String>,
    pub responses: Vec<MappedResponse>,
    /// The statuses that the method declares.
    pub declared: Vec<String>,
}

/// One answer of a non-proxy integration.
#[derive(Debug)]
pub(super) struct MappedResponse {
    /// What selects it; the one without a pattern is the default.
    pub pattern: Option<JavaPattern>,
    pub status: String,
    pub parameters: Texts,
    pub templates: Templates,
    pub content_handling: Option<String>,
}

impl Mapping {
    /// Compiles a method's integration.
    pub fn compile(method: &Method, integration: &Integration) -> Self {
        Self {
            request_templates: templates(&integration.request_templates),
            request_parameters: integration.request_parameters.clone(),
            passthrough: integration.passthrough_behavior.clone(),
            content_handling: integration.content_handling.clone(),
            responses: integration.integration_responses.values().filter_map(response).collect(),
            declared: method.method_responses.keys().cloned().collect(),
        }
    }

    /// The answer for what the back end said: the first whose pattern matches the whole of it, else
    /// the default.
    pub fn select(&self, said: &str) -> Option<&MappedResponse> {
        let matches = |response: &&MappedResponse| {
            // A pattern that runs away selects nothing.
            response.pattern.as_ref().is_some_and(|one| one.matches(said).unwrap_or(false))
        };
        let responses = &self.responses;
        responses
            .iter()
            .find(matches)
            .or_else(|| responses.iter().find(|response| response.pattern.is_none()))
    }
}

fn response(response: &IntegrationResponse) -> Option<MappedResponse> {
    let pattern = response.selection_pattern.as_deref().filter(|text| !text.is_empty());
    let pattern = match pattern {
        None => None,
        // A pattern that is no regular expression selects nothing.
        Some(text) => Some(JavaPattern::new(text).ok()?),
    };
    let empty = BTreeMap::new();
    Some(MappedResponse {
        pattern,
        status: response.status_code.clone(),
        parameters: response.response_parameters.clone().unwrap_or_default(),
        templates: templates(response.response_templates.as_ref().unwrap_or(&empty)),
        content_handling: response.content_handling.clone(),
    })
}

fn templates(texts: &BTreeMap<String, Option<String>>) -> Templates {
    let compile = |text: &String| Template::parse(text, &Limits::default());
    texts
        .iter()
        .map(|(kind, text)| {
            let text = text.as_ref().filter(|text| !text.is_empty());
            (kind.clone(), text.map(compile))
        })
        .collect()
}
