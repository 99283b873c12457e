//! The emulator as a program.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use ecr_emulator::Emulator;
use tokio::signal::unix::{SignalKind, signal};

/// A strict stand-in for the control plane of AWS ECR.
#[derive(Debug, Parser)]
#[command(name = "ecr-emulator", version)]
struct Arguments {
    /// Where to listen, on loopback only; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ecr-emulator: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> std::io::Result<()> {
    // Before anybody can know that it is ready: a signal that comes at once must be seen.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let emulator = Emulator::start(arguments.listen).await?;
    println!("listening on {}", emulator.url());
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
