//! How fast and how big the emulator is, each number beside its limit. It drives the program from
//! outside, as any client does: `cargo bench -p ecr-emulator`.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::ops::Range;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// More than the emulator's one thread can be kept busy by, so that it never waits for a client.
const CLIENTS: usize = 8;
const CALLS: usize = 80_000;
const REPOSITORIES: usize = 100_000;
const STARTS: usize = 9;

const CALLS_A_SECOND: f64 = 5_000.0;
const MEGABYTES: f64 = 500.0;
const START: Duration = Duration::from_millis(50);

/// The program, on one core: one thread serves.
struct Emulator {
    process: Child,
    address: String,
    started: Duration,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Emulator {
    /// Starts it, and counts the time until it has answered.
    fn start() -> Outcome<Self> {
        let begun = Instant::now();
        let mut process = Command::new(env!("CARGO_BIN_EXE_ecr-emulator"))
            .env("TOKIO_WORKER_THREADS", "1")
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let output = process.stdout.take().ok_or("no output")?;
        BufReader::new(output).read_line(&mut line)?;
        let address = line.trim().rsplit('/').next().unwrap_or_default();
        let mut emulator = Self {
            process,
            address: address.to_owned(),
            started: Duration::ZERO,
        };
        Client::new(&emulator.address)?.call("DescribeRepositories", "{}")?;
        emulator.started = begun.elapsed();
        Ok(emulator)
    }

    /// Seconds of processor that it has had, all threads together.
    fn cpu(&self) -> Outcome<f64> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        // The name in parentheses may have spaces; utime and stime are the 12th and 13th after it.
        let fields = text.rsplit(')').next().unwrap_or_default();
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks: u32 = ticks.map(str::parse::<u32>).sum::<Result<_, _>>()?;
        // Linux counts 100 of them a second for all programs.
        Ok(f64::from(ticks) / 100.0)
    }

    /// The most memory that it has had, in megabytes.
    fn peak_memory(&self) -> Outcome<f64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next());
        Ok(kilobytes.ok_or("no VmHWM")?.parse::<f64>()? / 1000.0)
    }

    /// Makes calls from all clients at once; the time until the last is answered.
    fn drive(&self, calls: usize, call: fn(usize) -> (&'static str, String)) -> Outcome<Duration> {
        let begun = Instant::now();
        std::thread::scope(|scope| {
            let share = |client: usize| calls * client / CLIENTS..calls * (client + 1) / CLIENTS;
            let clients: Vec<_> = (0..CLIENTS)
                .map(|client| scope.spawn(move || run(&self.address, share(client), call)))
                .collect();
            clients
                .into_iter()
                .map(std::thread::ScopedJoinHandle::join)
                .try_for_each(|outcome| outcome.map_err(|_| "a client panicked")?)
        })?;
        Ok(begun.elapsed())
    }
}

