//! Temporary credentials of roles, kept in memory only.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::wire::Caller;

/// What a function gets in its environment.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionCredentials {
    /// Access key id, `ASIA…`.
    pub access_key_id: String,
    /// Secret access key.
    pub secret_access_key: String,
    /// Session token, sent with every request.
    pub session_token: String,
}

impl std::fmt::Debug for SessionCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionCredentials")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

/// What is known of an access key: how its requests are verified, and who makes them.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// Secret access key.
    pub secret_access_key: String,
    /// The token that a request must carry, for temporary credentials.
    pub session_token: Option<String>,
    /// Who calls.
    pub caller: Caller,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").field("caller", &self.caller).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
pub(super) struct Sessions {
    by_key: RwLock<HashMap<String, Credential>>,
}

impl Sessions {
    pub(super) fn issue(&self, role_arn: &str, session_name: &str) -> SessionCredentials {
        let credentials = SessionCredentials {
            access_key_id: random_id("ASIA", 16),
            secret_access_key: random_text(30),
            session_token: random_text(96),
        };
        let credential = Credential {
            secret_access_key: credentials.secret_access_key.clone(),
            session_token: Some(credentials.session_token.clone()),
            caller: Caller::Session {
                role_arn: role_arn.to_owned(),
                session_name: session_name.to_owned(),
            },
        };
        self.by_key
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(credentials.access_key_id.clone(), credential);
        credentials
    }

    pub(super) fn revoke(&self, access_key_id: &str) {
        self.by_key.write().unwrap_or_else(PoisonError::into_inner).remove(access_key_id);
    }

    pub(super) fn find(&self, access_key_id: &str) -> Option<Credential> {
        self.by_key.read().unwrap_or_else(PoisonError::into_inner).get(access_key_id).cloned()
    }
}

/// An id as IAM makes them: `prefix` and `length` random characters of A–Z and 2–7.
pub fn random_id(prefix: &str, length: usize) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut id = prefix.to_owned();
    id.extend(random_bytes(length).iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])));
    id
}

/// A secret of `bytes` random bytes, in base64.
pub fn random_text(bytes: usize) -> String {
    STANDARD.encode(random_bytes(bytes))
}

fn random_bytes(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    if let Err(error) = getrandom::fill(&mut bytes) {
        // A secret that could be guessed must never be given out.
        tracing::error!("the system has no randomness to give: {error}");
        std::process::exit(70);
    }
    bytes
}
