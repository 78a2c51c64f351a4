//! Verifying Signature Version 4, as AWS documents it in "Create a signed AWS API request".

use hmac::{Hmac, Mac};
use http::{HeaderMap, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};
use time::macros::format_description;
use time::{Duration, OffsetDateTime, PrimitiveDateTime};

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// How far a client's clock may be off.
const SKEW: Duration = Duration::minutes(5);

/// What an `Authorization` header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// Access key id.
    pub access_key_id: String,
    /// Date of the scope, `YYYYMMDD`.
    pub date: String,
    /// Region of the scope.
    pub region: String,
    /// Service of the scope: the signing name, such as `lambda`.
    pub service: String,
    signed_headers: Vec<String>,
    signature: String,
}

/// The parts of a request that its signature covers.
#[derive(Debug)]
pub struct Signed<'a> {
    /// HTTP method.
    pub method: &'a Method,
    /// Path as sent.
    pub path: &'a str,
    /// Query string as sent.
    pub query: &'a str,
    /// Headers as sent.
    pub headers: &'a HeaderMap,
    /// The whole body.
    pub body: &'a [u8],
}

/// Why a signature is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mismatch {
    /// The header is not one of Signature Version 4; says what is wrong.
    Incomplete(String),
    /// The date is missing, unreadable, or too far from now; says which.
    Time(String),
    /// The signature is another one than ours.
    Signature,
}

impl Authorization {
    /// Reads the value of an `Authorization` header.
    pub fn parse(value: &str) -> Result<Self, Mismatch> {
        let incomplete = |text: &str| Mismatch::Incomplete(text.to_owned());
        let fields = value.strip_prefix("AWS4-HMAC-SHA256").ok_or_else(|| {
            incomplete("Authorization header requires algorithm AWS4-HMAC-SHA256.")
        })?;
        let field = |name: &str| {
            fields
                .split(',')
                .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
                .ok_or_else(|| {
                    incomplete(&format!("Authorization header requires '{name}' parameter."))
                })
        };
        let credential = field("Credential")?;
        let mut scope = credential.rsplitn(5, '/');
        let mut part = || scope.next().filter(|text| !text.is_empty());
        let (Some("aws4_request"), Some(service), Some(region), Some(date), Some(key)) =
            (part(), part(), part(), part(), part())
        else {
            return Err(incomplete(
                "Credential must have exactly 5 slash-delimited elements, e.g. \
                 keyid/date/region/service/term.",
            ));
        };
        Ok(Self {
            access_key_id: key.to_owned(),
            date: date.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            signed_headers: field("SignedHeaders")?.split(';').map(str::to_owned).collect(),
            signature: field("Signature")?.to_owned(),
        })
    }

    /// Whether the request was signed with `secret` within the last minutes.
    pub fn verify(
        &self,
        secret: &str,
        signed: &Signed<'_>,
        now: OffsetDateTime,
    ) -> Result<(), Mismatch> {
        let stamp = self.check_time(signed.headers, now)?;
        if !self.signed_headers.iter().any(|name| name == "host") {
            return Err(Mismatch::Incomplete(
                "'Host' must be a 'SignedHeader' in the AWS Authorization.".to_owned(),
            ));
        }
        let body_hash = hex::encode(Sha256::digest(signed.body));
        let told_hash = signed.headers.get("x-amz-content-sha256");
        if told_hash.is_some_and(|told| told.as_bytes() != body_hash.as_bytes()) {
            return Err(Mismatch::Signature);
        }
        let canonical = self.canonical_request(signed, &body_hash);
        let to_sign = format!(
            "AWS4-HMAC-SHA256\n{stamp}\n{}/{}/{}/aws4_request\n{}",
            self.date,
            self.region,
            self.service,
            hex::encode(Sha256::digest(&canonical))
        );
        let mut mac = keyed(&self.signing_key(secret));
        mac.update(to_sign.as_bytes());
        let theirs = hex::decode(&self.signature).map_err(|_| Mismatch::Signature)?;
        mac.verify_slice(&theirs).map_err(|_| Mismatch::Signature)
    }

    /// The request's time stamp, when it is near enough to now and fits the scope.
    fn check_time<'h>(
        &self,
        headers: &'h HeaderMap,
        now: OffsetDateTime,
    ) -> Result<&'h str, Mismatch> {
        let format = format_description!("[year][month][day]T[hour][minute][second]Z");
        let stamp = headers.get("x-amz-date").and_then(|value| value.to_str().ok());
        let stamp = stamp.ok_or_else(|| {
            Mismatch::Incomplete(
                "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' \
                 header."
                    .to_owned(),
            )
        })?;
        let time = PrimitiveDateTime::parse(stamp, format)
            .map_err(|_| {
                Mismatch::Incomplete(format!(
                    "Date must be in ISO-8601 'basic format'. Got '{stamp}'."
                ))
            })?
            .assume_utc();
        let text = |time: OffsetDateTime| time.format(format).unwrap_or_default();
        if time + SKEW < now {
            return Err(Mismatch::Time(format!(
                "Signature expired: {stamp} is now earlier than {} ({} - 5 min.)",
                text(now - SKEW),
                text(now)
            )));
        }
        if time > now + SKEW {
            return Err(Mismatch::Time(format!(
                "Signature not yet current: {stamp} is still later than {} ({} + 5 min.)",
                text(now + SKEW),
                text(now)
            )));
        }
        if !stamp.starts_with(&self.date) {
            return Err(Mismatch::Time(format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date \
                 from HTTP: '{}' != '{}', from '{stamp}'.",
                self.date,
                &stamp[..8]
            )));
        }
        Ok(stamp)
    }

    fn canonical_request(&self, signed: &Signed<'_>, body_hash: &str) -> Vec<u8> {
        let mut text = Vec::with_capacity(512);
        let line = |text: &mut Vec<u8>, part: &[u8]| {
            text.extend_from_slice(part);
            text.push(b'\n');
        };
        line(&mut text, signed.method.as_str().as_bytes());
        line(&mut text, canonical_path(signed.path).as_bytes());
        line(&mut text, canonical_query(signed.query).as_bytes());
        for name in &self.signed_headers {
            text.extend_from_slice(name.as_bytes());
            text.push(b':');
            for (index, value) in signed.headers.get_all(name.as_str()).iter().enumerate() {
                if index > 0 {
                    text.push(b',');
                }
                push_collapsed(&mut text, value.as_bytes());
            }
            text.push(b'\n');
        }
        text.push(b'\n');
        line(&mut text, self.signed_headers.join(";").as_bytes());
        text.extend_from_slice(body_hash.as_bytes());
        text
    }

    fn signing_key(&self, secret: &str) -> [u8; 32] {
        let mut key = sign(format!("AWS4{secret}").as_bytes(), &self.date);
        for part in [self.region.as_str(), self.service.as_str(), "aws4_request"] {
            key = sign(&key, part);
        }
        key
    }
}

