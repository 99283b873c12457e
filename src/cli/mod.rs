//! The command line.

pub mod crds;
mod run;
mod values;
pub mod yaml;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::telemetry::plain;

/// Makes AWS ECR match custom resources.
#[derive(Debug, Parser)]
#[command(name = "ecr-operator", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the controller.
    Run(Box<run::Flags>),
    /// Prints the custom resource definitions.
    Crds,
}

/// Parses the command line and runs the command. Errors are printed once, here.
#[must_use]
pub fn main() -> ExitCode {
    let command = values::without_empty_variables(Cli::command());
    let cli = Cli::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit());
    let outcome = match cli.command {
        Command::Run(flags) => run::run(*flags),
        Command::Crds => print_crds(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", plain(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}

fn print_crds() -> anyhow::Result<()> {
    use std::io::Write as _;
    std::io::stdout().write_all(crds::stream()?.as_bytes())?;
    Ok(())
}
