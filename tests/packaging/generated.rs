//! What is written from something else is fresh.

use std::{fmt::Write as _, fs, path::Path};

use xtask::paths::workspace;

use crate::{flags, helm::chart, kustomize::kustomize};

/// Compares a file with what it is to be, or writes it.
#[track_caller]
fn fresh(path: &Path, wanted: &str) {
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, wanted).unwrap();
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == wanted,
        "{} is stale: UPDATE=1 cargo test --test packaging",
        path.display()
    );
}

/// The text with another part between two marks.
fn between(text: &str, marks: [&str; 2], part: &str) -> String {
    let (before, rest) = text.split_once(marks[0]).unwrap();
    let (_, after) = rest.split_once(marks[1]).unwrap();
    format!("{before}{}{part}{}{after}", marks[0], marks[1])
}

/// The names of a directory's files, in order.
fn files(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Helm packages what is below the chart, and follows no path out of it.
#[test]
fn the_charts_copies_are_fresh() {
    let copied = |from: &str, to: &str| {
        let text = fs::read_to_string(workspace().join(from)).unwrap();
        fresh(&chart().join("files").join(to), &text);
    };
    let names = files(&workspace().join("crds"));
    for name in &names {
        copied(&format!("crds/{name}"), &format!("crds/{name}"));
    }
    assert_eq!(files(&chart().join("files/crds")), names);
    for name in [
        "prometheus-rule.yaml",
        "prometheus-rule-objects.yaml",
        "dashboard.json",
    ] {
        copied(
            &format!("deploy/monitoring/{name}"),
            &format!("monitoring/{name}"),
        );
    }
}

/// One test: the table of values is made from the values.
#[test]
fn every_flag_of_the_program_is_a_value_of_the_chart() {
    let path = chart().join("values.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let values: String = flags::of_operator().map(|it| it.value()).collect();
    let marks = ["  # BEGIN flags\n", "  # END flags\n"];
    let values = between(&text, marks, &values);
    fresh(&path, &values);

    let path = chart().join("values.schema.json");
    let text = fs::read_to_string(&path).unwrap();
    let marks = ["    \"operator\": ", ",\n    \"image\": "];
    fresh(&path, &between(&text, marks, &flags::schema().to_string()));

    let path = chart().join("README.md");
    let text = fs::read_to_string(&path).unwrap();
    let marks = ["<!-- BEGIN values -->\n", "<!-- END values -->\n"];
    fresh(&path, &between(&text, marks, &table(&values)));
}

/// The table of values.yaml: each leaf, with the comment above it.
fn table(values: &str) -> String {
    let mut table = "| value | default | |\n|---|---|---|\n".to_owned();
    let (mut above, mut comment): (Vec<(usize, String)>, String) = Default::default();
    let lines: Vec<&str> = values.lines().collect();
    for (number, line) in lines.iter().enumerate() {
        let text = line.trim_start();
        let depth = line.len() - text.len();
        if let Some(words) = text.strip_prefix('#') {
            if !["BEGIN flags", "END flags"].contains(&words.trim()) {
                comment = format!("{comment} {}", words.trim());
            }
            continue;
        }
        let Some((key, value)) = text.split_once(':') else {
            comment.clear();
            continue;
        };
        above.retain(|it| it.0 < depth);
        let path = above.iter().map(|it| format!("{}.", it.1));
        let path = path.chain([key.to_owned()]).collect::<String>();
        let value = value.trim();
        let parent = value.is_empty() && lines.get(number + 1).is_some();
        if parent {
            above.push((depth, key.to_owned()));
        }
        if !parent || !comment.is_empty() {
            let shown = if parent {
                String::new()
            } else {
                format!("`{value}`")
            };
            let about = comment.trim().replace('|', "\\|").replace('<', "&lt;");
            writeln!(table, "| `{path}` | {shown} | {about} |").unwrap();
        }
        comment.clear();
    }
    table
}

#[test]
fn install_yaml_is_fresh() {
    let mut text =
        "# Generated from crds/ and deploy/kustomize/base by `UPDATE=1 cargo test --test \
                    packaging`; not to be edited.\n"
            .to_owned();
    let crds = workspace().join("crds");
    for name in files(&crds) {
        text.push_str("---\n");
        text.push_str(&fs::read_to_string(crds.join(name)).unwrap());
    }
    text.push_str("---\n");
    text.push_str(&kustomize("deploy/kustomize/base"));
    fresh(&workspace().join("deploy/install.yaml"), &text);
}
