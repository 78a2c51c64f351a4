//! AWS's rules for what is typed, checked before any call. Each says what the rule is.

/// Sizes of a stage's cache in GB (`CacheClusterSize` of the API reference).
pub const CACHE_SIZES: [&str; 8] = ["0.5", "1.6", "6.1", "13.5", "28.4", "58.2", "118", "237"];
/// Variables that a stage can have (API Gateway quotas).
pub const MOST_VARIABLES: usize = 100;
/// Seconds that an answer is kept at most.
const LONGEST_TTL: i32 = 3600;

/// `true` or `false`, however it was written.
///
/// # Errors
/// The rule.
pub fn flag(text: &str) -> Result<String, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" => Ok("true".to_owned()),
        "false" | "off" | "no" => Ok("false".to_owned()),
        _ => Err(format!("{text:?} is neither on nor off")),
    }
}

/// Requests per second.
///
/// # Errors
/// The rule.
pub fn rate(text: &str) -> Result<String, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate >= 0.0 => Ok(format!("{rate}")),
        _ => Err(format!("a rate is a number of requests per second, 0 or more, not {text:?}")),
    }
}

/// Requests at once.
///
/// # Errors
/// The rule.
pub fn burst(text: &str) -> Result<String, String> {
    match text.parse::<i32>() {
        Ok(burst) if burst >= 0 => Ok(burst.to_string()),
        _ => Err(format!("a burst is a whole number of requests, 0 or more, not {text:?}")),
    }
}

/// Seconds that the cache keeps an answer.
///
/// # Errors
/// The rule.
pub fn ttl(text: &str) -> Result<String, String> {
    match text.parse::<i32>() {
        Ok(seconds) if (0..=LONGEST_TTL).contains(&seconds) => Ok(seconds.to_string()),
        _ => Err(format!("answers are kept for 0 to {LONGEST_TTL} seconds, not {text:?}")),
    }
}

/// One of AWS's words.
///
/// # Errors
/// The words.
pub fn word(text: &str, words: &[&str]) -> Result<String, String> {
    let found = words.iter().find(|word| word.eq_ignore_ascii_case(text));
    found.map(|word| (*word).to_owned()).ok_or_else(|| {
        format!("{text:?} is none of {}{}", words.join(", "), meant(text, words.iter().copied()))
    })
}

/// A share of the traffic in per cent.
///
/// # Errors
/// The rule.
pub fn percent(text: &str) -> Result<String, String> {
    match text.trim_end_matches('%').trim().parse::<f64>() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(format!("{percent}")),
        _ => Err(format!("a share is a number from 0 to 100, not {text:?}")),
    }
}

/// A stage variable's name.
///
/// # Errors
/// AWS's rule.
pub fn variable_name(name: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !name.is_empty() && name.len() <= 64 && name.chars().all(allowed) {
        return Ok(());
    }
    Err(format!(
        "a stage variable's name has 1 to 64 letters, digits and underscores (A-Z a-z 0-9 _), and \
         {name:?} does not"
    ))
}

/// A stage variable's value.
///
/// # Errors
/// AWS's rule.
pub fn variable_value(value: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#&=,".contains(c);
    if let Some(bad) = value.chars().find(|c| !allowed(*c)) {
        return Err(format!(
            "a stage variable's value has letters, digits and - . _ ~ : / ? # & = , only, and this \
             one has {bad:?}"
        ));
    }
    if value.len() > 512 {
        return Err(format!(
            "a stage variable's value has at most 512 characters, this one has {}",
            value.len()
        ));
    }
    Ok(())
}

/// Where an access log goes: a log group, or a delivery stream whose name AWS takes.
///
/// # Errors
/// AWS's rule.
pub fn log_destination(arn: &str) -> Result<(), String> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let good = match parts.as_slice() {
        ["arn", _, "logs", _, _, rest] => rest.strip_prefix("log-group:").is_some_and(|group| {
            !group.is_empty() && group.len() <= 512 && !group.contains(['*', ':'])
        }),
        ["arn", _, "firehose", _, _, rest] => {
            rest.strip_prefix("deliverystream/amazon-apigateway-").is_some_and(|n| !n.is_empty())
        }
        _ => false,
    };
    if good {
        return Ok(());
    }
    Err("an access log goes to the ARN of a log group (arn:aws:logs:REGION:ACCOUNT:log-group:NAME, \
         without :* at its end) or of a delivery stream whose name begins with amazon-apigateway-"
        .to_owned())
}

/// The format of an access log's lines.
///
/// # Errors
/// AWS's rule.
pub fn log_format(format: &str) -> Result<(), String> {
    if format.trim_end_matches('\n').contains('\n') {
        return Err("the format of an access log is one line".to_owned());
    }
    if !["$context.requestId", "$context.extendedRequestId"].iter().any(|one| format.contains(one))
    {
        return Err("the format of an access log must contain $context.requestId".to_owned());
    }
    Ok(())
}

/// A key's name.
///
/// # Errors
/// The rule.
pub fn key_name(name: &str) -> Result<(), String> {
    let count = name.chars().count();
    if count == 0 || count > 1024 || name.trim() != name || name.chars().any(char::is_control) {
        return Err(format!(
            "a key's name has 1 to 1024 characters, none of them a control character and no space at \
             its ends, and {name:?} does not"
        ));
    }
    Ok(())
}

/// `; did you mean "x"?` where one of `known` is near.
pub fn meant<'k>(text: &str, known: impl Iterator<Item = &'k str>) -> String {
    let near = labdeck_lab::nearest(text, known);
    near.map_or_else(String::new, |word| format!("; did you mean {word:?}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_aws_refuses_is_refused_with_its_rule() {
        assert_eq!(rate("5"), Ok("5".to_owned()));
        assert_eq!(rate("0.5"), Ok("0.5".to_owned()));
        for bad in ["-1", "NaN", "inf", "", "ten"] {
            assert!(rate(bad).is_err_and(|why| why.contains("0 or more")), "{bad}");
            assert!(burst(bad).is_err(), "{bad}");
        }
        assert!(burst("1.5").is_err());
        assert_eq!(ttl("3600"), Ok("3600".to_owned()));
        assert!(ttl("3601").is_err() && ttl("-1").is_err());
        assert!(variable_name("my_Name1").is_ok());
        for bad in ["", "my-name", "a b", &"n".repeat(65)] {
            assert!(variable_name(bad).is_err(), "{bad}");
        }
        assert!(variable_value("https://a.b/c?d=e&f,g#h~i_").is_ok());
        assert!(variable_value("a b").is_err_and(|why| why.contains("' '")));
        assert!(variable_value(&"v".repeat(513)).is_err());
        assert!(word("errro", &["OFF", "ERROR"]).is_err_and(|why| why.contains("\"ERROR\"?")));
        assert!(log_destination("arn:aws:logs:us-east-1:1:log-group:/a/b").is_ok());
        assert!(log_destination("arn:aws:logs:us-east-1:1:log-group:/a/b:*").is_err());
        assert!(log_format("$context.path").is_err());
    }
}
