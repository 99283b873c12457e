//! What ends a pass early: Kubernetes said no. What AWS says never does.

use crate::{
    ecr::Closed,
    telemetry::{api_error, numbered},
};

/// A pass that could not be finished.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The API server did not take a request; the pass is made again.
    #[error("could not {request}: {}", said(source))]
    Kubernetes {
        /// What was asked of it: to do this.
        request: &'static str,
        /// What it said.
        source: Box<kube::Error>,
    },
    /// The definitions are older than the operator: server-side apply refuses what they do not know.
    #[error("the definitions lack a field of status: {} — apply the CRDs of the operator's version (kubectl apply --server-side -f crds/)", api_error(&**.0))]
    OlderDefinition(Box<kube::Error>),
    /// The object changed or went away while the pass was under way; nothing more is written.
    #[error("the object, its class or its namespace has changed")]
    Superseded,
    /// The process is stopping and could not wait for the end of the pass. As after a crash, the
    /// next process goes on from what it finds.
    #[error("the process is stopping")]
    Stopping,
    /// The pass took too long.
    #[error("the pass took too long")]
    TimedOut,
    /// Nothing can be told of the labels of the object's namespace; the watch wakes it once it can.
    #[error("the object's namespace is not known yet")]
    UnknownNamespace,
    /// The fence refused a write: another process goes on.
    #[error(transparent)]
    NotLeading(#[from] Closed),
}

impl Error {
    pub(super) fn kubernetes(request: &'static str) -> impl FnOnce(kube::Error) -> Self {
        move |source| match closed(&source) {
            Some(closed) => Self::NotLeading(closed),
            None => Self::Kubernetes {
                request,
                source: Box::new(source),
            },
        }
    }
}

/// What the API server said.
fn said(error: &kube::Error) -> String {
    let code = match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    };
    numbered(code, api_error(error))
}

/// Whether it was the fence, in the client, that said no.
fn closed(error: &kube::Error) -> Option<Closed> {
    match error {
        kube::Error::Service(inner) => inner.downcast_ref().copied(),
        _ => None,
    }
}
