//! `OpenAPI` documents: what API Gateway and the deploy need of them, checked with line numbers.

use crate::blueprint::Blueprint;
use crate::links::{self, Allowed, Kind};
use crate::manifest::{expect_title, stage_variables};
use crate::problem::{Findings, Position, one_of};
use crate::references::find;
use crate::yaml::{Member, Node};

/// The extension that says what a method calls.
const INTEGRATION: &str = "x-amazon-apigateway-integration";
/// The keys of a path that are methods of API Gateway.
const METHODS: &[&str] =
    &["get", "put", "post", "delete", "options", "head", "patch", "x-amazon-apigateway-any-method"];
/// The other keys that a path can have.
const PATH_KEYS: &[&str] = &["parameters", "summary", "description", "servers", "$ref"];
/// Integration types, as `OpenAPI` documents write them.
const TYPES: &[&str] = &["aws_proxy", "aws", "http_proxy", "http", "mock"];
/// Where mapping templates stand: `${…}` means something else there.
const TEMPLATES: &[&str] = &["requestTemplates", "responseTemplates"];

/// Checks a document against the lab it belongs to. Hands back the functions that its integrations
/// name, in order of appearance. Where `names_known` is false, the blueprint lacks names and references
/// can't be judged.
pub(crate) fn check(
    root: &Node,
    api: &str,
    blueprint: &Blueprint,
    names_known: bool,
    findings: &mut Findings,
) -> Vec<String> {
    let mut check = Checker {
        blueprint,
        stage_variables: stage_variables(blueprint),
        findings,
        functions: Vec::new(),
    };
    if root.members().is_none() {
        check
            .findings
            .add(root.at, format!("the document is {}", root.type_name()))
            .expected("a mapping with `openapi`, `info` and `paths`");
        return Vec::new();
    }
    check.version(root);
    check.info(root, api);
    check.paths(root);
    if names_known {
        check.references(root, false);
    }
    check.functions
}

struct Checker<'b, 'f> {
    blueprint: &'b Blueprint,
    stage_variables: Vec<&'b str>,
    findings: &'f mut Findings,
    functions: Vec<String>,
}

