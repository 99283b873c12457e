//! The admin server: /livez, /readyz and /metrics.
//!
//! Whoever reaches its port may ask without a login. So nobody gets more than a little memory, for a little
//! while, and nobody holds up a probe or the end of the process.

use std::{
    collections::VecDeque,
    future::Future,
    pin::pin,
    time::{Duration, Instant},
};

use axum::{Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::telemetry::{Health, Metrics};

/// The media type of Prometheus' open text format.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Connections at a time. One more closes the oldest, so that a probe is answered whoever else is there.
const MOST: usize = 64;

/// How long the head of a request may take, and how long a connection may be silent between two.
const HEAD: Duration = Duration::from_secs(5);

/// What is read of a head, and held of a connection; the least that hyper takes.
const BUFFER: usize = 8 * 1024;

/// How long a connection lasts, whatever goes on in it.
const LIFETIME: Duration = Duration::from_mins(1);

/// How long answers under way may take once the process is to end.
const GRACE: Duration = Duration::from_millis(500);

/// Between two attempts where the system gives no more connections.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves on `listener` until `shutdown`, and then ends within half a second.
pub async fn serve(
    listener: TcpListener,
    health: Health,
    metrics: Metrics,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let router = Router::new()
        .route("/livez", get(livez).with_state(health.clone()))
        .route("/readyz", get(readyz).with_state(health))
        .route("/metrics", get(scrape).with_state(metrics));
    let mut connections = Connections::of(router);
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => connections.admit(stream),
                Err(error) => {
                    tracing::debug!(%error, "a connection to the admin server was lost");
                    sleep(PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    connections.end().await;
}

/// The connections that are open.
struct Connections {
    router: Router,
    http: http1::Builder,
    open: JoinSet<()>,
    oldest_first: VecDeque<AbortHandle>,
    ending: CancellationToken,
}

impl Connections {
    fn of(router: Router) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_buf_size(BUFFER);
        Self {
            router,
            http,
            open: JoinSet::new(),
            oldest_first: VecDeque::new(),
            ending: CancellationToken::new(),
        }
    }

    fn admit(&mut self, stream: TcpStream) {
        while self.open.try_join_next().is_some() {}
        self.oldest_first.retain(|it| !it.is_finished());
        if self.oldest_first.len() >= MOST
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            oldest.abort();
        }
        let service = TowerToHyperService::new(self.router.clone());
        let served = self.http.serve_connection(TokioIo::new(stream), service);
        let ending = self.ending.clone();
        let connection = async move {
            let mut served = pin!(served);
            tokio::select! {
                // How it ends is the other side's affair.
                _ = served.as_mut() => {}
                () = sleep(LIFETIME) => {}
                () = ending.cancelled() => {
                    served.as_mut().graceful_shutdown();
                    let _ = served.await;
                }
            }
        };
        self.oldest_first.push_back(self.open.spawn(connection));
    }

    /// Answers what was asked, and closes what is left.
    async fn end(mut self) {
        self.ending.cancel();
        let all = async { while self.open.join_next().await.is_some() {} };
        // Whoever has not asked by now gets no answer.
        let _ = timeout(GRACE, all).await;
    }
}

/// Whoever asks also learns whether the runtime still answers: it runs this too.
async fn livez(State(health): State<Health>) -> impl IntoResponse {
    answer(health.alive(Instant::now()).map(|()| "ok".to_owned()))
}

async fn readyz(State(health): State<Health>) -> impl IntoResponse {
    answer(health.check().map(|()| health.fine()))
}

fn answer(state: Result<String, String>) -> impl IntoResponse {
    match state {
        Ok(fine) => (StatusCode::OK, format!("{fine}\n")),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

async fn scrape(State(metrics): State<Metrics>) -> impl IntoResponse {
    ([("content-type", OPEN_METRICS)], metrics.text())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const HALF: &[u8] = b"GET /livez HTTP/1.1\r\nHost: x\r\n";

    struct Server {
        address: std::net::SocketAddr,
        stop: CancellationToken,
        task: tokio::task::JoinHandle<()>,
    }

    impl Server {
        async fn start() -> Self {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            let address = listener.local_addr().unwrap();
            let stop = CancellationToken::new();
            let (health, metrics) = (Health::of([]), Metrics::of("ecr-operator"));
            let stopped = stop.clone().cancelled_owned();
            let task = tokio::spawn(serve(listener, health, metrics, stopped));
            Self {
                address,
                stop,
                task,
            }
        }

        async fn sent(&self, what: &[u8]) -> TcpStream {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.write_all(what).await.unwrap();
            stream
        }

        async fn answer(&self, what: &[u8]) -> String {
            let mut stream = self.sent(what).await;
            let mut answer = Vec::new();
            // It may be reset where not all was read.
            let _ = stream.read_to_end(&mut answer).await;
            String::from_utf8_lossy(&answer).into_owned()
        }
    }

    const ASK: &[u8] = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

    #[tokio::test]
    async fn who_asks_is_answered_however_many_have_not_finished_asking() {
        let server = Server::start().await;
        let mut halves = Vec::new();
        for _ in 0..3 * MOST {
            halves.push(server.sent(HALF).await);
        }
        assert!(server.answer(ASK).await.starts_with("HTTP/1.1 200"));
        let mut closed = 0;
        for half in &mut halves[..2 * MOST] {
            let end = timeout(PAUSE * 10, half.read(&mut [0])).await;
            closed += usize::from(matches!(end, Ok(Ok(0) | Err(_))));
        }
        assert_eq!(closed, 2 * MOST, "the oldest were closed");
    }

    #[tokio::test]
    async fn half_a_request_lasts_for_seconds_and_so_does_a_silence() {
        let server = Server::start().await;
        let began = Instant::now();
        let mut half = server.sent(HALF).await;
        let whole = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
        let mut idle = server.sent(whole).await;
        let (mut none, mut answer) = (Vec::new(), String::new());
        let _ = tokio::join!(
            half.read_to_end(&mut none),
            idle.read_to_string(&mut answer)
        );
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(began.elapsed() < HEAD * 2, "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn a_head_that_is_too_long_is_refused_and_a_body_is_not_read() {
        let server = Server::start().await;
        let mut long = HALF.to_vec();
        long.extend(format!("X: {}\r\n\r\n", "x".repeat(4 * BUFFER)).bytes());
        let said = server.answer(&long).await;
        assert!(
            said.is_empty() || said.starts_with("HTTP/1.1 431"),
            "{said}"
        );
        let body = "x".repeat(1024);
        let much =
            format!("GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n{body}");
        let said = server.answer(much.as_bytes()).await;
        assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    }

    #[tokio::test]
    async fn nobody_delays_the_end() {
        let server = Server::start().await;
        let _half = server.sent(HALF).await;
        let _silent = server.sent(b"").await;
        // Both are there once a third one is answered.
        server.answer(ASK).await;
        server.stop.cancel();
        timeout(GRACE * 3, server.task).await.unwrap().unwrap();
    }
}
