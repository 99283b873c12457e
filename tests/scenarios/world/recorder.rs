//! Every version of every object that the API server told of, in order.

use std::{
    sync::{Arc, Mutex},
    time::SystemTime,
};

use ecr_operator::api::ECRRepository;
use futures::StreamExt;
use kube::{
    Api, Client,
    runtime::watcher::{self, Event},
};
use tokio::{sync::oneshot, task::AbortHandle};

/// One version of an object, and when it was told.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) at: SystemTime,
    pub(crate) object: ECRRepository,
}

/// Watches a namespace.
pub(crate) struct Recorder {
    versions: Arc<Mutex<Vec<Version>>>,
    watch: AbortHandle,
}

impl Recorder {
    pub(crate) async fn start(client: Client, namespace: &str) -> Self {
        let versions: Arc<Mutex<Vec<Version>>> = Arc::default();
        let (began, begins) = oneshot::channel();
        let mut began = Some(began);
        let mut watch = watcher::watcher(
            Api::<ECRRepository>::namespaced(client, namespace),
            watcher::Config::default(),
        )
        .boxed();
        let told = Arc::clone(&versions);
        let task = tokio::spawn(async move {
            while let Some(event) = watch.next().await {
                match event {
                    Ok(Event::Apply(object) | Event::Delete(object) | Event::InitApply(object)) => {
                        told.lock().unwrap().push(Version {
                            at: SystemTime::now(),
                            object,
                        });
                    }
                    Ok(Event::InitDone) => {
                        began.take().map(|began| began.send(()));
                    }
                    Ok(Event::Init) | Err(_) => {}
                }
            }
        });
        begins.await.unwrap();
        Self {
            versions,
            watch: task.abort_handle(),
        }
    }

    pub(crate) fn versions(&self) -> Vec<Version> {
        self.versions.lock().unwrap().clone()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.watch.abort();
    }
}
