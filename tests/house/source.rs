//! A Rust source as the rules see it: its text, its tokens and the paths that it names.

use std::fmt;
use std::fs;
use std::path::Path;

/// A file.
pub(crate) struct Source {
    /// From the root of the repository, with slashes.
    pub(crate) path: String,
    pub(crate) text: String,
    tokens: Vec<Token>,
}

/// A word or a sign outside comments and literals; `::` is one sign.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// A path as `["std", "time", "Instant"]`, taken out of the braces of its `use`.
#[derive(Debug, PartialEq)]
pub(crate) struct Named {
    pub(crate) line: usize,
    pub(crate) segments: Vec<String>,
    /// How many modules of the same file stand around it.
    pub(crate) inline_modules: usize,
}

/// What is wrong, where, and what to do.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            tokens: tokens(&blank(text)),
        }
    }

    /// Every `.rs` file below these directories of the repository.
    pub(crate) fn all(directories: &[&str]) -> Vec<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut sources = Vec::new();
        for directory in directories {
            read(root, &root.join(directory), &mut sources);
        }
        sources
    }

    pub(crate) fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The directory below `src/`, or the name of a file there.
    pub(crate) fn room(&self) -> Option<&str> {
        let below = self.path.strip_prefix("src/")?;
        below.split('/').next()?.split('.').next()
    }

    pub(crate) fn fault(&self, line: usize, what: impl Into<String>) -> Fault {
        Fault {
            path: self.path.clone(),
            line,
            what: what.into(),
        }
    }

    /// Every path of more than one segment.
    pub(crate) fn paths(&self) -> Vec<Named> {
        let mut named = Vec::new();
        let mut modules = Modules::default();
        for at in 0..self.tokens.len() {
            modules.step(&self.tokens, at);
            let begins = is_word(&self.tokens, at)
                && is(&self.tokens, at + 1, "::")
                && (at == 0 || !is(&self.tokens, at - 1, "::"));
            if begins {
                let mut found = Vec::new();
                expand(&self.tokens, at, &[], &mut found);
                named.extend(found.into_iter().map(|(line, segments)| Named {
                    line,
                    segments,
                    inline_modules: modules.open.len(),
                }));
            }
        }
        named
    }
}

fn read(root: &Path, directory: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            read(root, &path, sources);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            let text = fs::read_to_string(&path).unwrap();
            sources.push(Source::new(&name.replace('\\', "/"), &text));
        }
    }
}

/// Counts the modules that are written out (`mod tests {`) around a token.
#[derive(Default)]
struct Modules {
    depth: usize,
    open: Vec<usize>,
}

impl Modules {
    fn step(&mut self, tokens: &[Token], at: usize) {
        match tokens[at].text.as_str() {
            "{" => {
                if at >= 2 && is(tokens, at - 2, "mod") {
                    self.open.push(self.depth);
                }
                self.depth += 1;
            }
            "}" => {
                self.depth = self.depth.saturating_sub(1);
                if self.open.last() == Some(&self.depth) {
                    self.open.pop();
                }
            }
            _ => {}
        }
    }
}

fn is(tokens: &[Token], at: usize, text: &str) -> bool {
    tokens.get(at).is_some_and(|token| token.text == text)
}

fn is_word(tokens: &[Token], at: usize) -> bool {
    tokens.get(at).is_some_and(|token| {
        token
            .text
            .starts_with(|it: char| it.is_alphabetic() || it == '_')
    })
}

/// Takes the path that begins at a token out of its braces; returns where it ends.
fn expand(
    tokens: &[Token],
    mut at: usize,
    before: &[String],
    found: &mut Vec<(usize, Vec<String>)>,
) -> usize {
    let mut segments = before.to_vec();
    loop {
        if is(tokens, at, "{") {
            return expand_group(tokens, at + 1, &segments, found);
        }
        if !is_word(tokens, at) && !is(tokens, at, "*") {
            return at + 1;
        }
        segments.push(tokens[at].text.clone());
        if !is(tokens, at + 1, "::")
            || !(is_word(tokens, at + 2) || is(tokens, at + 2, "{") || is(tokens, at + 2, "*"))
        {
            found.push((tokens[at].line, segments));
            return at + 1;
        }
        at += 2;
    }
}

