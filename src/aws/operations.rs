//! Which AWS operations only read: everything that is not known to read counts as changing.

use crate::reading;

/// Whether `operation` of `service` (the SDK's service id, such as `API Gateway`) may change something
/// at AWS. One that is not known may.
///
/// `Invoke` of Lambda changes: what the function does is not known.
pub fn is_mutating(service: &str, operation: &str) -> bool {
    !reading::of(service).any(|known| known == operation)
}

/// The operations of `service` (the SDK's service id) that only read.
pub fn reading_operations(service: &str) -> impl Iterator<Item = &'static str> {
    reading::of(service)
}

/// Why an operation counts as changing, for a person who wanted only to look.
pub(crate) fn why_mutating(operation: &str) -> String {
    match operation {
        "Invoke" | "InvokeAsync" | "InvokeWithResponseStream" => {
            "what a function does is not known, so invoking one counts as changing".to_owned()
        }
        "TestInvokeMethod" | "TestInvokeAuthorizer" => {
            "a method test runs what is behind the method for real, so it counts as changing"
                .to_owned()
        }
        "ReceiveMessage" => {
            "what is received is hidden from others for a while, so receiving counts as changing"
                .to_owned()
        }
        _ => format!("{operation} may change something"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_not_mutating() {
        for (service, name) in [
            ("Lambda", "GetFunction"),
            ("API Gateway", "GetRestApis"),
            ("Lambda", "ListAliases"),
            ("DynamoDB", "DescribeTable"),
            ("CloudWatch Logs", "FilterLogEvents"),
            ("CloudWatch Logs", "StartLiveTail"),
            ("DynamoDB", "Query"),
            ("DynamoDB", "BatchGetItem"),
            ("DynamoDB Streams", "GetRecords"),
            ("STS", "GetCallerIdentity"),
        ] {
            assert!(!is_mutating(service, name), "{name}");
        }
    }

    #[test]
    fn writes_and_unknown_names_are_mutating() {
        for (service, name) in [
            ("Lambda", "CreateFunction"),
            ("Lambda", "Invoke"),
            ("API Gateway", "TestInvokeMethod"),
            ("SQS", "ReceiveMessage"),
            ("STS", "GetSessionToken"),
            // What another service may call reading.
            ("Lambda", "Query"),
            ("Lambda", "GetSomethingNew"),
            ("S3", "GetObject"),
            ("", ""),
        ] {
            assert!(is_mutating(service, name), "{name}");
        }
    }
}
