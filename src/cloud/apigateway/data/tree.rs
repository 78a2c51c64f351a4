//! A deployment compiled for routing: literals before variables, variables before greedy ones.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::super::model::{Definition, GatewayResponse, Integration, Method, Resource};
use super::lambda::Function;
use super::mapping::Mapping;
use super::request::decode;
use super::schema::{Schema, Schemas};

/// A compiled deployment.
#[derive(Debug)]
pub(in super::super) struct Tree {
    root: Node,
    /// Every method as path and verb.
    pub methods: Vec<(String, String)>,
    /// Bodies of these types travel as base64.
    pub binary_media_types: Vec<String>,
    /// Customised gateway responses by type.
    pub responses: BTreeMap<String, GatewayResponse>,
    /// Whether the API has a resource policy, which the local cloud does not evaluate.
    pub has_policy: bool,
    /// Whether clients send their API keys in a header.
    pub key_in_header: bool,
    /// Whether the API answers only under names of its own.
    pub disabled: bool,
}

#[derive(Debug, Default)]
struct Node {
    literals: HashMap<String, Node>,
    variable: Option<Box<Node>>,
    greedy: Option<Arc<Route>>,
    route: Option<Arc<Route>>,
}

/// A resource that has methods.
#[derive(Debug)]
pub(super) struct Route {
    pub resource_id: String,
    /// The resource's path, such as `/pets/{id}`.
    pub path: String,
    /// The names of the path's variables, in order.
    names: Vec<String>,
    methods: HashMap<String, CompiledMethod>,
}

/// A method with what a request needs of it.
#[derive(Debug)]
pub(super) struct CompiledMethod {
    /// The verb as it was declared: maybe `ANY`.
    pub verb: String,
    pub authorization: String,
    pub api_key_required: bool,
    /// Parameters that the validator demands, in AWS's order.
    pub required: Vec<(Place, String)>,
    /// Models that the validator checks bodies against, by content type.
    pub models: Vec<(String, Arc<Schema>)>,
    pub cache: CacheKey,
    pub backend: Backend,
}

/// What tells the cached answers of a method apart.
#[derive(Debug, Default)]
pub(super) struct CacheKey {
    pub namespace: String,
    pub parts: Vec<KeyPart>,
}

/// One of the values that tell cached answers apart.
#[derive(Debug)]
pub(super) enum KeyPart {
    /// Every value of a request parameter.
    Parameter(Place, String),
    /// What a mapping expression, such as `context.identity.sourceIp`, makes of the request.
    Mapped(String),
}

/// Where a request parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Path,
    Query,
    Header,
}

/// What answers.
#[derive(Debug)]
pub(super) enum Backend {
    /// A function that gets the whole request.
    Lambda(Called),
    /// A function whose requests and answers are mapped.
    Mapped(Called, Box<Mapping>),
    /// The gateway itself.
    Mock(Box<Mapping>),
    /// An integration whose use is a mistake: the reason, for the log.
    Misconfigured(String),
    /// An integration that the local cloud does not have: its name.
    Absent(String),
}

/// A function behind a method.
#[derive(Debug)]
pub(super) struct Called {
    pub function: Function,
    pub timeout_ms: u64,
}

/// Where a request leads.
#[derive(Debug)]
pub(super) struct Matched<'a> {
    pub route: &'a Route,
    pub method: &'a CompiledMethod,
    /// Path parameters, decoded.
    pub parameters: Vec<(&'a str, Cow<'a, str>)>,
}

impl Matched<'_> {
    /// A path parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_ref())
    }
}

impl Tree {
    /// Compiles a snapshot.
    pub fn compile(definition: &Definition) -> Self {
        let mut root = Node::default();
        let mut methods = Vec::new();
        let mut schemas = Schemas::new(definition);
        for resource in definition.resources.values().filter(|one| !one.methods.is_empty()) {
            let verbs = resource.methods.keys();
            methods.extend(verbs.map(|verb| (resource.path.clone(), verb.clone())));
            root.insert(Arc::new(route(definition, resource, &mut schemas)));
        }
        Self {
            root,
            methods,
            binary_media_types: definition.api.binary_media_types.clone(),
            responses: definition.gateway_responses.clone(),
            has_policy: definition.api.policy.is_some(),
            key_in_header: definition.api.api_key_source == "HEADER",
            disabled: definition.api.disable_execute_api_endpoint,
        }
    }

    /// The method for `verb` at `path` (encoded, without stage and leading slash).
    pub fn find<'a>(&'a self, verb: &str, path: &'a str) -> Option<Matched<'a>> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut values = Vec::new();
        let route = if path.is_empty() {
            self.root.route.as_deref()
        } else {
            self.root.find(path, &mut values)
        }?;
        let method = route.method(verb)?;
        let parameters =
            route.names.iter().map(String::as_str).zip(values.into_iter().map(decode)).collect();
        Some(Matched { route, method, parameters })
    }

    /// The resource declared at this path.
    pub fn route_at(&self, declared: &str) -> Option<&Route> {
        let mut node = &self.root;
        for part in declared.split('/').filter(|part| !part.is_empty()) {
            if part.ends_with("+}") {
                return node.greedy.as_deref();
            }
            node = if part.starts_with('{') {
                node.variable.as_deref()?
            } else {
                node.literals.get(decode(part).as_ref())?
            };
        }
        node.route.as_deref()
    }
}

