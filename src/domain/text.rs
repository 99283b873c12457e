//! Text that shows what it says.

/// Whether a character does not show, or shows others in another order ("Unicode Bidirectional
/// Algorithm", explicit formatting characters): no word of AWS has one. Tabs and line ends may stand
/// in a text.
pub(super) fn is_hidden(c: char) -> bool {
    let formats = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    formats || (c.is_control() && !matches!(c, '\t' | '\n' | '\r'))
}

/// Whether a text has such a character.
pub(super) fn hides(text: &str) -> bool {
    text.chars().any(is_hidden)
}

/// A text, cut to so many characters.
pub(super) fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The first `most` of many words, with the number of the others.
pub(super) fn some(words: impl IntoIterator<Item = String>, most: usize) -> String {
    let words: Vec<String> = words.into_iter().collect();
    let named = words.iter().take(most).map(String::as_str);
    let named = named.collect::<Vec<_>>().join(", ");
    match words.len().saturating_sub(most) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_show_is_found() {
        for text in [
            "a\0",
            "\u{1b}[31m",
            "\u{7f}",
            "\u{85}",
            "a\u{202e}b",
            "\u{2066}",
        ] {
            assert!(hides(text), "{text:?}");
        }
        for text in ["", "two\nlines\tand\r\nthree", "שלום", "Björk", "\u{200d}"] {
            assert!(!hides(text), "{text:?}");
        }
    }
}
