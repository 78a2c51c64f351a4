//! A request as a command line of curl.

use super::exchange::{OutgoingRequest, is_secret_header};

/// `request` as a command for a POSIX shell, in one line. The value of its API key is no part of it: the
/// shell asks `labdeck keys LAB show NAME` for it, with `flags` (which target, which folder of labs). Of
/// credentials in headers that were typed, the shell takes the value from a variable of the environment:
/// `AUTHORIZATION` for `authorization`.
pub fn curl(request: &OutgoingRequest, lab: &str, flags: &[String]) -> String {
    let mut words: Vec<String> = vec!["curl".to_owned(), "--include".to_owned()];
    match (request.method.as_str(), &request.body) {
        ("GET", None) => {}
        ("HEAD", None) => words.push("--head".to_owned()),
        (method, _) => words.extend(["--request".to_owned(), quoted(method)]),
    }
    // Curl takes braces and brackets for patterns, and tidies dots.
    if request.url.contains(['[', ']', '{', '}']) {
        words.push("--globoff".to_owned());
    }
    if request.url.contains("/.") {
        words.push("--path-as-is".to_owned());
    }
    let mut header = |word: String| words.extend(["--header".to_owned(), word]);
    let has =
        |wanted: &str| request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
    for (name, value) in &request.headers {
        if is_secret_header(name) {
            header(format!("\"{name}: ${{{}:?}}\"", variable(name)));
        } else if value.is_empty() {
            // With a colon curl would leave the header out.
            header(quoted(&format!("{name};")));
        } else {
            header(quoted(&format!("{name}: {value}")));
        }
    }
    if let Some(key) = request.key.as_ref().filter(|_| !has("x-api-key")) {
        let name = key.name().unwrap_or_default();
        let mut command = vec!["labdeck".to_owned(), "keys".to_owned(), quoted(lab)];
        command.extend(["show".to_owned(), quoted(name)]);
        command.extend(flags.iter().map(|flag| quoted(flag)));
        header(format!("\"x-api-key: $({})\"", command.join(" ")));
    }
    if let Some(body) = &request.body {
        if !has("content-type") {
            // Curl would say that it is a form.
            header(quoted("Content-Type:"));
        }
        words.extend(["--data-raw".to_owned(), quoted(body)]);
    }
    words.push(quoted(&request.url));
    words.join(" ")
}

/// A word that a POSIX shell reads as `text`. A NUL byte, which no command line can have, is left out.
pub fn quoted(text: &str) -> String {
    let text = text.replace('\0', "");
    shlex::try_quote(&text).map_or_else(|_| "''".to_owned(), std::borrow::Cow::into_owned)
}

/// The name of an environment variable for a header.
fn variable(header: &str) -> String {
    let upper = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    header.chars().map(upper).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::exchange::KeyValue;
    use super::*;

    fn request() -> OutgoingRequest {
        OutgoingRequest {
            method: "POST".into(),
            url: "http://h/items/{a}?q=it's%20$HOME".into(),
            headers: vec![
                ("x-user-id".into(), String::new()),
                ("x-said".into(), "it's \"$(id)\" `id` \\ !".into()),
                ("Authorization".into(), "Bearer secret-value".into()),
            ],
            body: Some("@file\n{\"a\": 'x', \"$HOME\": \"`ü`\"}".into()),
            key: Some(KeyValue::new("0123456789").named("Lab Key")),
            ..OutgoingRequest::default()
        }
    }

    /// The words that a real shell makes of the command.
    fn words(command: &str) -> Vec<String> {
        let shell = format!(
            "labdeck() {{ printf 'key of'; printf ' [%s]' \"$@\"; }}\n\
             curl() {{ printf '%s\\0' \"$@\"; }}\n{command}"
        );
        let mut command = std::process::Command::new("sh");
        let output =
            command.arg("-c").arg(shell).env("AUTHORIZATION", "Bearer x").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.trim_end_matches('\0').split('\0').map(str::to_owned).collect()
    }

    #[test]
    fn a_shell_reads_every_word_as_it_was() {
        let flags = ["--state-dir".to_owned(), "/a b".to_owned()];
        let line = curl(&request(), "items", &flags);
        assert!(!line.contains("0123456789") && !line.contains("secret-value"), "{line}");
        let body = request().body.unwrap();
        let expected = [
            "--include",
            "--request",
            "POST",
            "--globoff",
            "--header",
            "x-user-id;",
            "--header",
            "x-said: it's \"$(id)\" `id` \\ !",
            "--header",
            "Authorization: Bearer x",
            "--header",
            "x-api-key: key of [keys] [items] [show] [Lab Key] [--state-dir] [/a b]",
            "--header",
            "Content-Type:",
            "--data-raw",
            body.as_str(),
            "http://h/items/{a}?q=it's%20$HOME",
        ];
        assert_eq!(words(&line), expected);
    }

    #[test]
    fn a_plain_get_is_plain() {
        let request = OutgoingRequest {
            method: "GET".into(),
            url: "http://127.0.0.1:80/x".into(),
            ..OutgoingRequest::default()
        };
        assert_eq!(curl(&request, "a", &[]), "curl --include http://127.0.0.1:80/x");
        let head = OutgoingRequest { method: "HEAD".into(), ..request };
        assert_eq!(words(&curl(&head, "a", &[])), ["--include", "--head", "http://127.0.0.1:80/x"]);
    }
}
