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

/// Starts logging. `filter` is a list of `target=level`, as of the tracing crate. The HTTP and AWS
/// libraries stay at info whatever it says: below that they print headers, and so credentials.
///
/// # Errors
/// Where the filter can't be read.
pub fn init(format: LogFormat, filter: &str) -> Result<(), tracing_subscriber::filter::ParseError> {
    let mut parsed = EnvFilter::try_new(filter)?;
    for target in ["aws_smithy_runtime", "aws_smithy_runtime_api", "aws_sdk_ecr", "aws_sdk_sts", "aws_config", "aws_sigv4", "aws_runtime", "hyper", "hyper_util", "h2", "rustls"] {
        parsed = parsed.add_directive(format!("{target}=warn").parse()?);
    }
    let registry = tracing_subscriber::registry().with(parsed);
    let stderr = fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Text => registry.with(stderr.with_ansi(false)).init(),
        LogFormat::Json => registry.with(stderr.json()).init(),
    }
    Ok(())
}
