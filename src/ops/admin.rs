//! The admin server: /livez, /readyz and /metrics.
//!
//! Whoever reaches its port may ask without a login. So nobody gets more than a little memory, for a little
//! while, and nobody holds up a probe, the work or the end of the process.

use std::{
    collections::VecDeque,
    future::Future,
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use hyper::{
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    task::{AbortHandle, JoinSet, yield_now},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::scrapes::Scrapes;
use crate::telemetry::{Health, Metrics};

/// The media type of Prometheus' open text format.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Connections at a time. One more closes another, so that a probe is answered whoever else is there.
const MOST: usize = 64;

/// Connections that wait to be let in.
const PLACES: u32 = 1024;

/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(5);

/// What is read of a head, and held of a connection; the least that hyper takes.
const BUFFER: usize = 8 * 1024;

/// How long a connection lasts, whatever goes on in it.
const LIFETIME: Duration = Duration::from_mins(1);

/// How long answers under way may take once the process is to end.
const GRACE: Duration = Duration::from_millis(500);

/// Between two attempts where the system gives no more connections.
const PAUSE: Duration = Duration::from_millis(100);

/// Listens there. Where more are at the door than it has places for, the system does not hear the next one, and a
/// probe tries again only when its time is over.
///
/// # Errors
/// Where the address can't be listened on.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A process that was just started again takes over from the last one.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(PLACES)
}

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
        .route("/metrics", get(scrape).with_state(Scrapes::of(metrics)));
    let mut connections = Connections::of(router);
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => connections.admit(stream),
            Err(error) => {
                tracing::debug!(%error, "a connection to the admin server was lost");
                sleep(PAUSE).await;
            }
        }
        // Who was let in is heard before the next one, who may close it; and all other work goes on. Without this,
        // tokio would have as many let in at once as its budget allows, which are more than stay.
        yield_now().await;
    }
    drop(listener);
    connections.end().await;
}

/// The connections that are open.
struct Connections {
    router: Router,
    http: http1::Builder,
    open: JoinSet<()>,
    oldest_first: VecDeque<Open>,
    ending: CancellationToken,
}

/// One of them.
struct Open {
    task: AbortHandle,
    /// A whole head has come.
    has_asked: Arc<AtomicBool>,
}

/// Which of the open connections is closed for one more: who has not asked for longest, or, where all have, who is
/// there for longest and does not take the answer.
fn closed(oldest_first: impl IntoIterator<Item = bool>) -> usize {
    let mut asked = oldest_first.into_iter();
    asked.position(|has_asked| !has_asked).unwrap_or(0)
}

impl Connections {
    fn of(router: Router) -> Self {
        let mut http = http1::Builder::new();
        // One request a connection: each further one would be answered by the same turn of the one thread.
        http.timer(TokioTimer::new())
            .keep_alive(false)
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
        self.oldest_first.retain(|it| !it.task.is_finished());
        if self.oldest_first.len() >= MOST {
            let asked = |it: &Open| it.has_asked.load(Ordering::Relaxed);
            let closed = closed(self.oldest_first.iter().map(asked));
            if let Some(closed) = self.oldest_first.remove(closed) {
                closed.task.abort();
            }
        }
        let router = TowerToHyperService::new(self.router.clone());
        let has_asked = Arc::<AtomicBool>::default();
        let asks = Arc::clone(&has_asked);
        let service = service_fn(move |request| {
            asks.store(true, Ordering::Relaxed);
            router.call(request)
        });
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
        let task = self.open.spawn(connection);
        self.oldest_first.push_back(Open { task, has_asked });
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

async fn scrape(State(scrapes): State<Scrapes>) -> impl IntoResponse {
    ([("content-type", OPEN_METRICS)], scrapes.text())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const HALF: &[u8] = b"GET /livez HTTP/1.1\r\nHost: x\r\n";

    const WHOLE: &[u8] = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";

    struct Server {
        address: SocketAddr,
        stop: CancellationToken,
        task: tokio::task::JoinHandle<()>,
    }

    fn door() -> TcpListener {
        listen(([127, 0, 0, 1], 0).into()).unwrap()
    }

    impl Server {
        fn start() -> Self {
            Self::on(door())
        }

        fn on(listener: TcpListener) -> Self {
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
        let server = Server::start();
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

    /// All of them are at the door before it opens: whose turn comes when is the server's alone.
    #[tokio::test]
    async fn a_flood_leaves_every_probe_answered() {
        let scrape = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(200);
        for flood in [b"".as_slice(), HALF, &scrape] {
            let listener = door();
            let address = listener.local_addr().unwrap();
            let (mut others, mut probes) = (Vec::new(), Vec::new());
            for n in 0..6 * MOST {
                let is_probe = n % MOST == 0;
                let mut stream = TcpStream::connect(address).await.unwrap();
                let said = if is_probe { ASK } else { flood };
                stream.write_all(said).await.unwrap();
                if is_probe {
                    probes.push(stream);
                } else {
                    others.push(stream);
                }
            }
            let server = Server::on(listener);
            for mut probe in probes {
                let mut answer = Vec::new();
                let _ = probe.read_to_end(&mut answer).await;
                assert!(answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");
            }
            server.stop.cancel();
            server.task.await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_connection_has_one_request_however_many_are_sent() {
        let server = Server::start();
        let said = server.answer(&WHOLE.repeat(200)).await;
        assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "{said}");
        assert!(said.contains("connection: close"), "{said}");
    }

    #[test]
    fn who_has_not_asked_for_longest_is_closed_first() {
        for (asked, expected) in [
            (vec![true, false, true, false], 1),
            (vec![false, false], 0),
            (vec![true, true, false], 2),
            (vec![true, true], 0),
        ] {
            assert_eq!(closed(asked.clone()), expected, "{asked:?}");
        }
    }

    #[tokio::test]
    async fn half_a_request_lasts_for_seconds_and_so_does_a_silence() {
        let server = Server::start();
        let began = Instant::now();
        let mut half = server.sent(HALF).await;
        let mut silent = server.sent(b"").await;
        let (mut none, mut nothing) = (Vec::new(), Vec::new());
        let _ = tokio::join!(
            half.read_to_end(&mut none),
            silent.read_to_end(&mut nothing)
        );
        assert!(nothing.is_empty(), "{nothing:?}");
        // And who asks is not kept once there is an answer.
        assert!(server.answer(WHOLE).await.starts_with("HTTP/1.1 200"));
        assert!(began.elapsed() < HEAD * 2, "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn a_head_that_is_too_long_is_refused_and_a_body_is_not_read() {
        let server = Server::start();
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
        let server = Server::start();
        let _half = server.sent(HALF).await;
        let _silent = server.sent(b"").await;
        // Both are there once a third one is answered.
        server.answer(ASK).await;
        server.stop.cancel();
        timeout(GRACE * 3, server.task).await.unwrap().unwrap();
    }
}
