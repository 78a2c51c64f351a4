//! What stands behind a method: the URI of its integration.
//!
//! `arn:aws:apigateway:REGION:lambda:path/2015-03-31/functions/FUNCTION_ARN/invocations`, where the
//! function's ARN may have a qualifier, and any part may be a stage variable, `${stageVariables.NAME}`
//! (API Gateway developer guide, "Using API Gateway stage variables").

use std::collections::BTreeMap;

const HOLE: &str = "${stageVariables.";

/// What an integration calls.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Behind {
    /// A function.
    Function(Called),
    /// A function whose name a stage variable holds that has no value here.
    Unknown(String),
    /// Anything else: what it is, in a few words.
    Other(String),
}

/// A function as a URI names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Called {
    /// Region.
    pub region: String,
    /// Account.
    pub account: String,
    /// Name.
    pub name: String,
    /// Alias or version; `None` calls `$LATEST`, or what a variable holds that has no value here.
    pub qualifier: Option<String>,
}

/// What an integration of this type (`AWS_PROXY`, `MOCK` …) and URI calls, with a stage's variables.
pub fn behind(kind: &str, uri: Option<&str>, variables: &BTreeMap<String, String>) -> Behind {
    let Some(uri) = uri.filter(|_| kind != "MOCK") else { return Behind::Other(kind.to_owned()) };
    let uri = filled(uri, variables);
    let Some((_, function)) = uri.split_once("/functions/") else {
        let service = uri.strip_prefix("arn:").and_then(|arn| arn.split(':').nth(3));
        return Behind::Other(service.map_or_else(|| uri.clone(), |name| format!("AWS {name}")));
    };
    let arn = function.strip_suffix("/invocations").unwrap_or(function);
    let parts: Vec<&str> = arn.split(':').collect();
    match parts.as_slice() {
        ["arn", _, "lambda", region, account, "function", name, rest @ ..]
            if !name.contains(HOLE) && rest.len() <= 1 =>
        {
            let known = |text: &&&str| !text.is_empty() && !text.contains(HOLE);
            Behind::Function(Called {
                region: (*region).to_owned(),
                account: (*account).to_owned(),
                name: (*name).to_owned(),
                qualifier: rest.first().filter(known).map(|text| (*text).to_owned()),
            })
        }
        _ => Behind::Unknown(arn.to_owned()),
    }
}

/// The text with the variables that have a value; others stay as they are.
fn filled(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(HOLE) {
        filled.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            filled.push_str(HOLE);
            rest = after;
            continue;
        };
        match variables.get(name) {
            Some(value) => filled.push_str(value),
            None => filled.extend([HOLE, name, "}"]),
        }
        rest = after;
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/";

    fn of(function: &str, variables: &[(&str, &str)]) -> Behind {
        let variables = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        behind("AWS_PROXY", Some(&format!("{BASE}{function}/invocations")), &variables)
    }

    fn called(name: &str, qualifier: Option<&str>) -> Behind {
        Behind::Function(Called {
            region: "eu-west-1".to_owned(),
            account: "111122223333".to_owned(),
            name: name.to_owned(),
            qualifier: qualifier.map(str::to_owned),
        })
    }

    #[test]
    fn functions_are_found_with_and_without_variables() {
        const ARN: &str = "arn:aws:lambda:eu-west-1:111122223333:function:";
        assert_eq!(of(&format!("{ARN}orders"), &[]), called("orders", None));
        assert_eq!(of(&format!("{ARN}orders:live"), &[]), called("orders", Some("live")));
        let by_alias = format!("{ARN}orders:${{stageVariables.lambdaAlias}}");
        assert_eq!(of(&by_alias, &[("lambdaAlias", "prod")]), called("orders", Some("prod")));
        assert_eq!(of(&by_alias, &[]), called("orders", None));
        assert_eq!(of(&by_alias, &[("lambdaAlias", "")]), called("orders", None));
        let by_name = format!("{ARN}${{stageVariables.fn}}");
        assert_eq!(of(&by_name, &[("fn", "orders:7")]), called("orders", Some("7")));
        assert!(matches!(of(&by_name, &[]), Behind::Unknown(_)));
        assert!(matches!(of("${stageVariables.arn}", &[]), Behind::Unknown(_)));
        let whole = format!("{ARN}orders");
        assert_eq!(of("${stageVariables.arn}", &[("arn", &whole)]), called("orders", None));
        assert!(matches!(of("${stageVariables.", &[]), Behind::Unknown(_)));
    }

    #[test]
    fn what_is_no_function_says_what_it_is() {
        let none = BTreeMap::new();
        assert_eq!(behind("MOCK", None, &none), Behind::Other("MOCK".to_owned()));
        let url = "https://example.com/{proxy}";
        assert_eq!(behind("HTTP_PROXY", Some(url), &none), Behind::Other(url.to_owned()));
        let table = "arn:aws:apigateway:eu-west-1:dynamodb:action/PutItem";
        assert_eq!(behind("AWS", Some(table), &none), Behind::Other("AWS dynamodb".to_owned()));
    }
}
