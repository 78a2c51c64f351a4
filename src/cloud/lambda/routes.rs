//! Which operation a request asks for: Lambda's REST paths.

use http::Method;

use crate::wire::ApiRequest;

/// An operation, with what its path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// An operation on a function that the local cloud has; the name is as in the path.
    Function(FunctionOperation, String),
    /// `CreateFunction`.
    CreateFunction,
    /// `ListFunctions`.
    ListFunctions,
    /// `GetAccountSettings`.
    GetAccountSettings,
    /// `GetAlias`, `UpdateAlias`, `DeleteAlias`: function and alias.
    Alias(AliasOperation, String, String),
    /// `RemovePermission`: function and statement id.
    RemovePermission(String, String),
    /// `ListTags`, `TagResource`, `UntagResource`: the resource's ARN.
    Tags(TagOperation, String),
    /// Operations on event source mappings, with the id of one; empty where none is named.
    Mapping(MappingOperation, String),
    /// An operation of AWS that is not there.
    NotImplemented(&'static str),
    /// No operation of AWS.
    Unknown,
}

/// Operations whose path names a function and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum FunctionOperation {
    GetFunction,
    DeleteFunction,
    GetFunctionConfiguration,
    UpdateFunctionConfiguration,
    UpdateFunctionCode,
    PublishVersion,
    ListVersionsByFunction,
    CreateAlias,
    ListAliases,
    AddPermission,
    GetPolicy,
    Invoke,
    PutFunctionConcurrency,
    GetFunctionConcurrency,
    DeleteFunctionConcurrency,
    PutProvisionedConcurrencyConfig,
    GetProvisionedConcurrencyConfig,
    DeleteProvisionedConcurrencyConfig,
    ListProvisionedConcurrencyConfigs,
    PutFunctionEventInvokeConfig,
    UpdateFunctionEventInvokeConfig,
    GetFunctionEventInvokeConfig,
    DeleteFunctionEventInvokeConfig,
    ListFunctionEventInvokeConfigs,
}

/// Operations on one alias, by AWS's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, clippy::enum_variant_names)]
pub enum AliasOperation {
    GetAlias,
    UpdateAlias,
    DeleteAlias,
}

/// Operations on tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum TagOperation {
    ListTags,
    TagResource,
    UntagResource,
}

/// Operations on event source mappings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum MappingOperation {
    Create,
    List,
    Get,
    Update,
    Delete,
}

impl Operation {
    /// The operation that a request asks for.
    pub fn of(request: &ApiRequest) -> Self {
        let mut segments = request.segments();
        while segments.last().is_some_and(String::is_empty) {
            segments.pop();
        }
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        match parts.as_slice() {
            ["2015-03-31", "functions", rest @ ..] => functions(&request.method, rest),
            ["2017-10-31" | "2019-09-30", "functions", name, "concurrency"] => {
                concurrency(&request.method, name)
            }
            ["2019-09-30", "functions", name, "provisioned-concurrency"] => {
                provisioned(request, name)
            }
            ["2016-08-19", "account-settings"] if request.method == Method::GET => {
                Operation::GetAccountSettings
            }
            ["2019-09-25", "functions", name, "event-invoke-config"] => {
                event_invoke(&request.method, name)
            }
            ["2019-09-25", "functions", name, "event-invoke-config", "list"]
                if request.method == Method::GET =>
            {
                let operation = FunctionOperation::ListFunctionEventInvokeConfigs;
                Operation::Function(operation, (*name).to_owned())
            }
            ["2015-03-31", "event-source-mappings", rest @ ..] => mappings(&request.method, rest),
            ["2017-03-31", "tags", arn] => tags(&request.method, arn),
            other => not_there(&request.method, other),
        }
    }
}

