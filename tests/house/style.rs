//! How sources look.

use crate::source::{Fault, Source};
use crate::{check, expect};

const EVERYWHERE: [&str; 3] = ["src", "tests", "xtask"];

const LONGEST: usize = 600;

/// Words for what was left undone; in two parts, or this file would have them.
const UNDONE: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

fn length(source: &Source) -> Vec<Fault> {
    let lines = source.text.lines().count();
    if lines <= LONGEST {
        return Vec::new();
    }
    let advice =
        format!("{lines} lines, more than {LONGEST}: split it by what its parts are about");
    vec![source.fault(LONGEST + 1, advice)]
}

fn undone(source: &Source) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        let mut words = line.split(|it: char| !it.is_alphanumeric());
        if words.any(|word| UNDONE.contains(&word)) {
            faults.push(source.fault(
                index + 1,
                "do it now, or open an issue and say here what holds until then",
            ));
        }
    }
    faults
}

/// An exception from a lint says why: `reason = "…"`, or a comment beside or above it.
fn unexplained(source: &Source) -> Vec<Fault> {
    let lines: Vec<&str> = source.text.lines().collect();
    let comment = |line: usize| lines.get(line).is_some_and(|it| it.contains("//"));
    let above = |line: usize| {
        let above = line.checked_sub(1).and_then(|it| lines.get(it));
        let text = above.map(|it| it.trim_start()).unwrap_or_default();
        text.starts_with("//") && !text.starts_with("///") && !text.starts_with("//!")
    };
    let tokens = source.tokens();
    let mut faults = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let exception = ["allow", "expect"].contains(&token.text.as_str())
            && at >= 2
            && tokens[at - 1].text == "["
            && ["#", "!"].contains(&tokens[at - 2].text.as_str());
        let mut inside = tokens[at..].iter().take_while(|it| it.text != "]");
        if exception && !inside.any(|it| it.text == "reason") {
            let line = token.line - 1;
            if !comment(line) && !above(line) {
                faults.push(source.fault(
                    token.line,
                    "say why the lint is wrong here: reason = \"…\"; or do what it says",
                ));
            }
        }
    }
    faults
}

#[test]
fn no_file_is_too_long() {
    check(&EVERYWHERE, length);
}

#[test]
fn nothing_is_left_undone() {
    check(&EVERYWHERE, undone);
}

#[test]
fn exceptions_from_lints_are_explained() {
    check(&EVERYWHERE, unexplained);
}

#[test]
fn faults_of_style_are_found() {
    expect(length, "src/a.rs", &"\n".repeat(LONGEST), &[]);
    expect(
        length,
        "src/a.rs",
        &"\n".repeat(LONGEST + 1),
        &[LONGEST + 1],
    );

    let text = format!("// {}: a\nlet a = \"{}\";\nTODOS", UNDONE[0], UNDONE[1]);
    expect(undone, "src/a.rs", &text, &[1, 2]);

    expect(
        unexplained,
        "src/a.rs",
        "/// Doc.\n#[allow(dead_code)]\nfn f() {}",
        &[2],
    );
    expect(unexplained, "src/a.rs", "\n#![allow(dead_code)]", &[2]);
    expect(unexplained, "src/a.rs", "#[expect(\n  dead_code,\n)]", &[1]);
    let explained = "#[allow(\n  dead_code,\n  reason = \"a\"\n)]\n#[allow(a)] // b\n// c\n#[allow(d)]\nx.expect(\"y\")";
    expect(unexplained, "src/a.rs", explained, &[]);
}
