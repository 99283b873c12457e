//! Runs one task of the local stack; the Makefile builds what they need first.

mod bench;
mod demo;
mod local;
mod narration;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// The local stack and the benches. Start them with make, which builds what they need.
#[derive(Debug, Parser)]
#[command(name = "xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Start the local stack in the background
    Up {
        /// Without the operator
        #[arg(long)]
        no_operator: bool,
    },
    /// Stop the local stack
    Down,
    /// Show the main job, in a stack of its own
    Demo,
    /// Measure, in a stack of its own; it fails when a number is over its limit
    Bench {
        /// What is measured; when absent, what takes about twenty minutes together
        parts: Vec<bench::Part>,
        /// Everything, with 10,000 objects and an hour of changes: some three hours
        #[arg(long)]
        long: bool,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let task = run(Arguments::parse().task);
    // Dropped here on Ctrl-C, the task takes down what it has started.
    let outcome = tokio::select! {
        outcome = task => outcome,
        signal = stop_signal() => signal,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nfailed: {error}");
            for cause in error.chain().skip(1) {
                eprintln!("because: {cause}");
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(task: Task) -> Result<()> {
    match task {
        Task::Up { no_operator } => local::up(!no_operator).await,
        Task::Down => local::down().await,
        Task::Demo => Box::pin(demo::run()).await,
        Task::Bench { parts, long } => Box::pin(bench::run(&parts, long)).await,
    }
}

async fn stop_signal() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    anyhow::bail!("stopped by a signal")
}
