//! Logs, to standard error. What is logged may change while the process runs.

use std::{borrow::Cow, io, path::Path, time::Duration};

use tracing::{Metadata, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer as _, Registry,
    filter::{FilterExt as _, FilterFn, filter_fn},
    fmt,
    layer::SubscriberExt as _,
    reload,
    util::SubscriberInitExt as _,
};

use super::{
    lines::{Lines, one_line},
    traces::Traces,
};

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

/// The words that say how much is logged.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Reads what is to be logged: levels, or targets with theirs. The tracing crate takes any other word for a target,
/// of which all is logged, and of everything else nothing.
///
/// # Errors
/// Names the part that says neither.
pub fn read_levels(text: &str) -> Result<EnvFilter, String> {
    let is_level = |word: &str| LEVELS.iter().any(|level| word.eq_ignore_ascii_case(level));
    let parts = text.split(',').map(str::trim);
    let parts: Vec<_> = parts.filter(|it| !it.is_empty()).collect();
    for part in &parts {
        let level = part.rsplit_once('=').map_or(*part, |(_, level)| level);
        if !is_level(level) {
            return Err(format!(
                "give a level, or target=level, separated by commas, where a level is one of {}: {part:?} is \
                 neither",
                LEVELS.join(", ")
            ));
        }
    }
    EnvFilter::try_new(parts.join(",")).map_err(|error| error.to_string())
}

/// A text that is not logged but printed, in one line as those of the log.
#[must_use]
pub fn plain(text: &str) -> Cow<'_, str> {
    one_line(text, LogFormat::Text)
}

/// Starts logging, and tracing where that is asked for. `filter` is a list of `target=level`.
///
/// # Errors
/// Where the filter can't be read.
pub fn init(format: LogFormat, filter: &str, traces: Option<&Traces>) -> Result<Levels, String> {
    let (parsed, handle) = reload::Layer::new(read_levels(filter)?);
    let filtered = parsed.and(loud());
    let to = move || Lines::new(io::stderr(), format);
    let stderr = fmt::layer().with_writer(to);
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
    /// Follows a file, which says what --log would; while it is missing or empty, --log counts. What can't be read
    /// changes nothing. Never ends. It is read again and again: Kubernetes changes a mounted `ConfigMap` by
    /// turning links.
    pub async fn follow(self, file: &Path) {
        let mut known = Ok(String::new());
        let mut ticks = tokio::time::interval(LOOKS);
        loop {
            ticks.tick().await;
            let read = match tokio::fs::read_to_string(file).await {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
                read => read.map(|text| text.trim().to_owned()),
            };
            let read = read.map_err(|error| error.to_string());
            if read == known {
                continue;
            }
            match &read {
                Ok(wanted) => self.set(wanted),
                Err(why) => stays(&file.display().to_string(), why),
            }
            known = read;
        }
    }

    fn set(&self, wanted: &str) {
        let filter = if wanted.is_empty() {
            self.default.as_str()
        } else {
            wanted
        };
        let done = read_levels(filter).and_then(|parsed| {
            let reloaded = self.handle.reload(parsed);
            reloaded.map_err(|error| error.to_string())
        });
        match done {
            // An error only by its level: it must show, whatever was logged until now.
            Ok(()) => tracing::error!(filter, "what is logged has changed"),
            Err(why) => stays(filter, &why),
        }
    }
}

fn stays(filter: &str, why: &str) {
    tracing::error!(filter, why, "what is logged stays: it can't be read");
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
            move || Lines::new(kept.clone(), LogFormat::Text)
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
            for nonsense in [
                "a=b=c",
                "infoo",
                "ecr_operator=infoo",
                "info,debugg",
                "ecr_operator",
            ] {
                levels.set(nonsense);
            }
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

    #[test]
    fn a_level_is_one_of_six_words() {
        for text in [
            "info",
            "WARN",
            "off",
            "info,ecr_operator=debug",
            " info , ecr_operator::ecr=trace ",
            "ecr_operator[pass]=debug",
            "",
        ] {
            assert!(read_levels(text).is_ok(), "{text}");
        }
        for text in [
            "infoo",
            "info,infoo",
            "ecr_operator",
            "ecr_operator=infoo",
            "3",
        ] {
            let why = read_levels(text).unwrap_err();
            assert!(
                why.contains("off, error, warn, info, debug, trace"),
                "{why}"
            );
        }
    }

    #[test]
    fn no_field_forges_a_line() {
        const SAID: &str = "a\n2026-01-01T00:00:00Z  INFO forged\r\u{1b}[31m\0\u{202e}\u{2028}z";
        let text = logged("info", |_| {
            let span = tracing::info_span!("pass", object = SAID, shown = %SAID);
            let _entered = span.enter();
            tracing::info!(said = SAID, shown = %SAID, debug = ?SAID, "{SAID}");
        });
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        let hidden =
            |c: char| c != '\n' && (c.is_control() || matches!(c, '\u{202e}' | '\u{2028}'));
        assert!(!text.contains(hidden), "{text}");
    }
}
