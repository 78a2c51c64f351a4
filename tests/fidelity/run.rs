//! Runs a section against a cloud of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::case::{Mode, Section, Step};
use crate::compare::{self, Bound};
use crate::support::http::{self, Answer};
use crate::support::{OpenCloud, Sandbox, UNSIGNED_DATE, unsigned};

/// How a recorded answer came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Agrees,
    /// Differs, with what and, if it is known, why.
    Differs {
        how: Vec<String>,
        known: Option<String>,
    },
    OutOfScope(String),
}

/// Every label of a section with its outcome, and mistakes of the case file.
pub struct Report {
    pub outcomes: BTreeMap<String, Outcome>,
    pub mistakes: Vec<String>,
}

struct Runner<'a> {
    cloud: &'a OpenCloud,
    service: &'a str,
    variables: BTreeMap<String, String>,
    last: Answer,
}

/// Runs `section` for the service of its file.
pub fn section(section: &Section, service: &str, recorded: &Value) -> Report {
    let (mut options, mut newer) = (Vec::new(), Vec::new());
    for (_, step) in &section.steps {
        match step {
            Step::Options { options: more } => options.extend(more.iter().map(String::as_str)),
            Step::Newer { members } => newer.extend(members.iter().map(String::as_str)),
            _ => {}
        }
    }
    let sandbox = Sandbox::new();
    let cloud = OpenCloud::start(&sandbox, &options);
    let mut runner = Runner {
        cloud: &cloud,
        service,
        variables: BTreeMap::new(),
        last: Answer { status: 0, headers: Vec::new(), body: String::new() },
    };
    for (name, value) in crate::FIXED {
        runner.variables.insert(format!("${name}"), value.to_owned());
    }
    let program = std::env::current_exe().unwrap();
    runner.variables.insert("$program".into(), program.to_str().unwrap().to_owned());
    let role = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":["lambda.amazonaws.com","apigateway.amazonaws.com"]},"Action":"sts:AssumeRole"}]}"#;
    let admin =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    let mut report = Report { outcomes: BTreeMap::new(), mistakes: Vec::new() };
    let mut bound = Bound::new();
    let mut compared: BTreeMap<String, (BTreeSet<String>, Vec<String>)> = BTreeMap::new();
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    for (action, document) in [
        ("CreateRole&RoleName=lambda-role&AssumeRolePolicyDocument=", role),
        ("PutRolePolicy&RoleName=lambda-role&PolicyName=all&PolicyDocument=", admin),
    ] {
        let body = format!("Version=2010-05-08&Action={action}{}", encode(document));
        let answer = runner.form("iam", &body);
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    if service == "apigateway" {
        // The account that was recorded lets API Gateway write logs.
        let role = r#"{"patchOperations":[{"op":"replace","path":"/cloudwatchRoleArn","value":"arn:aws:iam::000000000000:role/lambda-role"}]}"#;
        let answer = runner.rest("apigateway", "PATCH", &format!("/account {role}"));
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    for (line, step) in &section.steps {
        match step {
            Step::Set { name, value } => {
                let value = match value.strip_prefix("recorded ") {
                    Some(pointer) => recorded.pointer(pointer).unwrap().to_string(),
                    None => runner.fill(value),
                };
                runner.variables.insert(name.clone(), value);
            }
            Step::Call { request, may_fail } => {
                runner.last = runner.send(request);
                if runner.last.status >= 400 && !may_fail {
                    let what = format!("line {line}: {request}: {:?}", runner.last);
                    report.mistakes.push(what);
                }
            }
            Step::Take { name, pointer } => match runner.take(pointer) {
                Some(value) => {
                    runner.variables.insert(name.clone(), value);
                }
                None => report
                    .mistakes
                    .push(format!("line {line}: no {pointer} in {}", runner.last.body)),
            },
            Step::Until { request, pointer, value } => {
                let until = Instant::now() + Duration::from_secs(20);
                let mut pause = Duration::from_millis(10);
                let wanted = runner.fill(value);
                loop {
                    runner.last = runner.send(request);
                    if runner.take(pointer).as_deref() == Some(&wanted) {
                        break;
                    }
                    if Instant::now() > until {
                        report.mistakes.push(format!(
                            "line {line}: {pointer} does not become {wanted}: {:?}",
                            runner.last
                        ));
                        break;
                    }
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(250));
                }
            }
            Step::Compare { label, part, mode, request } => {
                runner.last = runner.send(request);
                let Some(expected) = pick(recorded, label, part) else {
                    report.mistakes.push(format!("line {line}: nothing recorded as {label}{part}"));
                    continue;
                };
                let answer = without(&runner.last, &newer);
                let how = compare::differences(expected, *mode, &answer, &mut bound);
                let entry = compared.entry(label.clone()).or_default();
                entry.0.insert(part.clone());
                entry.1.extend(how);
            }
            Step::Same { label, part, value } => {
                let Some(expected) = pick(recorded, label, part) else {
                    report.mistakes.push(format!("line {line}: nothing recorded as {label}{part}"));
                    continue;
                };
                let body = runner.fill(value);
                let answer = Answer { status: 200, headers: Vec::new(), body };
                let how = compare::differences(expected, Mode::Body, &answer, &mut bound);
                let entry = compared.entry(label.clone()).or_default();
                entry.0.insert(part.clone());
                entry.1.extend(how);
            }
            Step::Differs { label, reason } => {
                known.insert(label.clone(), reason.clone());
            }
            Step::Newer { .. } | Step::Options { .. } => {}
            Step::OutOfScope { label, reason } => {
                let labels: Vec<String> = match label.as_str() {
                    "*" => recorded.as_object().unwrap().keys().cloned().collect(),
                    one => vec![one.to_owned()],
                };
                for label in labels {
                    report.outcomes.insert(label, Outcome::OutOfScope(reason.clone()));
                }
            }
        }
    }
    for (label, (parts, how)) in compared {
        let mut how = how;
        if !parts.contains("") {
            // Of a member without a value nothing was recorded.
            let all = recorded[&label]
                .as_object()
                .map_or(0, |members| members.values().filter(|value| !value.is_null()).count());
            if parts.len() < all {
                how.push(format!("{} of {all} parts are compared", parts.len()));
            }
        }
        let outcome = if how.is_empty() {
            if let Some(reason) = known.get(&label) {
                report.mistakes.push(format!("{label} agrees, but is said to differ: {reason}"));
            }
            Outcome::Agrees
        } else {
            Outcome::Differs { how, known: known.get(&label).cloned() }
        };
        report.outcomes.insert(label, outcome);
    }
    for label in recorded.as_object().unwrap().keys() {
        if !report.outcomes.contains_key(label) {
            report.mistakes.push(format!("{label} has no case"));
        }
    }
    report
}

fn pick<'a>(recorded: &'a Value, label: &str, part: &str) -> Option<&'a Value> {
    recorded.get(label)?.pointer(part)
}

