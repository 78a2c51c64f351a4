//! AWS's rules for names and values, each with the words that say them.

/// A rule: whether a text keeps it, and what it asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    /// What the name is of, for messages: `function name`.
    pub(crate) of: &'static str,
    /// The rule in words.
    pub(crate) says: &'static str,
    /// Whether a text keeps it.
    pub(crate) keeps: fn(&str) -> bool,
}

fn made_of(text: &str, length: std::ops::RangeInclusive<usize>, also: &str) -> bool {
    length.contains(&text.chars().count())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || also.contains(c))
}

/// The lab's own name: it becomes a tag value and a word on the command line.
pub(crate) const LAB: Rule = Rule {
    of: "lab name (the folder's name)",
    says: "1 to 64 lower-case letters, digits and hyphens, beginning with a letter",
    keeps: |name| {
        made_of(name, 1..=64, "-")
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && !name.chars().any(|c| c.is_ascii_uppercase())
    },
};

/// Lambda: `CreateFunction`, `FunctionName`.
pub(crate) const FUNCTION: Rule = Rule {
    of: "function name",
    says: "1 to 64 letters, digits, hyphens and underscores",
    keeps: |name| made_of(name, 1..=64, "-_"),
};

/// Lambda: `CreateAlias`, `Name`.
pub(crate) const ALIAS: Rule = Rule {
    of: "alias name",
    says: "1 to 128 letters, digits, hyphens and underscores, not digits alone",
    keeps: |name| made_of(name, 1..=128, "-_") && !name.chars().all(|c| c.is_ascii_digit()),
};

/// Lambda: `Environment`, `Variables`.
pub(crate) const VARIABLE: Rule = Rule {
    of: "environment variable's name",
    says: "a letter and then at least one more letter, digit or underscore, \
           and none of the names that Lambda sets itself",
    keeps: |name| {
        made_of(name, 2..=256, "_")
            && name.starts_with(|c: char| c.is_ascii_alphabetic())
            && !RESERVED_VARIABLES.contains(&name)
    },
};

/// Environment variables that Lambda sets and refuses from anyone else.
const RESERVED_VARIABLES: &[&str] = &[
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_XRAY_CONTEXT_MISSING",
    "AWS_XRAY_DAEMON_ADDRESS",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
];

/// IAM: `CreateRole`, `RoleName`.
pub(crate) const ROLE: Rule = Rule {
    of: "role name",
    says: "1 to 64 letters, digits and characters of `_+=,.@-`",
    keeps: |name| made_of(name, 1..=64, "_+=,.@-"),
};

/// IAM: an action of a policy statement.
pub(crate) const ACTION: Rule = Rule {
    of: "action",
    says: "a service and one of its operations, such as `dynamodb:UpdateItem`",
    keeps: |action| {
        action.split_once(':').is_some_and(|(service, operation)| {
            made_of(service, 1..=64, "-") && made_of(operation, 1..=128, "*?")
        })
    },
};

/// `DynamoDB`: `CreateTable`, `TableName`.
pub(crate) const TABLE: Rule = Rule {
    of: "table name",
    says: "3 to 255 letters, digits, underscores, hyphens and dots",
    keeps: |name| made_of(name, 3..=255, "_-."),
};

/// `DynamoDB`: an attribute name in a key.
pub(crate) const ATTRIBUTE: Rule = Rule {
    of: "key attribute's name",
    says: "1 to 255 characters",
    keeps: |name| (1..=255).contains(&name.len()),
};

/// SQS: `CreateQueue`, `QueueName`. Queues of this tool are standard ones, whose names hold no dot.
pub(crate) const QUEUE: Rule = Rule {
    of: "queue name",
    says: "1 to 80 letters, digits, hyphens and underscores",
    keeps: |name| made_of(name, 1..=80, "-_"),
};

/// SNS: `CreateTopic`, `Name`.
pub(crate) const TOPIC: Rule = Rule {
    of: "topic name",
    says: "1 to 256 letters, digits, hyphens and underscores",
    keeps: |name| made_of(name, 1..=256, "-_"),
};

/// SNS: `CreateTopic`, attribute `DisplayName`.
pub(crate) const DISPLAY_NAME: Rule = Rule {
    of: "display name",
    says: "1 to 100 characters, none of them a control character",
    keeps: |name| (1..=100).contains(&name.chars().count()) && !name.chars().any(char::is_control),
};

/// `CloudWatch`: `PutMetricAlarm`, `AlarmName`. A slash would divide the name in consoles and paths.
pub(crate) const ALARM: Rule = Rule {
    of: "alarm name",
    says: "1 to 255 letters, digits, spaces, hyphens, underscores and dots",
    keeps: |name| made_of(name, 1..=255, " -_."),
};

/// `CloudWatch`: `PutMetricAlarm`, `Namespace`.
pub(crate) const NAMESPACE: Rule = Rule {
    of: "namespace",
    says: "1 to 255 letters, digits and characters of `.-_/#:`, not beginning with `:`",
    keeps: |name| made_of(name, 1..=255, ".-_/#:") && !name.starts_with(':'),
};

