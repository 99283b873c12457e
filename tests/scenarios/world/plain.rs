//! What people read is written for people: in one line, with nothing hidden in it, no value as Rust prints it, and
//! nothing that differs from one call to the next.

use ecr_operator::api::ECRRepositoryStatus;
use k8s_openapi::api::events::v1::Event;
use kube::{Api, api::ListParams};

use super::World;

/// What Rust's own print of a value has in it.
const DEBUG: [&str; 6] = ["{ ", "Some(", "Err(", "ApiError", "ServiceError", "kube_"];

/// Looks through all that status and events ever said, and the log.
pub(super) async fn hold(world: &World, log: &str) {
    for version in world.recorder.versions() {
        for text in version.status.iter().flat_map(said) {
            is_plain(&text);
        }
    }
    let events: Api<Event> = Api::namespaced(world.client.clone(), &world.namespace);
    for event in events.list(&ListParams::default()).await.unwrap() {
        is_plain(&event.note.unwrap_or_default());
    }
    is_plain_log(log);
}

fn said(status: &ECRRepositoryStatus) -> Vec<String> {
    let conditions = status.conditions.iter().map(|it| it.message.clone());
    let pending = status.pending.iter().filter_map(|it| it.message.clone());
    conditions.chain(pending).collect()
}

/// A condition or an event.
#[track_caller]
pub(super) fn is_plain(text: &str) {
    assert!(!text.contains(is_hidden), "something is hidden: {text:?}");
    let debug = DEBUG.iter().find(|it| text.contains(**it));
    assert_eq!(debug, None, "as Rust prints it: {text}");
    // ARNs have two colons as well.
    let mut words = text.split_whitespace();
    let path = words.find(|word| word.contains("::") && !word.contains("arn:"));
    assert_eq!(path, None, "a name of Rust's: {text}");
    let id = text.to_lowercase().contains("request_id");
    assert!(!id, "another one at each call: {text}");
}

/// All lines of a log.
#[track_caller]
pub(super) fn is_plain_log(log: &str) {
    for line in log.lines() {
        assert!(!line.contains(is_hidden), "something is hidden: {line:?}");
        let debug = ["ApiError", "ServiceError", "Error {", "request_id"];
        let debug = debug.iter().find(|it| line.contains(**it));
        assert_eq!(debug, None, "as Rust prints it: {line}");
    }
}

fn is_hidden(c: char) -> bool {
    let formats = matches!(
        c,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
    );
    c.is_control() || formats
}