fn functions(method: &Method, rest: &[&str]) -> Operation {
    use FunctionOperation as F;
    let on = |operation, name: &str| Operation::Function(operation, name.to_owned());
    match (method.as_str(), rest) {
        ("POST", []) => Operation::CreateFunction,
        ("GET", []) => Operation::ListFunctions,
        ("GET", [name]) => on(F::GetFunction, name),
        ("DELETE", [name]) => on(F::DeleteFunction, name),
        ("GET", [name, "configuration"]) => on(F::GetFunctionConfiguration, name),
        ("PUT", [name, "configuration"]) => on(F::UpdateFunctionConfiguration, name),
        ("PUT", [name, "code"]) => on(F::UpdateFunctionCode, name),
        ("POST", [name, "versions"]) => on(F::PublishVersion, name),
        ("GET", [name, "versions"]) => on(F::ListVersionsByFunction, name),
        ("POST", [name, "aliases"]) => on(F::CreateAlias, name),
        ("GET", [name, "aliases"]) => on(F::ListAliases, name),
        ("POST", [name, "policy"]) => on(F::AddPermission, name),
        ("GET", [name, "policy"]) => on(F::GetPolicy, name),
        ("POST", [name, "invocations"]) => on(F::Invoke, name),
        ("GET", [name, "aliases", alias]) => {
            Operation::Alias(AliasOperation::GetAlias, (*name).to_owned(), (*alias).to_owned())
        }
        ("PUT", [name, "aliases", alias]) => {
            Operation::Alias(AliasOperation::UpdateAlias, (*name).to_owned(), (*alias).to_owned())
        }
        ("DELETE", [name, "aliases", alias]) => {
            Operation::Alias(AliasOperation::DeleteAlias, (*name).to_owned(), (*alias).to_owned())
        }
        ("DELETE", [name, "policy", statement]) => {
            Operation::RemovePermission((*name).to_owned(), (*statement).to_owned())
        }
        _ => Operation::Unknown,
    }
}

fn concurrency(method: &Method, name: &str) -> Operation {
    let operation = match *method {
        Method::PUT => FunctionOperation::PutFunctionConcurrency,
        Method::GET => FunctionOperation::GetFunctionConcurrency,
        Method::DELETE => FunctionOperation::DeleteFunctionConcurrency,
        _ => return Operation::Unknown,
    };
    Operation::Function(operation, name.to_owned())
}

fn provisioned(request: &ApiRequest, name: &str) -> Operation {
    let operation = match request.method {
        Method::PUT => FunctionOperation::PutProvisionedConcurrencyConfig,
        // One path for both: the list is asked for with `List=ALL`.
        Method::GET if request.query_value("List").as_deref() == Some("ALL") => {
            FunctionOperation::ListProvisionedConcurrencyConfigs
        }
        Method::GET => FunctionOperation::GetProvisionedConcurrencyConfig,
        Method::DELETE => FunctionOperation::DeleteProvisionedConcurrencyConfig,
        _ => return Operation::Unknown,
    };
    Operation::Function(operation, name.to_owned())
}

fn event_invoke(method: &Method, name: &str) -> Operation {
    let operation = match *method {
        Method::PUT => FunctionOperation::PutFunctionEventInvokeConfig,
        Method::POST => FunctionOperation::UpdateFunctionEventInvokeConfig,
        Method::GET => FunctionOperation::GetFunctionEventInvokeConfig,
        Method::DELETE => FunctionOperation::DeleteFunctionEventInvokeConfig,
        _ => return Operation::Unknown,
    };
    Operation::Function(operation, name.to_owned())
}

fn mappings(method: &Method, rest: &[&str]) -> Operation {
    use MappingOperation as M;
    match (method.as_str(), rest) {
        ("POST", []) => Operation::Mapping(M::Create, String::new()),
        ("GET", []) => Operation::Mapping(M::List, String::new()),
        ("GET", [uuid]) => Operation::Mapping(M::Get, (*uuid).to_owned()),
        ("PUT", [uuid]) => Operation::Mapping(M::Update, (*uuid).to_owned()),
        ("DELETE", [uuid]) => Operation::Mapping(M::Delete, (*uuid).to_owned()),
        _ => Operation::Unknown,
    }
}

