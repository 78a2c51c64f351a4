//! What the gateway's own error answers mean, and what to do about them in this lab.
//!
//! The texts and statuses are those of API Gateway (gateway response types in its developer guide).

mod behind;
mod body;
mod fix;
mod keys;
mod limits;
pub mod live;
mod route;

pub use fix::Fix;

use super::exchange::{Origin, OutgoingRequest};

/// The explanation of an error answer that the gateway made itself; `None` for answers of the
/// function, which speak for themselves.
pub(super) fn explain(
    request: &OutgoingRequest,
    status: u16,
    error_type: Option<&str>,
    body: &str,
) -> Option<String> {
    if status < 400 {
        return None;
    }
    let message = message(body)?;
    let origin = request.origin.clone().unwrap_or_default();
    let text = match (status, message.to_ascii_lowercase().as_str()) {
        (403, "missing authentication token") => no_route(request, &origin),
        (403, text) if text.contains("not a valid key=value pair") || text.contains("requires") => {
            no_route(request, &origin)
        }
        (403, "forbidden") => "The gateway wants an API key. The header x-api-key is missing, its \
             key is wrong or disabled, or the key's usage plan does not hold this stage. On AWS a \
             new key takes up to two minutes to work."
            .to_owned(),
        (403, text) if text.contains("not authorized") => "The API's resource policy or its \
             authorizer refuses this caller."
            .to_owned(),
        (429, "too many requests") => "A rate limit was reached: of the usage plan, the stage, \
             the method or the account. Send fewer requests per second, or raise the limit."
            .to_owned(),
        (429, "limit exceeded") => {
            "The usage plan's quota for this key is used up. It is refilled \
             when its period ends; the plan's owner can also raise it or reset the usage."
                .to_owned()
        }
        (429, _) => {
            "A limit of the gateway was reached. Wait, then send fewer requests.".to_owned()
        }
        (502, "internal server error") => bad_gateway(&origin),
        (500, "internal server error") => no_permission(&origin),
        (504, "endpoint request timed out") => format!(
            "The function did not answer within the integration's timeout, 29 s unless the definition \
             says less. Look for its slow calls in the log{}.",
            logs(&origin)
        ),
        (503, "service unavailable") => "The gateway could not reach what is behind the method. \
             Try again; when it goes on, look at the function's state."
            .to_owned(),
        (413, _) => {
            "The body is larger than the gateway's 10 MB, or makes an event that is larger \
             than the 6 MB that Lambda takes."
                .to_owned()
        }
        (415, "unsupported media type") => {
            "The method takes no body of this Content-Type.".to_owned()
        }
        (400, "invalid request body") => {
            "The gateway refused the body before any function ran: it \
             does not fit the method's model."
                .to_owned()
        }
        // An unknown text is the gateway's own only when its error header says so.
        _ => format!("The gateway answered this itself ({}); no function ran.", error_type?),
    };
    Some(text)
}

/// The `message` member of a gateway error, whose spacing differs from case to case.
fn message(body: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(body).ok()?;
    let members = value.as_object().filter(|members| members.len() == 1)?;
    let text = members.get("message").or_else(|| members.get("Message"))?;
    Some(text.as_str()?.trim().to_owned())
}

fn no_route(request: &OutgoingRequest, origin: &Origin) -> String {
    let path = request.url.strip_prefix(&origin.base_url).unwrap_or(&request.url);
    let path = path.split('?').next().unwrap_or(path);
    let mut text = format!(
        "It is not about tokens: the gateway knows no method {} {path} here. Either the path or \
         the method is not in the API, or the stage still serves a deployment without it.",
        request.method
    );
    if !origin.routes.is_empty() {
        text.push_str(if origin.attached {
            " Its definition has "
        } else {
            " In the lab's files this API has "
        });
        text.push_str(&origin.routes.join(", "));
        text.push('.');
    }
    if !origin.lab.is_empty() && !origin.attached {
        text.push_str(" When the files have what is asked for: labdeck deploy ");
        text.push_str(&origin.lab);
        text.push('.');
    }
    text
}

fn bad_gateway(origin: &Origin) -> String {
    format!(
        "The function ran and failed: it crashed, ran into its timeout, was throttled, or \
         answered something that is not a proxy response. The log says which{}.",
        logs(origin)
    )
}

fn no_permission(origin: &Origin) -> String {
    let alias = if origin.alias.is_empty() {
        "the alias that the stage names".to_owned()
    } else {
        format!("alias {}", origin.alias)
    };
    let repair = if origin.lab.is_empty() || origin.attached {
        String::new()
    } else {
        format!(" labdeck deploy {} repairs both.", origin.lab)
    };
    format!(
        "The gateway could not call the function: {alias} does not exist, or gives this method no \
         permission (lambda:InvokeFunction).{repair}"
    )
}

fn logs(origin: &Origin) -> String {
    if origin.lab.is_empty() {
        return String::new();
    }
    let functions = if origin.functions.is_empty() {
        String::new()
    } else {
        format!(" of {}", origin.functions.join(", "))
    };
    format!("{functions}: labdeck logs {} --since 5m", origin.lab)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn request() -> OutgoingRequest {
        OutgoingRequest {
            method: "GET".into(),
            url: "http://h/prod/goodbye?x=1".into(),
            origin: Some(Origin {
                lab: "greet".into(),
                api: "greet-stateless".into(),
                api_id: "a1".into(),
                stage: "prod".into(),
                alias: "prod".into(),
                base_url: "http://h/prod".into(),
                routes: vec!["GET /greet".into()],
                functions: vec!["greet-stateless".into()],
                ..Origin::default()
            }),
            ..OutgoingRequest::default()
        }
    }

    #[test]
    fn a_missing_route_is_named_with_the_routes_there_are() {
        let text = explain(&request(), 403, None, r#"{"message":"Missing Authentication Token"}"#);
        let text = text.unwrap();
        assert!(text.contains("knows no method GET /goodbye here"), "{text}");
        assert!(text.contains("this API has GET /greet."), "{text}");
    }

    #[test]
    fn spacing_does_not_matter_and_the_lab_is_named() {
        let text =
            explain(&request(), 502, None, r#"{"message": "Internal server error"}"#).unwrap();
        assert!(
            text.ends_with("The log says which of greet-stateless: labdeck logs greet --since 5m.")
        );
        let text =
            explain(&request(), 500, None, r#"{"message":"Internal server error"}"#).unwrap();
        assert!(text.contains("alias prod does not exist"), "{text}");
    }

    #[test]
    fn limits_are_told_apart() {
        let body = |text: &str| format!(r#"{{"message":"{text}"}}"#);
        let rate = explain(&request(), 429, None, &body("Too Many Requests")).unwrap();
        let quota = explain(&request(), 429, None, &body("Limit Exceeded")).unwrap();
        assert!(rate.contains("rate limit") && quota.contains("quota"));
        let late = explain(&request(), 504, None, &body("Endpoint request timed out")).unwrap();
        assert!(late.contains("29 s"));
    }

    #[test]
    fn answers_of_the_function_are_not_explained() {
        assert_eq!(explain(&request(), 200, None, r#"{"message":"Forbidden"}"#), None);
        assert_eq!(explain(&request(), 503, None, r#"{"error":"storage","retry":true}"#), None);
        assert_eq!(explain(&request(), 400, None, r#"{"message":"x-user-id is missing"}"#), None);
        assert_eq!(explain(&request(), 502, None, "<html>"), None);
    }
}
