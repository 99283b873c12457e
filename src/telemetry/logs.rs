//! Logs, to standard error. What is logged may change while the process runs.

use std::{path::Path, time::Duration};

use tracing::{Metadata, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer as _, Registry,
    filter::{FilterExt as _, FilterFn, ParseError, filter_fn},
    fmt,
    layer::SubscriberExt as _,
    reload,
    util::SubscriberInitExt as _,
};

use super::traces::Traces;

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
const QUIET: [&str; 14] = [
    "aws_config",
    "aws_runtime",
    "aws_sdk_ecr",
    "aws_sdk_resourcegroupstagging",
    "aws_sdk_sts",
    "aws_sigv4",
    "aws_smithy_http_client",
    "aws_smithy_runtime",
    "aws_smithy_runtime_api",
    "hyper",
    "hyper_util",
    "kube_client",
    "kube_runtime",
    "rustls",
];

/// How often the file of levels is read.
const LOOKS: Duration = Duration::from_secs(5);

/// What is logged.
pub struct Levels {
    handle: reload::Handle<EnvFilter, Registry>,
    /// What --log says.
    default: String,
}

/// Starts logging, and tracing where that is asked for. `filter` is a list of `target=level`, as of
/// the tracing crate.
///
/// # Errors
/// Where the filter can't be read.
pub fn init(
    format: LogFormat,
    filter: &str,
    traces: Option<&Traces>,
) -> Result<Levels, ParseError> {
    let (parsed, handle) = reload::Layer::new(EnvFilter::try_new(filter)?);
    let filtered = parsed.and(loud());
    let stderr = fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => stderr.with_ansi(false).with_filter(filtered).boxed(),
        LogFormat::Json => stderr.json().with_filter(filtered).boxed(),
    };
    let spans = traces.map(Traces::layer);
    tracing_subscriber::registry()
        .with(lines)
        .with(spans)
        .init();
    Ok(Levels {
        handle,
        default: filter.to_owned(),
    })
}

/// Keeps the quiet ones quiet, by a filter of its own: in one list, a longer target would win.
fn loud() -> FilterFn {
    let is_loud: fn(&Metadata<'_>) -> bool =
        |metadata| *metadata.level() == tracing::Level::ERROR || !is_quiet(metadata.target());
    filter_fn(is_loud).with_max_level_hint(LevelFilter::TRACE)
}

fn is_quiet(target: &str) -> bool {
    let krate = target.split("::").next().unwrap_or_default();
    QUIET.contains(&krate)
}

impl Levels {
    /// Follows a file, which says what --log would; while it is missing or empty, --log counts. Never
    /// ends. It is read again and again: Kubernetes changes a mounted `ConfigMap` by turning links.
    pub async fn follow(self, file: &Path) {
        let mut known = String::new();
        let mut ticks = tokio::time::interval(LOOKS);
        loop {
            ticks.tick().await;
            let text = tokio::fs::read_to_string(file).await.unwrap_or_default();
            let wanted = text.trim();
            if wanted != known {
                wanted.clone_into(&mut known);
                self.set(wanted);
            }
        }
    }

    fn set(&self, wanted: &str) {
        let filter = if wanted.is_empty() {
            self.default.as_str()
        } else {
            wanted
        };
        let parsed = EnvFilter::try_new(filter);
        let done = parsed
            .map_err(|error| error.to_string())
            .and_then(|parsed| {
                self.handle
                    .reload(parsed)
                    .map_err(|error| error.to_string())
            });
        match done {
            // An error only by its level: it must show, whatever was logged until now.
            Ok(()) => tracing::error!(filter, "what is logged has changed"),
            Err(why) => tracing::error!(filter, why, "what is logged stays: it can't be read"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        sync::{Arc, Mutex},
    };

    use super::*;

    /// Keeps what is written.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(filter: &str, log: impl Fn(&Levels)) -> String {
        let kept = Kept::default();
        let (parsed, handle) = reload::Layer::new(EnvFilter::try_new(filter).unwrap());
        let writer = {
            let kept = kept.clone();
            move || kept.clone()
        };
        let lines = fmt::layer().with_ansi(false).with_writer(writer);
        let subscriber = tracing_subscriber::registry().with(lines.with_filter(parsed.and(loud())));
        let levels = Levels {
            handle,
            default: filter.to_owned(),
        };
        tracing::subscriber::with_default(subscriber, || log(&levels));
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn no_filter_makes_the_quiet_ones_talk() {
        let text = logged("trace,aws_smithy_runtime::client=trace", |_| {
            tracing::trace!(target: "aws_smithy_runtime::client::orchestrator", "secret");
            tracing::warn!(target: "hyper", "secret");
            tracing::error!(target: "hyper", "broken");
            tracing::trace!(target: "hyperion", "ours");
        });
        assert!(!text.contains("secret"), "{text}");
        assert!(text.contains("broken") && text.contains("ours"), "{text}");
    }

    #[test]
    fn levels_change_at_once_and_nonsense_changes_nothing() {
        let text = logged("info", |levels| {
            tracing::debug!("one");
            levels.set("info,ecr_operator=debug");
            tracing::debug!("two");
            levels.set("a=b=c");
            tracing::debug!("three");
            levels.set("");
            tracing::debug!("four");
        });
        let lines = |word: &str| text.lines().filter(|line| line.ends_with(word)).count();
        assert_eq!(
            ["one", "two", "three", "four"].map(lines),
            [0, 1, 1, 0],
            "{text}"
        );
        assert!(text.contains("can't be read"), "{text}");
    }
}