impl Route {
    /// The method for a verb: its own, else the one for any.
    pub fn method(&self, verb: &str) -> Option<&CompiledMethod> {
        self.methods.get(verb).or_else(|| self.methods.get("ANY"))
    }
}

impl Node {
    fn insert(&mut self, route: Arc<Route>) {
        let path = route.path.clone();
        let mut node = self;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            if part.ends_with("+}") {
                node.greedy = Some(route);
                return;
            }
            node = if part.starts_with('{') {
                node.variable.get_or_insert_default()
            } else {
                node.literals.entry(decode(part).into_owned()).or_default()
            };
        }
        node.route = Some(route);
    }

    /// The best route below this node. A branch that leads nowhere is left for the next best one.
    fn find<'a>(&'a self, path: &'a str, values: &mut Vec<&'a str>) -> Option<&'a Route> {
        let (part, rest) = match path.split_once('/') {
            Some((part, rest)) => (part, Some(rest)),
            None => (path, None),
        };
        let follow = |node: &'a Self, values: &mut Vec<&'a str>| match rest {
            Some(rest) => node.find(rest, values),
            None => node.route.as_deref(),
        };
        if let Some(next) = self.literals.get(decode(part).as_ref())
            && let Some(route) = follow(next, values)
        {
            return Some(route);
        }
        if let Some(next) = self.variable.as_deref()
            && !part.is_empty()
        {
            values.push(part);
            if let Some(route) = follow(next, values) {
                return Some(route);
            }
            values.pop();
        }
        let route = self.greedy.as_deref()?;
        values.push(path);
        Some(route)
    }
}

fn route<'a>(
    definition: &'a Definition,
    resource: &'a Resource,
    schemas: &mut Schemas<'a>,
) -> Route {
    let methods = resource
        .methods
        .iter()
        .map(|(verb, method)| (verb.clone(), compiled(definition, method, schemas)))
        .collect();
    let variable = |part: &str| Some(part.strip_prefix('{')?.strip_suffix('}')?.to_owned());
    let names = resource
        .path
        .split('/')
        .filter_map(variable)
        .map(|name| name.trim_end_matches('+').to_owned())
        .collect();
    Route { resource_id: resource.id.clone(), path: resource.path.clone(), names, methods }
}

fn compiled<'a>(
    definition: &Definition,
    method: &'a Method,
    schemas: &mut Schemas<'a>,
) -> CompiledMethod {
    let validator =
        method.request_validator_id.as_ref().and_then(|id| definition.validators.get(id));
    let checks_parameters = validator.is_some_and(|one| one.validate_request_parameters);
    CompiledMethod {
        verb: method.http_method.clone(),
        authorization: method.authorization_type.clone(),
        api_key_required: method.api_key_required,
        required: if checks_parameters { required(method) } else { Vec::new() },
        models: schemas.of(method),
        cache: method.method_integration.as_ref().map(cache_key).unwrap_or_default(),
        backend: backend(method),
    }
}

fn required(method: &Method) -> Vec<(Place, String)> {
    let demanded = method.request_parameters.iter().filter(|(_, required)| **required);
    demanded.filter_map(|(name, _)| parameter(name)).collect()
}

/// The place and name that `method.request.{place}.{name}` means.
fn parameter(parameter: &str) -> Option<(Place, String)> {
    let (place, name) = parameter.strip_prefix("method.request.")?.split_once('.')?;
    let place = match place {
        "path" => Place::Path,
        "header" | "multivalueheader" => Place::Header,
        "querystring" | "multivaluequerystring" => Place::Query,
        _ => return None,
    };
    Some((place, name.to_owned()))
}

/// The listed parameters, of the method or (by what they are made of) of the integration.
fn cache_key(integration: &Integration) -> CacheKey {
    let part = |name: &String| {
        let source = if name.starts_with("method.request.") {
            name
        } else {
            integration.request_parameters.get(name)?
        };
        Some(match parameter(source) {
            Some((place, name)) => KeyPart::Parameter(place, name),
            None => KeyPart::Mapped(source.clone()),
        })
    };
    CacheKey {
        namespace: integration.cache_namespace.clone(),
        parts: integration.cache_key_parameters.iter().filter_map(part).collect(),
    }
}

fn backend(method: &Method) -> Backend {
    let Some(integration) = method.method_integration.as_ref() else {
        return Backend::Misconfigured("the method has no integration".to_owned());
    };
    let mapping = || Box::new(Mapping::compile(method, integration));
    match integration.kind.as_str() {
        "AWS_PROXY" => called(integration).map_or_else(|absent| absent, Backend::Lambda),
        "AWS" => called(integration)
            .map_or_else(|absent| absent, |called| Backend::Mapped(called, mapping())),
        "MOCK" => Backend::Mock(mapping()),
        other => Backend::Absent(other.to_owned()),
    }
}

/// The function that an integration calls, or why there is none.
fn called(integration: &Integration) -> Result<Called, Backend> {
    let Some(function) = Function::from_uri(integration.uri.as_deref().unwrap_or_default()) else {
        let kind = &integration.kind;
        return Err(Backend::Absent(format!("{kind} with a service other than Lambda")));
    };
    if integration.http_method.as_deref() != Some("POST") {
        return Err(Backend::Misconfigured(format!(
            "a Lambda integration must have the HTTP method POST, not {}",
            integration.http_method.as_deref().unwrap_or("(none)")
        )));
    }
    Ok(Called { function, timeout_ms: integration.timeout_in_millis })
}
