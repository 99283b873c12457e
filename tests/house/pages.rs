//! The pages: every relative link leads somewhere, and troubleshooting knows every reason.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use ecr_operator::domain::reason::Reason;

const PLACES: [&str; 4] = ["", "docs", "deploy", "tests"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every page below the places; of the root, those that are in it.
fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    let mut left: Vec<PathBuf> = PLACES.iter().map(|it| root().join(it)).collect();
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let deeper = directory != root().join("") && path.is_dir();
            if deeper && path.file_name().is_some_and(|it| it != "target") {
                left.push(path);
            } else if path.extension().is_some_and(|it| it == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    pages
}

/// The page without its blocks of code, in which brackets mean something else.
fn prose(text: &str) -> String {
    let blocks = text.split("```").step_by(2);
    let mut prose = String::new();
    for block in blocks {
        // And without code in a line.
        prose.extend(block.split('`').step_by(2));
    }
    prose
}

/// What the links of a page lead to.
fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    let targets = prose.split("](").skip(1);
    targets
        .filter_map(|it| it.split(')').next())
        .map(|it| it.split_whitespace().collect())
        .collect()
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut in_code = false;
    let headings = text.lines().filter_map(|line| {
        in_code ^= line.starts_with("```");
        let heading = line.trim_start_matches('#');
        (!in_code && heading.starts_with(' ') && heading.len() < line.len()).then_some(heading)
    });
    headings
        .map(|heading| {
            let kept = heading.trim().to_lowercase();
            let kept = kept
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

/// The links of a page that lead nowhere; `read` gives the text of a file, and nothing if there is none.
fn broken(page: &Path, text: &str, read: impl Fn(&Path) -> Option<String>) -> Vec<String> {
    let leads = |link: &str| {
        let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
        let target = if file.is_empty() {
            Some(text.to_owned())
        } else {
            read(&page.parent().unwrap().join(file))
        };
        target.is_some_and(|it| anchor.is_empty() || anchors(&it).contains(anchor))
    };
    let links = links(text).into_iter().filter(|it| !it.contains("://"));
    links.filter(|link| !leads(link)).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let read = |path: &Path| {
        if path.is_dir() {
            return Some(String::new());
        }
        fs::read_to_string(path).ok()
    };
    let mut faults = Vec::new();
    let pages = pages();
    assert!(pages.len() > 10, "only {pages:?}");
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        let broken = broken(&page, &text, read);
        let page = page.strip_prefix(root()).unwrap().display();
        faults.extend(broken.iter().map(|link| format!("{page}: {link}")));
    }
    assert!(
        faults.is_empty(),
        "these lead nowhere:\n{}\n",
        faults.join("\n")
    );
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let text = "# A b, `c-D`!\n[a](#a-b-c-d) [b](x.md#y) [c](x.md#z) [d](no.md) [e](#no) \
                [f](https://x/#y) `[g](no)`\n```\n# no\n[h](no)\n```\n[i](x.md)";
    let read = |path: &Path| path.ends_with("x.md").then(|| "## Y".to_owned());
    assert_eq!(
        broken(Path::new("p.md"), text, read),
        ["x.md#z", "no.md", "#no"]
    );
}

/// Both ways: each reason has a row with cause, check and cure, and each row is of a reason.
#[test]
fn troubleshooting_knows_every_reason() {
    let page = fs::read_to_string(root().join("docs/troubleshooting.md")).unwrap();
    let part = page.split("\n## By reason").nth(1).unwrap();
    let part = part.split("\n## ").next().unwrap();
    let rows = part.lines().filter(|line| line.starts_with("| `"));
    let mut found = Vec::new();
    for row in rows {
        let row = row.replace("\\|", "");
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert!(
            cells.len() == 4 && cells.iter().all(|it| !it.is_empty()),
            "reason, cause, check and cure: {row}"
        );
        found.push(cells[0].trim_matches('`').to_owned());
    }
    found.sort();
    let mut reasons: Vec<String> = Reason::ALL.iter().map(ToString::to_string).collect();
    reasons.sort();
    assert_eq!(found, reasons);
}
