//! The emulator as a program.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Output, Stdio};

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ecr-emulator"));
    command
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Kills the program if a test fails before it has ended.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn stop_with(signal: &str) {
    let mut running = Running(program(&["--listen", "127.0.0.1:0"]).spawn().unwrap());
    let mut output = BufReader::new(running.0.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    let url = line.trim().strip_prefix("listening on ").unwrap();
    let address = url.strip_prefix("http://").unwrap();
    assert!(address.starts_with("127.0.0.1:"));
    std::net::TcpStream::connect(address).unwrap();
    let killed = Command::new("kill")
        .args([signal, &running.0.id().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    assert!(
        running.0.wait().unwrap().success(),
        "{signal} ends it cleanly"
    );
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "", "one line and no more");
}

#[test]
fn it_says_where_it_listens_and_stops_on_a_signal() {
    stop_with("-TERM");
    stop_with("-INT");
}

fn failing(arguments: &[&str]) -> (String, Output) {
    let output = program(arguments).output().unwrap();
    assert!(!output.status.success());
    (String::from_utf8(output.stderr.clone()).unwrap(), output)
}

#[test]
fn it_refuses_what_is_not_loopback() {
    let (message, output) = failing(&["--listen", "0.0.0.0:0"]);
    assert!(
        message.contains("0.0.0.0:0 is not a loopback address"),
        "{message}"
    );
    assert!(output.stdout.is_empty());
}

#[test]
fn it_explains_wrong_arguments() {
    assert!(failing(&["--listen", "nonsense"]).0.contains("--listen"));
    assert!(failing(&["--port", "1"]).0.contains("--port"));
}

#[test]
fn it_says_when_the_port_is_taken() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (message, _) = failing(&["--listen", &address]);
    assert!(message.contains(&address), "{message}");
}
