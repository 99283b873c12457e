//! AWS's errors: the codes, the messages and the HTTP status that they travel with.
//!
//! ECR's model declares no HTTP status on its exceptions, so all of them are 400; only
//! `ServerException` is a fault (500).

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::world::Service;

/// A refusal as AWS words it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Error {
    /// AWS's exception name, e.g. `RepositoryNotFoundException`.
    pub code: String,
    /// AWS's message.
    pub message: String,
    /// The HTTP status that it travels with.
    pub status: u16,
    /// Further members of the exception, e.g. `kmsError`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub details: Map<String, Value>,
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Error {}

impl Error {
    /// An error that travels with status 400, as all modelled ones do.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            status: 400,
            details: Map::new(),
        }
    }

    /// The same error with another HTTP status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The same error with one more member in its body.
    #[must_use]
    pub fn with_detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// `InvalidParameterException` in the one shape that ECR uses for it.
    pub(crate) fn invalid(at: &str, constraint: impl std::fmt::Display) -> Self {
        Self::new(
            "InvalidParameterException",
            format!("Invalid parameter at '{at}' failed to satisfy constraint: '{constraint}'"),
        )
    }

    /// The body is not what the protocol asks for.
    pub(crate) fn serialization(message: impl Into<String>) -> Self {
        Self::new("SerializationException", message)
    }

    /// The body is no JSON at all: AWS answers the type alone.
    pub(crate) fn unreadable() -> Self {
        Self::serialization("")
    }

    /// Something that only a bug of the emulator can cause.
    pub(crate) fn server(message: impl Into<String>) -> Self {
        Self::new("ServerException", message).with_status(500)
    }

    /// AWS answers an unknown operation with the type alone.
    pub(crate) fn unknown_operation() -> Self {
        Self::new("UnknownOperationException", "")
    }

    /// The throttling answer of every operation of a service, as its model names it. ECR's and STS's models name
    /// none: theirs are AWS's common errors, STS's in the words of the query protocol.
    pub(crate) fn throttled(service: Service) -> Self {
        match service {
            Service::Ecr => Self::new("ThrottlingException", "Rate exceeded"),
            Service::Sts => Self::new("Throttling", "Rate exceeded"),
            Service::Tagging => Self::new("ThrottledException", "Rate exceeded"),
            Service::Sqs => Self::new("RequestThrottled", "Rate exceeded"),
        }
    }

    /// What IAM answers when no policy allows the call.
    pub(crate) fn access_denied(user: &str, action: &str, resource: &str) -> Self {
        Self::new(
            "AccessDeniedException",
            format!(
                "User: {user} is not authorized to perform: {action} on resource: {resource} \
                 because no identity-based policy allows the {action} action"
            ),
        )
    }

    pub(crate) fn repository_not_found(name: &str, registry: &str) -> Self {
        Self::new(
            "RepositoryNotFoundException",
            format!(
                "The repository with name '{name}' does not exist in the registry with id \
                 '{registry}'"
            ),
        )
    }

    /// The JSON body, in the order in which AWS writes it.
    pub(crate) fn body(&self) -> Value {
        let mut body = json!({ "__type": self.code });
        if let Some(members) = body.as_object_mut() {
            if !self.message.is_empty() {
                members.insert("message".to_owned(), json!(self.message));
            }
            members.extend(self.details.clone());
        }
        body
    }
}
