//! Logs, to standard error.

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Targets that say no more than errors, whatever the filter says: the HTTP and AWS libraries print
/// headers, and so credentials, and what kube says we say with what to do about it.
const QUIET: [&str; 11] = [
    "aws_config",
    "aws_runtime",
    "aws_sdk_ecr",
    "aws_sdk_sts",
    "aws_sigv4",
    "aws_smithy_runtime",
    "aws_smithy_runtime_api",
    "hyper",
    "hyper_util",
    "kube_runtime",
    "rustls",
];

/// Starts logging. `filter` is a list of `target=level`, as of the tracing crate.
///
/// # Errors
/// Where the filter can't be read.
pub fn init(format: LogFormat, filter: &str) -> Result<(), tracing_subscriber::filter::ParseError> {
    let mut parsed = EnvFilter::try_new(filter)?;
    for target in QUIET {
        parsed = parsed.add_directive(format!("{target}=error").parse()?);
    }
    let registry = tracing_subscriber::registry().with(parsed);
    let stderr = fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Text => registry.with(stderr.with_ansi(false)).init(),
        LogFormat::Json => registry.with(stderr.json()).init(),
    }
    Ok(())
}