fn sign(key: &[u8], text: &str) -> [u8; 32] {
    let mut mac = keyed(key);
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    // HMAC takes keys of any length: hash the long ones as its definition says, and the type's
    // fixed-size constructor can be used, which can't fail.
    let mut block = [0; 64];
    if key.len() <= 64 {
        block[..key.len()].copy_from_slice(key);
    } else {
        block[..32].copy_from_slice(&Sha256::digest(key));
    }
    <Hmac<Sha256> as hmac::digest::KeyInit>::new(&block.into())
}

/// The path, normalised, with each segment (already encoded once) encoded once more.
fn canonical_path(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    let mut canonical = String::with_capacity(path.len() + 16);
    for segment in &segments {
        canonical.push('/');
        canonical.extend(utf8_percent_encode(segment, UNRESERVED));
    }
    if canonical.is_empty() || path.ends_with('/') {
        canonical.push('/');
    }
    canonical
}

/// The query's parameters, decoded, encoded again and sorted.
fn canonical_query(query: &str) -> String {
    let recode = |text: &str| {
        let decoded: Vec<u8> = percent_decode_str(text).collect();
        percent_encoding::percent_encode(&decoded, UNRESERVED).to_string()
    };
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (recode(name), recode(value))
        })
        .collect();
    pairs.sort();
    let pairs: Vec<String> =
        pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

/// Appends a header's value without outer spaces, runs of spaces made one.
fn push_collapsed(text: &mut Vec<u8>, value: &[u8]) {
    let mut words = value.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    if let Some(first) = words.next() {
        text.extend_from_slice(first.trim_ascii());
    }
    for word in words {
        text.push(b' ');
        text.extend_from_slice(word.trim_ascii());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use http::HeaderValue;
    use time::macros::datetime;

    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    const NOW: OffsetDateTime = datetime!(2015-08-30 12:36:00 UTC);

    /// A case of AWS's own Signature Version 4 test suite.
    fn case(query: &str, signature: &str) -> (Authorization, HeaderMap, String) {
        let header = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature={signature}"
        );
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("example.amazonaws.com"));
        headers.insert("x-amz-date", HeaderValue::from_static("20150830T123600Z"));
        (Authorization::parse(&header).unwrap(), headers, query.to_owned())
    }

    fn verify(
        (authorization, headers, query): &(Authorization, HeaderMap, String),
        now: OffsetDateTime,
    ) -> Result<(), Mismatch> {
        let signed = Signed { method: &Method::GET, path: "/", query, headers, body: b"" };
        authorization.verify(SECRET, &signed, now)
    }

    #[test]
    fn aws_test_suite_cases_are_accepted() {
        // get-vanilla
        let vanilla = case("", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
        assert_eq!(verify(&vanilla, NOW), Ok(()));
        // get-vanilla-query-order-key-case
        let ordered = case(
            "Param2=value2&Param1=value1",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        );
        assert_eq!(verify(&ordered, NOW), Ok(()));
    }

    #[test]
    fn a_changed_request_or_a_wrong_clock_is_refused() {
        let vanilla = case("", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
        let (authorization, headers, _) = vanilla.clone();
        let changed = (authorization, headers, "a=b".to_owned());
        assert_eq!(verify(&changed, NOW), Err(Mismatch::Signature));
        let late = verify(&vanilla, NOW + Duration::seconds(301));
        assert_eq!(
            late,
            Err(Mismatch::Time(
                "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z \
                 (20150830T124101Z - 5 min.)"
                    .to_owned()
            ))
        );
        assert!(matches!(verify(&vanilla, NOW - Duration::seconds(301)), Err(Mismatch::Time(_))));
    }

    #[test]
    fn paths_are_encoded_twice_and_normalised() {
        assert_eq!(
            canonical_path("/2015-03-31/functions/arn%3Aaws%3Alambda/code"),
            "/2015-03-31/functions/arn%253Aaws%253Alambda/code"
        );
        assert_eq!(canonical_path("/a//b/../c/"), "/a/c/");
        assert_eq!(canonical_path(""), "/");
    }

    #[test]
    fn broken_headers_say_what_is_missing() {
        for value in ["", "Basic x", "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host"] {
            assert!(matches!(Authorization::parse(value), Err(Mismatch::Incomplete(_))), "{value}");
        }
    }
}
