//! What `PromQL` names: enough of its grammar to tell metrics and labels from the rest.

use std::{collections::BTreeSet, iter::Peekable, str::Chars};

/// Words that take a list of labels.
const LISTS: [&str; 6] = [
    "by",
    "group_left",
    "group_right",
    "ignoring",
    "on",
    "without",
];
/// Words that are no metrics; aggregations among them, which may stand before a list.
const WORDS: [&str; 11] = [
    "and", "avg", "bool", "count", "inf", "max", "min", "offset", "or", "sum", "unless",
];

/// The metrics and labels of a query.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Query {
    pub(crate) metrics: BTreeSet<String>,
    /// Labels that are matched or grouped by.
    pub(crate) labels: BTreeSet<String>,
    /// Those that a result has, where it is grouped.
    pub(crate) grouped: Option<BTreeSet<String>>,
}

impl Query {
    pub(crate) fn read(text: &str) -> Self {
        let mut query = Self::default();
        let mut rest = text.chars().peekable();
        while let Some(next) = rest.peek().copied() {
            match next {
                '"' => drop(quoted(&mut rest)),
                '[' => drop(until(&mut rest, ']')),
                '{' => query.matchers(&mut rest),
                _ if is_name(next) => query.word(&mut rest),
                _ => drop(rest.next()),
            }
        }
        query
    }

    fn word(&mut self, rest: &mut Peekable<Chars<'_>>) {
        let word = name(rest);
        if word.starts_with(|c: char| c.is_ascii_digit()) || WORDS.contains(&word.as_str()) {
            return;
        }
        while rest.next_if(|c| c.is_whitespace()).is_some() {}
        let opens = rest.peek() == Some(&'(');
        if LISTS.contains(&word.as_str()) && opens {
            let list = until(rest, ')');
            let labels = list
                .trim_start_matches('(')
                .trim_end_matches(')')
                .split(',');
            let labels: BTreeSet<_> = labels.map(|it| it.trim().to_owned()).collect();
            if word == "by" {
                self.grouped = Some(labels.clone());
            }
            self.labels.extend(labels);
        } else if !opens {
            self.metrics.insert(word);
        }
    }

    fn matchers(&mut self, rest: &mut Peekable<Chars<'_>>) {
        while let Some(next) = rest.peek().copied() {
            match next {
                '}' => break,
                '"' => drop(quoted(rest)),
                _ if is_name(next) => {
                    self.labels.insert(name(rest));
                }
                _ => drop(rest.next()),
            }
        }
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

fn name(rest: &mut Peekable<Chars<'_>>) -> String {
    std::iter::from_fn(|| rest.next_if(|c| is_name(*c))).collect()
}

fn until(rest: &mut Peekable<Chars<'_>>, end: char) -> String {
    let mut text = String::new();
    for c in rest.by_ref() {
        text.push(c);
        if c == end {
            break;
        }
    }
    text
}

fn quoted(rest: &mut Peekable<Chars<'_>>) -> String {
    rest.next();
    until(rest, '"')
}

/// What stands between the signs, such as the labels of a legend or of an annotation.
pub(crate) fn between<'a>(text: &'a str, open: &'a str, close: &'a str) -> Vec<&'a str> {
    let parts = text.split(open).skip(1);
    parts
        .filter_map(|it| Some(it.split_once(close)?.0.trim()))
        .collect()
}

#[test]
fn metrics_and_labels_are_told_from_the_rest() {
    let set = |names: &[&str]| names.iter().map(|&it| it.to_owned()).collect();
    let query = Query::read(
        r#"histogram_quantile(0.99, sum by (le, a) (rate(x_bucket{b=~"$c|d", e!="f"}[$__rate_interval])))
           / on (g) y_total > 1e3 or vector(0) and bool 5m"#,
    );
    assert_eq!(query.metrics, set(&["x_bucket", "y_total"]));
    assert_eq!(query.labels, set(&["a", "b", "e", "g", "le"]));
    assert_eq!(query.grouped, Some(set(&["a", "le"])));
    assert_eq!(between("a {{b}} {{ c }}", "{{", "}}"), ["b", "c"]);
}
