//! Where the requests of a burst go: to a URL, or straight to a function.

use std::time::{Duration, Instant};

use aws_sdk_lambda::primitives::Blob;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use labdeck_aws::Failure;

use super::super::proxy;
use super::super::wire::{Link, Prepared, WireError, broken};

/// Invocations of one function with one event.
pub(in super::super) struct Direct {
    /// The client.
    pub(in super::super) lambda: aws_sdk_lambda::Client,
    /// Function name.
    pub(in super::super) function: String,
    /// Alias or version.
    pub(in super::super) qualifier: String,
    /// The event.
    pub(in super::super) payload: Vec<u8>,
    /// Whether the answer is a proxy integration's, whose status counts.
    pub(in super::super) proxied: bool,
}

/// Sends the one request of a burst, again and again.
pub(in super::super) enum Sender {
    /// Over HTTP.
    Http {
        /// The request.
        prepared: Box<Prepared>,
        /// Its URL.
        url: String,
    },
    /// Straight to a function.
    Direct {
        /// The function.
        direct: Box<Direct>,
        /// `FUNCTION:QUALIFIER`.
        place: String,
    },
}

impl Sender {
    pub(in super::super) fn http(prepared: Prepared, url: &str) -> Self {
        Self::Http { prepared: Box::new(prepared), url: url.to_owned() }
    }

    pub(in super::super) fn direct(direct: Direct) -> Self {
        let place = format!("{}:{}", direct.function, direct.qualifier);
        Self::Direct { direct: Box::new(direct), place }
    }

    /// Where it goes, as it is told.
    pub(super) fn place(&self) -> &str {
        match self {
            Self::Http { url, .. } => url,
            Self::Direct { place, .. } => place,
        }
    }

    /// Sends once: the status and how long it took.
    pub(super) async fn attempt(
        &self,
        link: &mut Option<Link>,
    ) -> Result<(u16, Duration), WireError> {
        match self {
            Self::Http { prepared, .. } => over_http(prepared, link).await,
            Self::Direct { direct, .. } => invoked(direct).await,
        }
    }
}

/// Sends one request on `link`, opening it when there is none.
async fn over_http(
    prepared: &Prepared,
    link: &mut Option<Link>,
) -> Result<(u16, Duration), WireError> {
    let reusable = match link.as_mut() {
        Some(open) => open.reusable().await,
        None => false,
    };
    if !reusable {
        *link = None;
    }
    let open = match link {
        Some(open) => open,
        None => link.insert(Link::open(prepared).await?),
    };
    let since = Instant::now();
    let response = open.send(prepared.request()).await?;
    let status = response.status().as_u16();
    open.while_driving(drain(response.into_body())).await?;
    Ok((status, since.elapsed()))
}

async fn drain(mut body: Incoming) -> Result<(), WireError> {
    while let Some(frame) = body.frame().await {
        frame.map_err(|error| broken(&error))?;
    }
    Ok(())
}

async fn invoked(direct: &Direct) -> Result<(u16, Duration), WireError> {
    let call = direct
        .lambda
        .invoke()
        .function_name(&direct.function)
        .qualifier(&direct.qualifier)
        .payload(Blob::new(direct.payload.clone()));
    let since = Instant::now();
    let answer = call
        .send()
        .await
        .map_err(|error| WireError::Broken(Failure::from_sdk("invoking", &error).why))?;
    let took = since.elapsed();
    let payload = answer.payload().map(Blob::as_ref).unwrap_or_default();
    Ok((proxy::status(payload, answer.function_error().is_some(), direct.proxied), took))
}
