//! Invariant 11: secrets that the operator is given, and the texts in which none of them may show up.

use serde_json::Value;

use super::{Server, operator::SECRET};

/// The secrets of one operator, each with its name.
pub(crate) struct Canaries(Vec<(&'static str, String)>);

impl Canaries {
    /// The key for AWS, and the account's token for Kubernetes.
    pub(crate) fn of(server: &Server) -> Self {
        let text = std::fs::read_to_string(&server.operator).unwrap();
        let kubeconfig: Value = serde_json::from_str(&text).unwrap();
        let token = kubeconfig["users"][0]["user"]["token"].as_str().unwrap();
        // A token's signature is what nobody may have.
        let signature = token.rsplit('.').next().unwrap();
        assert!(signature.len() > 60, "a token without a signature");
        Self(vec![
            ("the secret access key", SECRET.to_owned()),
            ("the service account's token", signature.to_owned()),
        ])
    }

    /// With one more.
    pub(crate) fn and(mut self, what: &'static str, secret: &str) -> Self {
        self.0.push((what, secret.to_owned()));
        self
    }

    /// None of them is told in this place.
    #[track_caller]
    pub(crate) fn are_not_in(&self, place: &str, text: &str) {
        for (what, secret) in &self.0 {
            let Some(at) = text.find(secret) else {
                continue;
            };
            let line = text[..at].rsplit('\n').next().unwrap_or_default();
            panic!("11: {what} is told in {place}, after: {line}");
        }
    }
}