fn tags(method: &Method, arn: &str) -> Operation {
    let operation = match *method {
        Method::GET => TagOperation::ListTags,
        Method::POST => TagOperation::TagResource,
        Method::DELETE => TagOperation::UntagResource,
        _ => return Operation::Unknown,
    };
    Operation::Tags(operation, arn.to_owned())
}

/// The operations of AWS that the local cloud has not, so that they can be refused by name.
fn not_there(method: &Method, path: &[&str]) -> Operation {
    let name = match (method.as_str(), path) {
        ("POST", ["2014-11-13", "functions", _, "invoke-async"]) => "InvokeAsync",
        ("POST", ["2021-11-15", "functions", _, "response-streaming-invocations"]) => {
            "InvokeWithResponseStream"
        }
        ("POST", [_, "functions", _, "url"]) => "CreateFunctionUrlConfig",
        ("GET", [_, "functions", _, "url"]) => "GetFunctionUrlConfig",
        ("PUT", [_, "functions", _, "url"]) => "UpdateFunctionUrlConfig",
        ("DELETE", [_, "functions", _, "url"]) => "DeleteFunctionUrlConfig",
        ("GET", [_, "functions", _, "urls"]) => "ListFunctionUrlConfigs",
        ("GET", [_, "functions", _, "code-signing-config"]) => "GetFunctionCodeSigningConfig",
        ("PUT", [_, "functions", _, "code-signing-config"]) => "PutFunctionCodeSigningConfig",
        ("DELETE", [_, "functions", _, "code-signing-config"]) => "DeleteFunctionCodeSigningConfig",
        ("GET", [_, "functions", _, "runtime-management-config"]) => "GetRuntimeManagementConfig",
        ("PUT", [_, "functions", _, "runtime-management-config"]) => "PutRuntimeManagementConfig",
        ("GET", [_, "functions", _, "recursion-config"]) => "GetFunctionRecursionConfig",
        ("PUT", [_, "functions", _, "recursion-config"]) => "PutFunctionRecursionConfig",
        ("GET", [_, "layers"]) => "ListLayers",
        ("POST", [_, "layers", _, "versions"]) => "PublishLayerVersion",
        (_, [_, "layers", ..]) => "layer operations",
        (_, [_, "code-signing-configs", ..]) => "code signing operations",
        (_, [_, "capacity-providers", ..]) => "capacity provider operations",
        (_, [_, "durable-executions", ..]) => "durable execution operations",
        _ => return Operation::Unknown,
    };
    Operation::NotImplemented(name)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;

    use super::*;
    use crate::wire::Caller;

    fn of(method: Method, path: &str) -> Operation {
        Operation::of(&ApiRequest {
            method,
            path: path.to_owned(),
            query: String::new(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            caller: Caller::Operator,
            request_id: String::new(),
        })
    }

    #[test]
    fn paths_are_read_with_and_without_their_encoding() {
        assert_eq!(of(Method::POST, "/2015-03-31/functions"), Operation::CreateFunction);
        assert_eq!(of(Method::GET, "/2015-03-31/functions/"), Operation::ListFunctions);
        assert_eq!(
            of(Method::POST, "/2015-03-31/functions/arn%3Aaws%3Alambda/invocations"),
            Operation::Function(FunctionOperation::Invoke, "arn:aws:lambda".to_owned())
        );
        assert_eq!(
            of(Method::PUT, "/2015-03-31/functions/f/aliases/live"),
            Operation::Alias(AliasOperation::UpdateAlias, "f".to_owned(), "live".to_owned())
        );
        assert_eq!(
            of(Method::POST, "/2015-03-31/event-source-mappings/"),
            Operation::Mapping(MappingOperation::Create, String::new())
        );
        assert_eq!(of(Method::PATCH, "/2015-03-31/functions/f"), Operation::Unknown);
        assert_eq!(of(Method::GET, "/"), Operation::Unknown);
    }
}
