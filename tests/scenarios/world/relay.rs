//! A way to the API server on which watches end and lists break off, as after a compaction, a restart or a
//! cut in the network: what happens in such a gap is told to nobody.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    response::Response,
};
use futures::{Stream, StreamExt as _, stream};
use http_body_util::BodyExt as _;
use hyper::body::Bytes;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use super::Server;

/// How long each page takes that is not a list's first: long enough for passes to begin in between.
const PAGE_TAKES: Duration = Duration::from_millis(600);

/// How a gap ends for whoever watches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    /// The watch says that what it is at is gone.
    Told,
    /// The watch ends, and the next one is refused.
    Refused,
}

#[derive(Clone, Copy, Debug)]
struct Way {
    is_open: bool,
    /// How many gaps there have been, and how the last one ended.
    gaps: u32,
    end: End,
}

/// What is to go wrong, for each kind by itself.
#[derive(Clone, Copy, Debug, Default)]
struct Wrongs {
    /// Watches that are refused when they begin.
    starts: u32,
    /// Lists that break off after their first page.
    lists: u32,
}

struct Shared {
    client: Client,
    way: watch::Sender<Way>,
    wrongs: Mutex<Wrongs>,
    /// Who asks is nobody: as where his `ServiceAccount` is gone.
    is_nobody: Mutex<bool>,
    /// What the status of an object is refused with.
    no_status: Mutex<Option<u16>>,
    /// What is left of it, by the path of a kind.
    left: Mutex<HashMap<String, Wrongs>>,
}

/// See the module's documentation.
pub(crate) struct Relay {
    /// The API server by this way.
    pub(crate) server: Server,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

impl Relay {
    pub(crate) async fn to(server: &Server, file: &str) -> Self {
        let server = server.with_own_token(file).await;
        let kubeconfig = Kubeconfig::read_from(&server.operator).unwrap();
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        let way = Way {
            is_open: true,
            gaps: 0,
            end: End::Told,
        };
        let shared = Arc::new(Shared {
            client: Client::try_from(config.unwrap()).unwrap(),
            way: watch::Sender::new(way),
            wrongs: Mutex::default(),
            is_nobody: Mutex::default(),
            no_status: Mutex::default(),
            left: Mutex::default(),
        });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let text = std::fs::read_to_string(&server.operator).unwrap();
        let mut kubeconfig: Value = serde_json::from_str(&text).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        kubeconfig["clusters"][0]["cluster"] = json!({"server": url});
        std::fs::write(&server.operator, kubeconfig.to_string()).unwrap();
        let router = Router::new().fallback(answer);
        let router = router.with_state(Arc::clone(&shared));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            server,
            shared,
            _tasks: tasks,
        }
    }

    /// From now on nobody is told of anything, and nobody can list or begin to watch.
    pub(crate) fn gap(&self) {
        self.shared.way.send_modify(|way| way.is_open = false);
    }

    /// Ends the gap.
    pub(crate) fn end(&self, end: End) {
        self.shared.way.send_modify(|way| {
            *way = Way {
                is_open: true,
                gaps: way.gaps + 1,
                end,
            };
        });
    }

    /// From now on no status of an object is written: that is answered with this, if with anything.
    pub(crate) fn refuse_status(&self, with: Option<u16>) {
        *self.shared.no_status.lock().unwrap() = with;
    }

    /// Whether the API server takes nobody's credentials from now on. Watches that are open end.
    pub(crate) fn knows_nobody(&self, is_nobody: bool) {
        *self.shared.is_nobody.lock().unwrap() = is_nobody;
        self.end(End::Refused);
    }

    /// So many of the next watches are refused when they begin, and lists break off.
    pub(crate) fn break_next(&self, starts: u32, lists: u32) {
        *self.shared.wrongs.lock().unwrap() = Wrongs { starts, lists };
        self.shared.left.lock().unwrap().clear();
    }

