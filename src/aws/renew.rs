//! Credentials that may expire while a run uses them, and be renewed by logging in again.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};

/// Credentials that expire sooner than this are asked for anew.
const BEFORE_EXPIRY: Duration = Duration::from_mins(1);

/// What came of looking for new credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewal {
    /// There are some, of the same account: calls work again.
    Renewed,
    /// Nobody has logged in yet.
    StillExpired,
}

/// A provider whose source can be changed while clients use it.
///
/// It keeps credentials until shortly before they expire, as the SDK's own cache does; that one can't
/// be told to forget what it has, and so is not used.
#[derive(Debug, Clone)]
pub(crate) struct Renewable(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: RwLock<SharedCredentialsProvider>,
    kept: tokio::sync::Mutex<Option<Credentials>>,
}

impl Renewable {
    pub(crate) fn new(source: SharedCredentialsProvider) -> Self {
        Self(Arc::new(Inner { source: RwLock::new(source), kept: tokio::sync::Mutex::default() }))
    }

    /// From now on credentials come from `source`; those that are kept are forgotten.
    pub(crate) async fn set(&self, source: SharedCredentialsProvider) {
        let mut kept = self.0.kept.lock().await;
        *self.0.source.write().unwrap_or_else(PoisonError::into_inner) = source;
        *kept = None;
    }

    async fn provide(&self) -> aws_credential_types::provider::Result {
        let mut kept = self.0.kept.lock().await;
        if let Some(credentials) = kept.as_ref().filter(|credentials| lasts(credentials)) {
            return Ok(credentials.clone());
        }
        let source = self.0.source.read().unwrap_or_else(PoisonError::into_inner).clone();
        let credentials = source.provide_credentials().await?;
        *kept = Some(credentials.clone());
        Ok(credentials)
    }
}

fn lasts(credentials: &Credentials) -> bool {
    credentials.expiry().is_none_or(|end| end > SystemTime::now() + BEFORE_EXPIRY)
}

impl ProvideCredentials for Renewable {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.provide())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Debug, Clone)]
    struct Source {
        asked: Arc<AtomicUsize>,
        lasts: Option<Duration>,
    }

    impl ProvideCredentials for Source {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let number = self.asked.fetch_add(1, Ordering::Relaxed);
            let end = self.lasts.map(|lasts| SystemTime::now() + lasts);
            let credentials = Credentials::new(format!("key{number}"), "s", None, end, "test");
            future::ProvideCredentials::ready(Ok(credentials))
        }
    }

    async fn twice(lasts: Option<Duration>) -> usize {
        let asked = Arc::new(AtomicUsize::new(0));
        let source = Source { asked: Arc::clone(&asked), lasts };
        let renewable = Renewable::new(SharedCredentialsProvider::new(source));
        renewable.provide().await.unwrap();
        renewable.provide().await.unwrap();
        asked.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn credentials_are_asked_for_once_unless_they_end_soon() {
        assert_eq!(twice(None).await, 1);
        assert_eq!(twice(Some(Duration::from_hours(1))).await, 1);
        assert_eq!(twice(Some(Duration::from_secs(5))).await, 2);
    }

    #[tokio::test]
    async fn another_source_is_used_at_once() {
        let source = |number| Source { asked: Arc::new(AtomicUsize::new(number)), lasts: None };
        let renewable = Renewable::new(SharedCredentialsProvider::new(source(0)));
        assert_eq!(renewable.provide().await.unwrap().access_key_id(), "key0");
        renewable.set(SharedCredentialsProvider::new(source(7))).await;
        assert_eq!(renewable.provide().await.unwrap().access_key_id(), "key7");
    }
}
