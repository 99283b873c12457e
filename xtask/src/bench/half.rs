//! Whoever reaches the admin port and never finishes a request.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::Result;
use xtask::{http, processes};

use super::measure::{Bench, megabytes, real};
use super::table::Row;

const NAMESPACE: &str = "half";
const REQUESTS: usize = 2_500;
const THREADS: usize = 25;

/// The first lines of a request whose headers have no end.
const HALF: &[u8] = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nX-Half: ";

/// How long a connection may take: a server that takes no more leaves them waiting.
const CONNECTS: Duration = Duration::from_millis(50);

/// How long memory is looked at while they are open.
const OPEN: Duration = Duration::from_secs(3);

impl Bench {
    pub(super) async fn half_requests(&mut self) -> Result<()> {
        println!("· opening {REQUESTS} requests at the admin port, and ending none");
        let operator = self.start(&["--watch-namespace", NAMESPACE]).await?;
        self.quiet().await?;
        // The first answer takes what each later one takes again.
        let look = format!("http://{}/readyz", operator.admin());
        http::get(&look).await?;
        let before = processes::resident(operator.pid())?;
        let held = open(operator.admin());
        let clock = Instant::now();
        let mut most = processes::resident(operator.pid())?;
        while clock.elapsed() < OPEN {
            tokio::time::sleep(Duration::from_millis(100)).await;
            most = most.max(processes::resident(operator.pid())?);
        }
        let clock = Instant::now();
        if let Err(error) = http::get(&look).await {
            println!("  /readyz is not answered: {error:#}");
        }
        let answered = clock.elapsed().as_secs_f64();
        // Some may have been closed by now: the end is to come while there are open ones.
        let again = open(operator.admin());
        let clock = Instant::now();
        if let Err(error) = operator.stop().await {
            println!("  {error:#}");
        }
        let ended = clock.elapsed().as_secs_f64();
        let count = held.len();
        drop((held, again));
        self.rows.extend([
            Row::noted(
                "2,500 half requests at the admin port: connections",
                real(u64::try_from(count)?),
                "",
            ),
            Row::limited(
                "  memory that they take",
                megabytes(most.saturating_sub(before)),
                5.0,
                "MB",
            ),
            Row::noted("  until /readyz is answered beside them", answered, "s"),
            Row::limited("  from SIGTERM to the end beside them", ended, 2.0, "s"),
        ]);
        Ok(())
    }
}

/// Those connections that were taken, each with half a request.
fn open(address: SocketAddr) -> Vec<TcpStream> {
    let some = || -> Vec<TcpStream> {
        let streams = (0..REQUESTS / THREADS).filter_map(|_| {
            let mut stream = TcpStream::connect_timeout(&address, CONNECTS).ok()?;
            stream.write_all(HALF).ok()?;
            Some(stream)
        });
        streams.collect()
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(some)).collect();
        let opened = threads.into_iter().filter_map(|it| it.join().ok());
        opened.flatten().collect()
    })
}