impl Checker<'_, '_> {
    /// The member of a mapping, reported when it is not there.
    fn need<'n>(
        &mut self,
        node: &'n Node,
        at: Position,
        called: &str,
        key: &str,
        expected: &str,
    ) -> Option<&'n Node> {
        let Some(members) = node.members() else {
            self.findings
                .add(node.at, format!("{called} is {}", node.type_name()))
                .expected(format!("a mapping with `{key}`"));
            return None;
        };
        let found = members.iter().find(|member| member.key == key);
        if found.is_none() {
            // A key that is nearly right is where the problem is.
            let near = members
                .iter()
                .find(|member| strsim::normalized_damerau_levenshtein(&member.key, key) > 0.8);
            let problem = self
                .findings
                .add(near.map_or(at, |member| member.at), format!("{called} has no `{key}`"));
            problem.expected(expected);
            if near.is_some() {
                problem.suggestion = Some(key.to_owned());
            }
        }
        found.map(|member| &member.value)
    }

    fn version(&mut self, root: &Node) {
        let expected = "a version in quotes such as `\"3.0.1\"`";
        if let Some(swagger) = root.get("swagger") {
            self.findings
                .add(swagger.at, "the document is Swagger 2.0")
                .expected(format!("`openapi`: {expected}"));
            return;
        }
        let called = "the document";
        let Some(version) = self.need(root, root.at, called, "openapi", expected) else {
            return;
        };
        let supported = version.text().is_some_and(|version| {
            version
                .strip_prefix("3.0.")
                .is_some_and(|patch| !patch.is_empty() && patch.chars().all(|c| c.is_ascii_digit()))
        });
        if !supported {
            let message = match version.text() {
                Some(text) => format!("`openapi` is `{}`", text.escape_debug()),
                None => format!("`openapi` is {}", version.type_name()),
            };
            self.findings
                .add(version.at, message)
                .expected(format!("{expected}; API Gateway imports 3.0"));
        }
    }

    fn info(&mut self, root: &Node, api: &str) {
        let expected = "a mapping with `title` and `version`";
        let Some(info) = self.need(root, root.at, "the document", "info", expected) else {
            return;
        };
        if let Some(version) = self.need(info, info.at, "`info`", "version", "text in quotes")
            && version.text().is_none()
        {
            self.findings
                .add(version.at, format!("`info.version` is {}", version.type_name()))
                .expected("text in quotes, such as `\"1.0\"`");
        }
        let expected = format!("`{api}`, the API's name in `lab.toml`");
        let Some(title) = self.need(info, info.at, "`info`", "title", &expected) else {
            return;
        };
        if title.text() != Some(api) {
            let message = match title.text() {
                Some(text) => format!("`info.title` is `{}`", text.escape_debug()),
                None => format!("`info.title` is {}", title.type_name()),
            };
            expect_title(self.findings.add(title.at, message), api);
        }
    }

    fn paths(&mut self, root: &Node) {
        let expected = "a mapping of paths such as `/greet`";
        let Some(paths) = self.need(root, root.at, "the document", "paths", expected) else {
            return;
        };
        let Some(members) = paths.members().filter(|members| !members.is_empty()) else {
            self.findings.add(paths.at, "`paths` holds no path").expected(expected);
            return;
        };
        for path in members {
            self.path(path);
        }
    }

    fn path(&mut self, path: &Member) {
        if !path.key.starts_with('/') || !balanced(&path.key) {
            self.findings
                .add(path.at, format!("`{}` is not a path", path.key.escape_debug()))
                .expected("a path that begins with `/`, with parameters as `{name}`");
        }
        let Some(members) = path.value.members() else {
            self.findings
                .add(
                    path.value.at,
                    format!("`{}` is {}", path.key.escape_debug(), path.value.type_name()),
                )
                .expected("a mapping of methods such as `get`");
            return;
        };
        for member in members {
            let key = member.key.as_str();
            if METHODS.contains(&key) {
                self.method(&path.key, member);
            } else if !PATH_KEYS.contains(&key) && !key.starts_with("x-") {
                self.findings
                    .add(
                        member.at,
                        format!("`{}` is not a method of API Gateway", key.escape_debug()),
                    )
                    .expected(one_of(METHODS.iter().copied()))
                    .nearest(key, METHODS.iter().copied());
            }
        }
    }

    fn method(&mut self, path: &str, method: &Member) {
        let verb = match method.key.as_str() {
            "x-amazon-apigateway-any-method" => "ANY".to_owned(),
            verb => verb.to_uppercase(),
        };
        let called = format!("`{verb} {}`", path.escape_debug());
        let expected = "a mapping that says what the method calls";
        let node = self.need(&method.value, method.at, &called, INTEGRATION, expected);
        if let Some(integration) = node {
            self.integration(&called, integration);
        }
    }

    fn integration(&mut self, called: &str, node: &Node) {
        let called = format!("the integration of {called}");
        let expected = one_of(TYPES.iter().copied());
        let Some(kind) = self.need(node, node.at, &called, "type", &expected) else {
            return;
        };
        let word = kind.text().unwrap_or_default().to_lowercase();
        if !TYPES.contains(&word.as_str()) {
            let message = match kind.text() {
                Some(text) => format!("unknown integration type `{}`", text.escape_debug()),
                None => format!("the integration type is {}", kind.type_name()),
            };
            self.findings
                .add(kind.at, message)
                .expected(expected)
                .nearest(&word, TYPES.iter().copied());
            return;
        }
        if word != "mock" {
            self.backend(&called, node);
        }
    }

    /// What every integration but a mock needs: a URI and the method it is called with.
    fn backend(&mut self, called: &str, node: &Node) {
        let expected = "the address of what is called";
        let uri = self.need(node, node.at, called, "uri", expected);
        let expected = "the method it is called with; `POST` for a function";
        let method = self.need(node, node.at, called, "httpMethod", expected);
        let Some(uri) = uri else { return };
        let Some(text) = uri.text() else {
            self.findings
                .add(uri.at, format!("the `uri` of {called} is {}", uri.type_name()))
                .expected("text");
            return;
        };
        let calls_function = text.contains(":lambda:path/");
        if calls_function
            && let Some(method) = method
            && method.text() != Some("POST")
        {
            self.findings
                .add(method.at, format!("the `httpMethod` of {called} is not `POST`"))
                .expected("`POST`: Lambda is invoked with no other method, whatever the API's own");
        }
        self.called_function(called, uri.at, text);
    }

    /// The function that a URI names, and that it is called through an alias.
    fn called_function(&mut self, called: &str, at: Position, uri: &str) {
        for found in find(uri) {
            let Ok(Some((Kind::Function, name))) =
                links::reference_link(found.body, Allowed::Resources)
            else {
                continue;
            };
            if !self.functions.iter().any(|known| known == name) {
                self.functions.push(name.to_owned());
            }
            if !uri[found.end..].starts_with(":${stageVariables.") {
                self.findings.add(at, format!("{called} does not call an alias")).expected(
                    format!(
                        "`${{{}}}:${{stageVariables.lambdaAlias}}`: \
                         the gateway is allowed to call aliases only",
                        found.body
                    ),
                );
            }
        }
    }

    /// Checks the references in every text below a node.
    fn references(&mut self, node: &Node, in_template: bool) {
        match &node.data {
            crate::yaml::Data::Text(text) => self.references_of(node.at, text, in_template),
            crate::yaml::Data::List(items) => {
                for item in items {
                    self.references(item, in_template);
                }
            }
            crate::yaml::Data::Map(members) => {
                for member in members {
                    let template = in_template || TEMPLATES.contains(&member.key.as_str());
                    self.references(&member.value, template);
                }
            }
            _ => {}
        }
    }

    fn references_of(&mut self, at: Position, text: &str, in_template: bool) {
        for found in find(text) {
            if let Some(variable) = found.body.strip_prefix("stageVariables.") {
                self.stage_variable(at, variable);
                continue;
            }
            match links::reference_link(found.body, Allowed::Resources) {
                Ok(Some((kind, name))) => self.resource(at, &kind, name),
                Ok(None) => {}
                Err(_) if in_template => {}
                Err(message) => {
                    let head = found.body.split('.').next().unwrap_or_default();
                    let heads =
                        Allowed::Resources.heads().iter().copied().chain(["stageVariables"]);
                    self.findings
                        .add(at, message)
                        .expected(format!(
                            "{}, or `${{stageVariables.NAME}}`",
                            Allowed::Resources.says()
                        ))
                        .nearest(head, heads);
                }
            }
        }
    }

    fn stage_variable(&mut self, at: Position, variable: &str) {
        if self.stage_variables.contains(&variable) {
            return;
        }
        let known = self.stage_variables.iter().copied();
        self.findings
            .add(at, format!("no stage variable `{}` in every stage", variable.escape_debug()))
            .expected(one_of(known.clone()))
            .nearest(variable, known);
    }

    fn resource(&mut self, at: Position, kind: &Kind, name: &str) {
        if !links::names(self.blueprint, kind).contains(&name) {
            links::report(kind, name, at, self.blueprint, self.findings);
        }
    }
}

/// Whether every `{` of a path has its `}`, none inside another.
fn balanced(path: &str) -> bool {
    let mut open = false;
    for c in path.chars() {
        match c {
            '{' if open => return false,
            '}' if !open => return false,
            '{' => open = true,
            '}' => open = false,
            _ => {}
        }
    }
    !open
}
