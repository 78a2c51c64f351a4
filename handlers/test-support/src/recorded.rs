//! Answers given one after the other.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use handler_common::aws::SdkConfig;

/// Gives recorded answers and keeps the bodies of the requests.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    answers: Arc<Mutex<VecDeque<(u16, String)>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Recorded {
    /// Answers in the order in which they are given: statuses and bodies.
    pub fn new(answers: &[(u16, &str)]) -> Self {
        let answers = answers.iter().map(|(status, body)| (*status, (*body).to_owned()));
        Self { answers: Arc::new(Mutex::new(answers.collect())), requests: Arc::default() }
    }

    /// How a service is reached that gives these answers.
    pub fn config(&self) -> SdkConfig {
        super::config(self.clone())
    }

    /// The bodies of the requests so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl HttpConnector for Recorded {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = request.body().bytes().unwrap();
        self.requests.lock().unwrap().push(String::from_utf8(body.to_vec()).unwrap());
        let (status, body) = self.answers.lock().unwrap().pop_front().expect("an answer is left");
        let response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
        HttpConnectorFuture::ready(Ok(response))
    }
}