/// Takes each path out of `{a::b, c as d}`; returns where the group ends.
fn expand_group(
    tokens: &[Token],
    mut at: usize,
    before: &[String],
    found: &mut Vec<(usize, Vec<String>)>,
) -> usize {
    while at < tokens.len() && !is(tokens, at, "}") {
        if is(tokens, at, "as") {
            at += 2;
        } else if is(tokens, at, ",") {
            at += 1;
        } else {
            at = expand(tokens, at, before, found);
        }
    }
    at + 1
}

fn tokens(code: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let word = rest
                .find(|it: char| !it.is_alphanumeric() && it != '_')
                .unwrap_or(rest.len());
            let length = match word {
                0 if rest.starts_with("::") => 2,
                0 => first.len_utf8(),
                word => word,
            };
            let (text, after) = rest.split_at(length);
            tokens.push(Token {
                line: index + 1,
                text: text.to_owned(),
            });
            rest = after.trim_start();
        }
    }
    tokens
}

/// The text with spaces in place of comments and literals, line for line.
fn blank(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = skip(rest, code.chars().next_back());
        let length = skipped.unwrap_or(first.len_utf8());
        let (part, after) = rest.split_at(length);
        if skipped.is_some() {
            code.extend(part.chars().map(|it| if it == '\n' { '\n' } else { ' ' }));
        } else {
            code.push_str(part);
        }
        rest = after;
    }
    code
}

/// The length of the comment or literal that begins here, if one does.
fn skip(rest: &str, before: Option<char>) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment(rest));
    }
    if rest.starts_with('"') {
        return Some(quoted(rest, '"'));
    }
    let in_word = before.is_some_and(|it| it.is_alphanumeric() || it == '_');
    if !in_word && (rest.starts_with("r\"") || rest.starts_with("r#") || rest.starts_with("br")) {
        return raw_string(rest);
    }
    if rest.starts_with('\'') {
        return character(rest);
    }
    None
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, it) in rest.char_indices().skip(1) {
        match it {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            it if it == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn raw_string(rest: &str) -> Option<usize> {
    let after = rest.trim_start_matches('b').strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let body = after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let begin = rest.len() - body.len();
    Some(
        body.find(&end)
            .map_or(rest.len(), |at| begin + at + end.len()),
    )
}

/// A character, unless it is a lifetime.
fn character(rest: &str) -> Option<usize> {
    let mut characters = rest.char_indices().skip(1);
    let (_, first) = characters.next()?;
    let (at, second) = characters.next()?;
    if first == '\\' {
        return Some(quoted(rest, '\''));
    }
    (second == '\'').then_some(at + 1)
}

#[test]
fn comments_and_literals_are_no_code() {
    let text =
        "a /* b /* c */ d */ e // f\n\"g \\\" h\" i r#\"j \" k\"# 'l' 'm: '\\'' n b\"o\" br\"p\"";
    let words: Vec<String> = Source::new("a.rs", text)
        .tokens
        .into_iter()
        .filter(|token| token.text.starts_with(char::is_alphabetic))
        .map(|token| format!("{}{}", token.text, token.line))
        .collect();
    assert_eq!(words, ["a1", "e1", "i2", "m2", "n2", "b2"]);
}

#[test]
fn paths_are_taken_out_of_braces() {
    let text = "use std::{fs, time::{self as t, Instant}};\nmod tests {\n use super::*;\n}\nlet a = b::<u8>::c(d::e);";
    let paths: Vec<String> = Source::new("a.rs", text)
        .paths()
        .into_iter()
        .map(|it| {
            format!(
                "{} {} {}",
                it.line,
                it.segments.join("::"),
                it.inline_modules
            )
        })
        .collect();
    assert_eq!(
        paths,
        [
            "1 std::fs 0",
            "1 std::time::self 0",
            "1 std::time::Instant 0",
            "1 time::self 0",
            "1 time::Instant 0",
            "3 super::* 1",
            "5 b 0",
            "5 d::e 0",
        ]
    );
}