/// `CloudWatch`: `Dimension`, `Name`.
pub(crate) const DIMENSION: Rule = Rule {
    of: "dimension name",
    says: "1 to 255 printable ASCII characters, not beginning with `:`",
    keeps: |name| {
        (1..=255).contains(&name.len())
            && !name.starts_with(':')
            && name.chars().all(|c| c.is_ascii_graphic() || c == ' ')
    },
};

/// `CloudWatch`: `PutMetricAlarm`, `Statistic` or a percentile as `ExtendedStatistic`.
pub(crate) const STATISTIC: Rule = Rule {
    of: "statistic",
    says: "`Sum`, `Average`, `Minimum`, `Maximum`, `SampleCount`, or a percentile such as `p99` or \
           `p99.9`",
    keeps: |statistic| {
        ["Sum", "Average", "Minimum", "Maximum", "SampleCount"].contains(&statistic)
            || statistic
                .strip_prefix('p')
                .filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
                .and_then(|rest| rest.parse::<f64>().ok())
                .is_some_and(|percent| (0.0..=100.0).contains(&percent))
    },
};

/// API Gateway: the name of an API key or of a usage plan, for which AWS says no rule.
pub(crate) const KEY: Rule = Rule {
    of: "name of a key or plan",
    says: "1 to 128 letters, digits, spaces, hyphens, underscores and dots",
    keeps: |name| made_of(name, 1..=128, " -_."),
};

/// API Gateway: a key of a usage plan's method throttles.
pub(crate) const PLAN_METHOD: Rule = Rule {
    of: "method of a plan",
    says: "a path and a method such as `/items/{ID}/GET`",
    keeps: |name| {
        name.starts_with('/') && name.rsplit_once('/').is_some_and(|(_, method)| !method.is_empty())
    },
};

/// API Gateway: the name of an API.
pub(crate) const API: Rule = Rule {
    of: "API name",
    says: "1 to 128 letters, digits, spaces, hyphens, underscores and dots",
    keeps: |name| made_of(name, 1..=128, " -_."),
};

/// API Gateway: `CreateStage`, `stageName`.
pub(crate) const STAGE: Rule = Rule {
    of: "stage name",
    says: "1 to 128 letters, digits, hyphens and underscores",
    keeps: |name| made_of(name, 1..=128, "-_"),
};

/// API Gateway: the name of a stage variable; `lambdaAlias` is set from the stage's alias.
pub(crate) const STAGE_VARIABLE: Rule = Rule {
    of: "stage variable's name",
    says: "1 to 64 letters, digits and underscores, other than `lambdaAlias` \
           (which the stage's `alias` sets)",
    keeps: |name| made_of(name, 1..=64, "_") && name != "lambdaAlias",
};

/// API Gateway: the value of a stage variable.
pub(crate) const STAGE_VALUE: Rule = Rule {
    of: "stage variable's value",
    says: "1 to 512 letters, digits and characters of `-._~:/?#&=,`",
    keeps: |value| made_of(value, 1..=512, "-._~:/?#&=,"),
};

/// The lab's own names for requests, chaos, checks and steps: words on the command line.
pub(crate) const WORD: Rule = Rule {
    of: "name",
    says: "1 to 64 letters, digits, hyphens and underscores, beginning with a letter",
    keeps: |name| {
        made_of(name, 1..=64, "-_") && name.starts_with(|c: char| c.is_ascii_alphabetic())
    },
};

/// Cargo's packages and binaries.
pub(crate) const CARGO: Rule = Rule {
    of: "Cargo name",
    says: "1 to 64 letters, digits, hyphens and underscores",
    keeps: |name| made_of(name, 1..=64, "-_"),
};

/// HTTP: a header's name (RFC 9110, `token`).
pub(crate) const HEADER: Rule = Rule {
    of: "header name",
    says: "letters, digits and characters of ``!#$%&'*+-.^_`|~``",
    keeps: |name| made_of(name, 1..=256, "!#$%&'*+-.^_`|~"),
};

/// HTTP: a header's value.
pub(crate) const HEADER_VALUE: Rule = Rule {
    of: "header value",
    says: "at most 8192 characters, none of them a control character",
    keeps: |value| value.len() <= 8192 && !value.chars().any(char::is_control),
};

/// A request's path below its stage.
pub(crate) const PATH: Rule = Rule {
    of: "path",
    says: "a path that begins with `/`, without `?`, `#`, spaces or control characters \
           (query parameters go into `query`)",
    keeps: |path| {
        path.starts_with('/')
            && path.len() <= 4096
            && !path.chars().any(|c| c == '?' || c == '#' || c.is_whitespace() || c.is_control())
    },
};

/// A metric's name in `CloudWatch`.
pub(crate) const METRIC: Rule = Rule {
    of: "metric name",
    says: "1 to 255 printable ASCII characters",
    keeps: |name| {
        (1..=255).contains(&name.len()) && name.chars().all(|c| c.is_ascii_graphic() || c == ' ')
    },
};

/// A pattern of `CloudWatch` Logs: `FilterLogEvents`, `filterPattern`.
pub(crate) const PATTERN: Rule = Rule {
    of: "filter pattern",
    says: "1 to 1024 characters",
    keeps: |pattern| (1..=1024).contains(&pattern.chars().count()),
};

/// Days that `PutRetentionPolicy` of `CloudWatch` Logs accepts.
pub(crate) const RETENTION_DAYS: &[i64] = &[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];