/// The answer without the members that AWS had not yet when it was recorded.
fn without(answer: &Answer, newer: &[&str]) -> Answer {
    fn strip(value: &mut Value, newer: &[&str]) {
        match value {
            Value::Object(members) => {
                members.retain(|name, _| !newer.contains(&name.as_str()));
                members.values_mut().for_each(|value| strip(value, newer));
            }
            Value::Array(values) => values.iter_mut().for_each(|value| strip(value, newer)),
            _ => {}
        }
    }
    let mut body = answer.body.clone();
    if !newer.is_empty()
        && let Ok(mut value) = serde_json::from_str(&body)
    {
        strip(&mut value, newer);
        body = value.to_string();
    }
    Answer { status: answer.status, headers: answer.headers.clone(), body }
}

fn encode(text: &str) -> String {
    text.bytes()
        .map(
            |b| {
                if b.is_ascii_alphanumeric() {
                    (b as char).to_string()
                } else {
                    format!("%{b:02X}")
                }
            },
        )
        .collect()
}

impl Runner<'_> {
    /// `{{name}}` and `$name`, replaced; `{{name|url}}` for use inside of a URL, `{{name|upper}}`
    /// in capitals.
    fn fill(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("{{") {
            // Of more braces the inner ones are the variable's.
            let at = at + usize::from(rest[at + 2..].starts_with('{'));
            out.push_str(&rest[..at]);
            rest = &rest[at + 2..];
            let end = rest.find("}}").unwrap_or_else(|| panic!("{{{{ without }}}}: {text}"));
            let (name, how) = rest[..end].split_once('|').unwrap_or((&rest[..end], ""));
            let value = match name.split_once('*') {
                None if name == "bomb" => crate::bomb(),
                // `{{a*64}}`: the letter a, 64 times.
                Some((one, times)) => one.repeat(times.parse().unwrap()),
                None => self
                    .variables
                    .get(name)
                    .or_else(|| self.variables.get(&format!("${name}")))
                    .unwrap_or_else(|| panic!("{name} is not known: {text}"))
                    .clone(),
            };
            out.push_str(&match how {
                "url" => encode(&value),
                "upper" => value.to_uppercase(),
                _ => value,
            });
            rest = &rest[end + 2..];
        }
        out.push_str(rest);
        out
    }

    fn take(&self, pointer: &str) -> Option<String> {
        match pointer {
            ":status" => return Some(self.last.status.to_string()),
            ":body" => return Some(self.last.body.clone()),
            _ => {}
        }
        if let Some(name) = pointer.strip_prefix(":header ") {
            return self.last.header(name).map(str::to_owned);
        }
        if let Some((from, to)) =
            pointer.strip_prefix(":between ").and_then(|p| p.split_once(" and "))
        {
            let rest = self.last.body.split_once(from)?.1;
            return Some(rest.split_once(to)?.0.to_owned());
        }
        let body: Value = serde_json::from_str(&self.last.body).ok()?;
        match body.pointer(pointer)? {
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }

    fn send(&self, request: &str) -> Answer {
        let (word, rest) = request.split_once(' ').unwrap_or((request, ""));
        if let Some(service) = word.strip_suffix('!') {
            if let Some((method, rest)) = rest.split_once(" /") {
                return self.rest(service, method, &format!("/{rest}"));
            }
            return self.action(service, rest);
        }
        if word == "EXEC" {
            let (method, rest) = rest.split_once(' ').unwrap();
            return self.http(method, rest, &[]);
        }
        self.rest(self.service, word, rest)
    }

    fn rest(&self, service: &str, method: &str, rest: &str) -> Answer {
        let authorization = unsigned(service);
        self.http(method, rest, &[("authorization", &authorization), ("x-amz-date", UNSIGNED_DATE)])
    }

    /// `/path [-H "name: value"]… [body]`
    fn http(&self, method: &str, rest: &str, headers: &[(&str, &str)]) -> Answer {
        let (path, mut rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let mut headers: Vec<(String, String)> =
            headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        while let Some(header) = rest.trim_start().strip_prefix("-H \"") {
            let (header, after) = header.split_once('"').unwrap();
            let (name, value) = header.split_once(": ").unwrap();
            headers.push((name.to_owned(), self.fill(value)));
            rest = after;
        }
        let body = self.fill(rest.trim_start());
        if !body.is_empty() && !headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("content-type"))
        {
            headers.push(("content-type".into(), "application/json".into()));
        }
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let url = format!("{}{}", self.cloud.endpoint, self.fill(path));
        http::send(method, &url, &headers, body.as_bytes())
            .unwrap_or_else(|e| panic!("{method} {url}: {e}"))
    }

    fn action(&self, service: &str, rest: &str) -> Answer {
        let (action, body) = rest.split_once(' ').unwrap_or((rest, "{}"));
        let (prefix, version) = match service {
            "sqs" => ("AmazonSQS", "1.0"),
            "dynamodb" => ("DynamoDB_20120810", "1.0"),
            "logs" => ("Logs_20140328", "1.1"),
            _ => return self.form(service, &self.fill(rest)),
        };
        let target = format!("{prefix}.{action}");
        let kind = format!("application/x-amz-json-{version}");
        let authorization = unsigned(service);
        let headers = [
            ("authorization", authorization.as_str()),
            ("x-amz-date", UNSIGNED_DATE),
            ("x-amz-target", &target),
            ("content-type", &kind),
        ];
        let body = self.fill(body);
        http::send("POST", &format!("{}/", self.cloud.endpoint), &headers, body.as_bytes()).unwrap()
    }

    fn form(&self, service: &str, body: &str) -> Answer {
        let authorization = unsigned(service);
        let headers = [
            ("authorization", authorization.as_str()),
            ("x-amz-date", UNSIGNED_DATE),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        http::send("POST", &format!("{}/", self.cloud.endpoint), &headers, body.as_bytes()).unwrap()
    }
}