fn run(
    address: &str,
    share: Range<usize>,
    call: fn(usize) -> (&'static str, String),
) -> Outcome<()> {
    let mut client = Client::new(address)?;
    for index in share {
        let (operation, input) = call(index);
        client.call(operation, &input)?;
    }
    Ok(())
}

/// One connection that stays open.
struct Client(BufReader<TcpStream>);

impl Client {
    fn new(address: &str) -> Outcome<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// One call, which must succeed; its answer.
    fn call(&mut self, operation: &str, input: &str) -> Outcome<String> {
        let request = format!(
            "POST / HTTP/1.1\r\nhost: e\r\ncontent-type: application/x-amz-json-1.1\r\n\
             x-amz-target: AmazonEC2ContainerRegistry_V20150921.{operation}\r\n\
             authorization: AWS4-HMAC-SHA256 Credential=111122223333/20261124/eu-central-1/ecr/\
             aws4_request, SignedHeaders=host, Signature=0\r\ncontent-length: {}\r\n\r\n{input}",
            input.len()
        );
        self.0.get_mut().write_all(request.as_bytes())?;
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let before = head.len();
            self.0.read_line(&mut head)?;
            let line = head.get(before..).unwrap_or_default();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse()?;
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        let body = String::from_utf8(body)?;
        if head.starts_with("HTTP/1.1 200") {
            Ok(body)
        } else {
            Err(format!("{operation} was answered {head}{body}").into())
        }
    }
}

fn name(index: usize) -> String {
    format!("team-{:03}/service-{index:06}", index % 500)
}

/// A repository as a platform team makes it.
fn create(index: usize) -> (&'static str, String) {
    let input = format!(
        r#"{{"repositoryName":"{}","imageTagMutability":"IMMUTABLE","tags":[{{"Key":"team","Value":"t{}"}},{{"Key":"cost-center","Value":"{index}"}},{{"Key":"managed-by","Value":"bench"}}]}}"#,
        name(index),
        index % 500
    );
    ("CreateRepository", input)
}

/// The simple calls: reads of one repository among many, and a write.
fn simple(index: usize) -> (&'static str, String) {
    let name = name(index % REPOSITORIES);
    let (operation, input) = match index % 4 {
        0 => (
            "DescribeRepositories",
            format!(r#"{{"repositoryNames":["{name}"]}}"#),
        ),
        1 => (
            "BatchGetRepositoryScanningConfiguration",
            format!(r#"{{"repositoryNames":["{name}"]}}"#),
        ),
        2 => (
            "ListTagsForResource",
            format!(
                r#"{{"resourceArn":"arn:aws:ecr:eu-central-1:111122223333:repository/{name}"}}"#
            ),
        ),
        _ => (
            "PutImageTagMutability",
            format!(r#"{{"repositoryName":"{name}","imageTagMutability":"MUTABLE"}}"#),
        ),
    };
    (operation, input)
}

/// Lists all repositories, in the largest pages.
fn list(address: &str) -> Outcome<usize> {
    let mut client = Client::new(address)?;
    let (mut input, mut found) = (r#"{"maxResults":1000}"#.to_owned(), 0);
    loop {
        let page: serde_json::Value =
            serde_json::from_str(&client.call("DescribeRepositories", &input)?)?;
        let repositories = page.get("repositories").and_then(|list| list.as_array());
        found += repositories.map_or(0, Vec::len);
        let Some(token) = page.get("nextToken").and_then(|token| token.as_str()) else {
            return Ok(found);
        };
        input = format!(r#"{{"maxResults":1000,"nextToken":"{token}"}}"#);
    }
}

/// Prints a number beside its limit; whether it keeps to it.
fn line(what: &str, found: &str, limit: &str, holds: bool) -> bool {
    let verdict = if holds { "ok" } else { "MISSED" };
    println!("{what:<44} {found:>12}   {limit:<18} {verdict}");
    holds
}

fn starts() -> Outcome<bool> {
    let mut times = (0..STARTS)
        .map(|_| Ok(Emulator::start()?.started))
        .collect::<Outcome<Vec<Duration>>>()?;
    times.sort();
    let worst = times.last().copied().unwrap_or_default();
    let found = format!("{:.1} ms", worst.as_secs_f64() * 1000.0);
    let what = format!("start to the first answer, worst of {STARTS}");
    Ok(line(&what, &found, "under 50 ms", worst < START))
}

fn calls_per_second(
    emulator: &Emulator,
    what: &str,
    calls: usize,
    call: fn(usize) -> (&'static str, String),
) -> Outcome<bool> {
    let before = emulator.cpu()?;
    let took = emulator.drive(calls, call)?;
    let count = f64::from(u32::try_from(calls)?);
    let rate = count / took.as_secs_f64();
    println!(
        "{what:<44} {:>12.0}   on one core, if it had one to itself",
        count / (emulator.cpu()? - before)
    );
    let what = format!("{what}, as measured");
    Ok(line(
        &what,
        &format!("{rate:.0}"),
        "at least 5000",
        rate >= CALLS_A_SECOND,
    ))
}

fn measure() -> Outcome<bool> {
    let mut well = starts()?;
    let emulator = Emulator::start()?;
    println!(
        "{:<44} {:>9.0} MB",
        "memory, empty",
        emulator.peak_memory()?
    );
    well &= calls_per_second(
        &emulator,
        "repositories created a second",
        REPOSITORIES,
        create,
    )?;
    let memory = emulator.peak_memory()?;
    let what = "memory with 100000 repositories and their log";
    well &= line(
        what,
        &format!("{memory:.0} MB"),
        "under 500 MB",
        memory < MEGABYTES,
    );
    well &= calls_per_second(&emulator, "simple calls a second among them", CALLS, simple)?;
    let begun = Instant::now();
    let found = list(&emulator.address)?;
    println!(
        "{:<44} {:>9.2} s",
        format!("a list of all {found}"),
        begun.elapsed().as_secs_f64()
    );
    Ok(well && found == REPOSITORIES)
}

fn main() -> ExitCode {
    match measure() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("the bench stopped: {error}");
            ExitCode::FAILURE
        }
    }
}
