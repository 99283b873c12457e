//! Who may use whom.

use crate::source::{Fault, Named, Source};
use crate::{check, expect};

/// Every room of `src/` with the rooms that it may use. An arrow that is missing here is a change of
/// the architecture: say in ARCHITECTURE.md why.
const ROOMS: [(&str, &[&str]); 7] = [
    ("api", &[]),
    ("telemetry", &[]),
    ("domain", &["api"]),
    ("ecr", &["domain", "telemetry"]),
    ("ops", &["ecr", "telemetry"]),
    ("controller", &["api", "domain", "ecr", "telemetry"]),
    (
        "cli",
        &["api", "controller", "domain", "ecr", "ops", "telemetry"],
    ),
];

/// What the program itself may use.
const MAIN: &[&str] = &["cli"];

fn arrows(source: &Source) -> Vec<Fault> {
    let room = source.room().unwrap_or_default();
    let allowed = match room {
        "lib" => return Vec::new(),
        "main" => MAIN,
        room => match ROOMS.iter().find(|(name, _)| *name == room) {
            Some((_, allowed)) => allowed,
            None => return vec![unknown(source, room)],
        },
    };
    let paths = source.paths();
    let mut forbidden: Vec<(usize, &str)> = paths
        .iter()
        .filter_map(|named| Some((named.line, target(source, named)?)))
        .filter(|(_, target)| *target != room && !allowed.contains(target))
        .collect();
    forbidden.dedup();
    forbidden
        .into_iter()
        .map(|(line, target)| {
            let advice = format!("src/{room} must not use src/{target}, only {allowed:?}: move what it needs, or pass it in");
            source.fault(line, advice)
        })
        .collect()
}

fn unknown(source: &Source, room: &str) -> Fault {
    let advice = format!(
        "src/{room} is no room of the house: put it into one, or add it to ROOMS in tests/house/arrows.rs with the rooms that it may use"
    );
    source.fault(1, advice)
}

/// The room that a path leads to, if it leads to one.
fn target<'a>(source: &Source, named: &'a Named) -> Option<&'a str> {
    let first = named.segments.first()?.as_str();
    let mut depth = match first {
        "crate" | "ecr_operator" => 0,
        "super" | "self" => depth(source) + named.inline_modules,
        _ => return None,
    };
    for segment in &named.segments {
        match segment.as_str() {
            "super" => depth = depth.saturating_sub(1),
            "self" | "crate" | "ecr_operator" => {}
            room => {
                return ROOMS
                    .iter()
                    .map(|(name, _)| *name)
                    .find(|name| depth == 0 && *name == room)
                    .map(|_| room);
            }
        }
    }
    None
}

/// How many modules the file's own is below the root.
fn depth(source: &Source) -> usize {
    let below = source.path.strip_prefix("src/").unwrap_or_default();
    let parts = below.split('/').count();
    match below.rsplit('/').next() {
        Some("mod.rs" | "lib.rs" | "main.rs") => parts - 1,
        _ => parts,
    }
}

/// The emulator reads AWS's documentation by itself, or it would share the operator's mistakes.
fn independence(source: &Source) -> Vec<Fault> {
    source
        .tokens()
        .iter()
        .filter(|token| token.text == "ecr_operator")
        .map(|token| source.fault(token.line, "the emulator shares no code with the operator: write it again from AWS's documentation"))
        .collect()
}

#[test]
fn rooms_use_only_those_below_them() {
    check(&["src"], arrows);
}

#[test]
fn the_emulator_stands_alone() {
    check(&["tests/emulator"], independence);
    let manifest = include_str!("../emulator/Cargo.toml");
    assert!(
        !manifest.contains("ecr-operator"),
        "tests/emulator/Cargo.toml: the emulator must not depend on the operator"
    );
}

#[test]
fn another_arrow_is_found() {
    expect(
        arrows,
        "src/domain/plan.rs",
        "use crate::api::Aspect;\nuse crate::ecr::Port;",
        &[2],
    );
    expect(
        arrows,
        "src/api/mod.rs",
        "use crate::{\n  api::A,\n  domain::{B, C},\n};",
        &[3],
    );
    expect(
        arrows,
        "src/telemetry/mod.rs",
        "fn f() { crate::ops::g() }",
        &[1],
    );
    expect(
        arrows,
        "src/controller/a/b.rs",
        "use super::super::super::cli::X;\nuse super::super::cli;",
        &[1],
    );
    expect(
        arrows,
        "src/ops/mod.rs",
        "mod tests {\nuse super::super::controller::X;\nuse super::controller;\n}",
        &[2],
    );
    expect(
        arrows,
        "src/main.rs",
        "use ecr_operator::cli::run;\nuse ecr_operator::domain::x;",
        &[2],
    );
    expect(arrows, "src/attic/mod.rs", "", &[1]);
    expect(
        arrows,
        "src/api/mod.rs",
        "// crate::ecr::X\nconst A: &str = \"crate::ecr::X\";",
        &[],
    );
    expect(
        independence,
        "tests/emulator/src/lib.rs",
        "use serde::A;\nuse ecr_operator::api;",
        &[2],
    );
}
