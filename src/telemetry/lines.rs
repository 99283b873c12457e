//! Each line of the log is one line: nobody whose words stand in it can end it, begin another, or make a
//! terminal show something else than what is there.
//!
//! The formatter hands over one event at a time, as a whole, so one place sees to all of its fields. And to how
//! long they are: whoever says something of any length does not fill the disk of the node.

use std::{borrow::Cow, fmt::Write as _, io};

use serde_json::Value;

use super::{logs::LogFormat, words::ended};

/// The longest line, in bytes: as long as a container runtime takes without cutting it in two (CRI, 16 KiB).
const LONGEST: usize = 16 * 1024;

/// Of each text in a line of JSON that would be longer.
const LONGEST_TEXT: usize = 1024;

/// Writes events, each of which ends in its only line end.
#[derive(Debug)]
pub(super) struct Lines<W> {
    to: W,
    format: LogFormat,
}

impl<W> Lines<W> {
    pub(super) fn new(to: W, format: LogFormat) -> Self {
        Self { to, format }
    }
}

impl<W: io::Write> io::Write for Lines<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let mut line = one_line(&with_an_end(line, self.format), self.format).into_owned();
        line.push('\n');
        self.to.write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// The line, or what is told of one that is too long.
fn with_an_end(line: &str, format: LogFormat) -> Cow<'_, str> {
    if line.len() <= LONGEST {
        return Cow::Borrowed(line);
    }
    let short = match format {
        LogFormat::Text => None,
        // Still an object of JSON: only its texts are cut.
        LogFormat::Json => serde_json::from_str(line).ok().map(|mut event| {
            shorten(&mut event);
            event.to_string()
        }),
    };
    Cow::Owned(short.unwrap_or_else(|| ended(line, LONGEST)))
}

fn shorten(value: &mut Value) {
    match value {
        Value::String(text) => *text = ended(text, LONGEST_TEXT),
        Value::Array(values) => values.iter_mut().for_each(shorten),
        Value::Object(values) => values.values_mut().for_each(shorten),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The text with all that does not show written out.
pub(super) fn one_line(text: &str, format: LogFormat) -> Cow<'_, str> {
    if !text.contains(is_invisible) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len().saturating_add(16));
    for c in text.chars() {
        match (c, format) {
            (c, _) if !is_invisible(c) => line.push(c),
            ('\n', LogFormat::Text) => line.push_str("\\n"),
            (c, LogFormat::Text) => line.extend(c.escape_unicode()),
            (c, LogFormat::Json) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a String does not fail.
                    let _ = write!(line, "\\u{unit:04x}");
                }
            }
        }
    }
    Cow::Owned(line)
}

/// Whether a character does not show, or shows others in another order or place (Unicode: control and format
/// characters, line and paragraph separators).
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// What others may say to deceive a reader.
    const SAID: &str = "a\n2026-01-01T00:00:00Z  INFO forged\r\u{1b}[31m\0\u{7f}\u{85}\u{202e}\u{2066}\u{2028}\u{feff}\u{e0041}z";

    #[test]
    fn all_that_does_not_show_is_written_out() {
        let text = one_line(SAID, LogFormat::Text);
        let expected = "a\\n2026-01-01T00:00:00Z  INFO forged\\u{d}\\u{1b}[31m\\u{0}\\u{7f}\\u{85}\\u{202e}\\u{2066}\\u{2028}\\u{feff}\\u{e0041}z";
        assert_eq!(text, expected);
        let json = serde_json::to_string(SAID).unwrap();
        let line = one_line(&json, LogFormat::Json);
        assert!(!line.contains(is_invisible), "{line}");
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), SAID);
    }

    #[test]
    fn what_shows_stays_as_it_is() {
        let text = r#"said="two words" tags={"team": "Björk שלום \n"}"#;
        assert!(matches!(one_line(text, LogFormat::Text), Cow::Borrowed(same) if same == text));
    }

    #[test]
    fn a_line_has_an_end() {
        let said = "said é ".repeat(1_000_000);
        let written = |event: &str, format| {
            let mut lines = Lines::new(Vec::new(), format);
            lines.write_all(event.as_bytes()).unwrap();
            String::from_utf8(lines.to).unwrap()
        };
        let line = written(&format!("INFO not done said={said}\n"), LogFormat::Text);
        assert!(
            line.len() <= LONGEST + 1 && line.ends_with("…\n"),
            "{}",
            line.len()
        );
        let event = serde_json::json!({
            "level": "WARN", "fields": {"said": said, "times": 3}, "spans": [{"object": "a/b"}],
        });
        let line = written(&format!("{event}\n"), LogFormat::Json);
        assert!(line.len() <= 2 * LONGEST_TEXT, "{}", line.len());
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["level"], "WARN");
        assert_eq!(read["fields"]["times"], 3);
        assert_eq!(read["spans"][0]["object"], "a/b");
        assert!(
            read["fields"]["said"]
                .as_str()
                .unwrap()
                .starts_with("said é said")
        );
    }

    #[test]
    fn an_event_is_a_line() {
        let mut lines = Lines::new(Vec::new(), LogFormat::Text);
        lines.write_all(b"one\ntwo\n").unwrap();
        lines.write_all(b"\xff\n").unwrap();
        assert_eq!(lines.to, "one\\ntwo\n\u{fffd}\n".as_bytes());
    }
}