    /// Whether all that was to go wrong for the watch of objects did.
    pub(crate) fn has_broken(&self) -> bool {
        let wrongs = *self.shared.wrongs.lock().unwrap();
        let left = self.shared.left.lock().unwrap();
        let found = left
            .iter()
            .find(|(path, _)| path.ends_with("/ecrrepositories"));
        let left = found.map_or(wrongs, |(_, left)| *left);
        left.starts == 0 && left.lists == 0
    }
}

impl Shared {
    /// Whether one more of these goes wrong.
    fn goes_wrong(&self, path: &str, which: fn(&mut Wrongs) -> &mut u32) -> bool {
        let wrongs = *self.wrongs.lock().unwrap();
        let mut left = self.left.lock().unwrap();
        let left = which(left.entry(path.to_owned()).or_insert(wrongs));
        let goes_wrong = *left > 0;
        *left = left.saturating_sub(1);
        goes_wrong
    }
}

fn gone() -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "too old resource version", "reason": "Expired", "code": 410,
    })
}

fn refused() -> Response {
    answered(410, &gone())
}

fn answered(code: u16, status: &Value) -> Response {
    let body = Body::from(status.to_string());
    Response::builder().status(code).body(body).unwrap()
}

fn unauthorized() -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "Unauthorized", "reason": "Unauthorized", "code": 401,
    })
}

fn not_taken(code: u16) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "not taken on purpose", "reason": "Conflict", "code": code,
    })
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let is_nobody = *shared.is_nobody.lock().unwrap();
    if is_nobody {
        return answered(401, &unauthorized());
    }
    let path = parts.uri.path();
    if path.contains("/ecrrepositories/") && path.ends_with("/status") {
        let refused = *shared.no_status.lock().unwrap();
        if let Some(code) = refused {
            return answered(code, &not_taken(code));
        }
    }
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let (watches, lists) = (query.contains("watch=true"), query.contains("limit="));
    if watches || lists {
        let mut way = shared.way.subscribe();
        way.wait_for(|way| way.is_open).await.unwrap();
    }
    if lists && query.contains("continue=") {
        tokio::time::sleep(PAGE_TAKES).await;
        if shared.goes_wrong(parts.uri.path(), |it| &mut it.lists) {
            return refused();
        }
    }
    if watches && shared.goes_wrong(parts.uri.path(), |it| &mut it.starts) {
        return refused();
    }
    let way = shared.way.subscribe();
    // A list of two has pages as well.
    let short = query.split('&').map(|it| match it.strip_prefix("limit=") {
        Some(_) => "limit=1",
        None => it,
    });
    let short = short.collect::<Vec<_>>().join("&");
    parts.uri = format!("{}?{short}", parts.uri.path()).parse().unwrap();
    for header in ["host", "authorization", "content-length"] {
        parts.headers.remove(header);
    }
    let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
    let request = http::Request::from_parts(parts, body.into());
    let Ok(answer) = shared.client.send(request).await else {
        return Response::builder().status(502).body(Body::empty()).unwrap();
    };
    let (mut head, body) = answer.into_parts();
    head.headers.remove("content-length");
    head.headers.remove("transfer-encoding");
    let body = body.into_data_stream().map(|it| it.map_err(Box::new));
    let body = if watches {
        Body::from_stream(watched(Box::pin(body), way))
    } else {
        Body::from_stream(body)
    };
    Response::from_parts(head, body)
}

type Told = Result<Bytes, Box<kube::Error>>;

/// What a watch tells, until a gap ends it.
fn watched(
    told: impl Stream<Item = Told> + Send + Unpin + 'static,
    way: watch::Receiver<Way>,
) -> impl Stream<Item = Told> + Send + 'static {
    let gaps = way.borrow().gaps;
    stream::unfold(Some((told, way)), move |watch| async move {
        let (mut told, mut way) = watch?;
        loop {
            let now = *way.borrow_and_update();
            if now.gaps != gaps {
                let error = json!({"type": "ERROR", "object": gone()});
                let line = format!("{error}\n");
                return (now.end == End::Told).then(|| (Ok(Bytes::from(line)), None));
            }
            tokio::select! {
                changed = way.changed() => changed.ok()?,
                next = told.next(), if now.is_open => return Some((next?, Some((told, way)))),
            }
        }
    })
}
