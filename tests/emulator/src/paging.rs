//! Pages with opaque tokens.
//!
//! A token names the last key of its page, not a position, so entries that come or go between two
//! pages neither repeat nor hide others.

use std::ops::Bound;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::error::Error;
use crate::state::sha256_hex;

/// A page when the caller does not say how long.
const DEFAULT_PAGE: usize = 100;

/// The part of a list that a call asks for.
#[derive(Debug)]
pub(crate) struct Page {
    /// Binds a token to its operation, repository and filter.
    scope: String,
    after: Option<String>,
    size: usize,
}

impl Page {
    /// Reads `nextToken` and `maxResults`. A token of another list is refused: AWS does not publish
    /// the words that it uses for it, the shape is that of its other refusals.
    pub(crate) fn read(input: &Value, scope: String) -> Result<Self, Error> {
        let after = match input.get("nextToken").and_then(Value::as_str) {
            None => None,
            Some(token) => Some(decode(token, &scope).ok_or_else(|| {
                Error::invalid(
                    "nextToken",
                    "The token is invalid; take it from the last answer",
                )
            })?),
        };
        let size = input
            .get("maxResults")
            .and_then(Value::as_u64)
            .and_then(|size| usize::try_from(size).ok())
            .unwrap_or(DEFAULT_PAGE);
        Ok(Self { scope, after, size })
    }

    /// The same page, but of that size if the caller did not say how long.
    pub(crate) fn or_size(mut self, input: &Value, size: usize) -> Self {
        if input.get("maxResults").is_none_or(Value::is_null) {
            self.size = size;
        }
        self
    }

    /// Where the page begins.
    pub(crate) fn start(&self) -> Bound<&str> {
        self.after
            .as_deref()
            .map_or(Bound::Unbounded, Bound::Excluded)
    }

    /// Whether a key is behind the start of the page, for lists that cannot be ranged over.
    pub(crate) fn follows(&self, key: &str) -> bool {
        self.after.as_deref().is_none_or(|after| key > after)
    }

    /// Takes the page from entries that are sorted by key and begin at [`Self::start`]; the token
    /// is there if and only if an entry follows.
    pub(crate) fn take<K: AsRef<str>, T>(
        &self,
        entries: impl Iterator<Item = (K, T)>,
    ) -> (Vec<T>, Option<String>) {
        let mut entries = entries.peekable();
        let mut page = Vec::new();
        while let Some((key, entry)) = entries.next() {
            page.push(entry);
            if page.len() == self.size {
                let token = entries
                    .peek()
                    .is_some()
                    .then(|| encode(key.as_ref(), &self.scope));
                return (page, token);
            }
        }
        (page, None)
    }
}

/// An answer with the token of the next page, if there is one.
pub(crate) fn with_token(mut answer: Value, token: Option<String>) -> Value {
    if let (Some(token), Some(members)) = (token, answer.as_object_mut()) {
        members.insert("nextToken".to_owned(), token.into());
    }
    answer
}

/// A token of ECR's lists.
const OF_ECR: &str = "nextToken";
/// A token of the tagging API.
const OF_TAGGING: &str = "PaginationToken";

/// An input that asks for the first page, whatever it asked for.
pub(crate) fn without_token(input: &Value) -> Value {
    let mut input = input.clone();
    for name in [OF_ECR, OF_TAGGING] {
        input.as_object_mut().and_then(|it| it.remove(name));
    }
    input
}

/// An answer that says that another page follows, in the same word each time.
pub(crate) fn with_repeated_token(mut answer: Value) -> Value {
    if let Some(members) = answer.as_object_mut() {
        let of_tagging = members.contains_key(OF_TAGGING);
        let name = if of_tagging { OF_TAGGING } else { OF_ECR };
        members.insert(name.to_owned(), "again".into());
    }
    answer
}

/// The key behind a digest that nobody makes up by accident.
fn encode(key: &str, scope: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}{key}", seal(key, scope)))
}

fn decode(token: &str, scope: &str) -> Option<String> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let (found, key) = text.split_at_checked(SEAL)?;
    (found == seal(key, scope)).then(|| key.to_owned())
}

const SEAL: usize = 16;

fn seal(key: &str, scope: &str) -> String {
    let mut hash = sha256_hex(format!("{scope}\n{key}").as_bytes());
    hash.truncate(SEAL);
    hash
}

/// Refuses paging together with a list of names or ids: the model's documentation of `nextToken`
/// and `maxResults` says that they cannot be used then.
pub(crate) fn refuse_with(input: &Value, list: &str) -> Result<(), Error> {
    let given = |name: &str| input.get(name).is_some_and(|value| !value.is_null());
    if !given(list) {
        return Ok(());
    }
    match ["maxResults", "nextToken"]
        .into_iter()
        .find(|name| given(name))
    {
        None => Ok(()),
        Some(name) => Err(Error::invalid(
            name,
            format!("{name} cannot be used together with {list}"),
        )),
    }
}
