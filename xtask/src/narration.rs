//! What a person reads while a task runs.

use std::io::IsTerminal;
use std::time::Duration;

/// Colours, where stdout takes them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ink {
    colour: bool,
}

impl Ink {
    /// Colour on a terminal, unless `NO_COLOR` is set (<https://no-color.org>) or it has none.
    pub(crate) fn of_stdout() -> Self {
        let asked_not_to = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let colour = std::io::stdout().is_terminal() && !asked_not_to && !dumb;
        Self { colour }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(crate) fn warning(self, text: &str) -> String {
        self.paint("33", text)
    }

    /// A line that says what is so.
    pub(crate) fn check(self, text: &str) {
        println!("  {} {text}", self.good("✓"));
    }
}

/// A duration as a person says it: `0.4 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
