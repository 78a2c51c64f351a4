//! Which AWS operations only read: everything that is not known to read counts as changing.

/// Prefixes of the names of operations that only read.
const READING_PREFIXES: [&str; 9] =
    ["Get", "List", "Describe", "BatchGet", "Filter", "Head", "Lookup", "Search", "Test"];

/// Further operations that only read, by their whole name.
const READING: [&str; 7] = [
    "Query",
    "Scan",
    "TransactGetItems",
    "StartLiveTail",
    "StartQuery",
    "StopQuery",
    "SimulatePrincipalPolicy",
];

/// Names with a reading prefix that change or spend something all the same.
const CHANGING: [&str; 4] =
    ["GetSessionToken", "GetFederationToken", "TestInvokeMethod", "TestInvokeAuthorizer"];

/// Whether `operation` may change something at AWS. An unknown operation may.
///
/// `Invoke` of Lambda changes: what the function does is not known.
pub fn is_mutating(operation: &str) -> bool {
    if CHANGING.contains(&operation) {
        return true;
    }
    !READING.contains(&operation) && !READING_PREFIXES.iter().any(|p| starts_word(operation, p))
}

/// Whether `name` begins with the word `prefix`: `GetItem` begins with `Get`, `Gettysburg` does not.
fn starts_word(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix)
        .is_some_and(|rest| rest.chars().next().is_some_and(|c| c.is_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_not_mutating() {
        for name in [
            "GetFunction",
            "GetRestApis",
            "ListAliases",
            "DescribeTable",
            "FilterLogEvents",
            "StartLiveTail",
            "Query",
            "Scan",
            "BatchGetItem",
            "GetCallerIdentity",
        ] {
            assert!(!is_mutating(name), "{name}");
        }
    }

    #[test]
    fn writes_and_unknown_names_are_mutating() {
        for name in [
            "CreateFunction",
            "UpdateAlias",
            "DeleteRestApi",
            "PutRolePolicy",
            "Invoke",
            "ImportRestApi",
            "TagResource",
            "PublishVersion",
            "ExecuteStatement",
            "Frobnicate",
            "Gettysburg",
            "TestInvokeMethod",
            "",
        ] {
            assert!(is_mutating(name), "{name}");
        }
    }
}
