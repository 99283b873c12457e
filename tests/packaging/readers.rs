//! What is shipped reads the same under YAML 1.1 and YAML 1.2.
//!
//! kubectl, Helm and Argo CD read a text of 1.1 into JSON and take no dates; Kustomize, and with it Flux and
//! `kubectl apply -k`, does: a definition with `enum: [2012-10-17]` reached the cluster as
//! `"2012-10-17T00:00:00Z"`, and every policy with a version was refused. 1.2 is read by `serde_yaml`, 1.1 by `PyYAML`
//! and, where that does not know it either, by its own pages (`readers.py`).

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use ecr_operator::cli::yaml;
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde::Deserialize;
use serde_json::{Value, json};
use xtask::paths::{target, workspace};

use crate::{
    helm::{VARIANTS, documents, template},
    kustomize::kustomize,
};

/// Pinned: the judge is the same everywhere.
const PYYAML: &str = "pyyaml==6.0.3";

/// What the reader of 1.1 says of a stream.
#[derive(Debug, Deserialize)]
struct Judged {
    documents: Vec<Value>,
    /// Words that another reader takes for something else.
    doubtful: Vec<String>,
}

/// Runs `python3`, which must succeed.
#[track_caller]
fn python(arguments: &[&str], path: &Path, input: &str) -> Vec<u8> {
    let mut child = Command::new("python3")
        .args(arguments)
        .env("PYTHONPATH", path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("YAML 1.1 is read by python3, with its pip: {error}"));
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "python3 {arguments:?}");
    output.stdout
}

/// `PyYAML`, fetched once to a directory under `target/`.
fn installed() -> PathBuf {
    let directory = target().join("tools").join(PYYAML);
    if !directory.exists() {
        // Under its final name only when it is whole; two tests may fetch it at once.
        let new = tempfile::tempdir_in(target()).unwrap();
        let to = new.path().to_str().unwrap();
        let pip = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--target",
            to,
            PYYAML,
        ];
        python(&pip, Path::new(""), "");
        fs::create_dir_all(directory.parent().unwrap()).unwrap();
        let moved = fs::rename(new.path(), &directory);
        assert!(moved.is_ok() || directory.exists(), "{moved:?}");
    }
    directory
}

fn judged(texts: &BTreeMap<String, String>) -> BTreeMap<String, Judged> {
    let script = workspace().join("tests/packaging/readers.py");
    let input = serde_json::to_string(texts).unwrap();
    let output = python(&[script.to_str().unwrap()], &installed(), &input);
    serde_json::from_slice(&output).unwrap()
}

/// Both readers find the same in each text, and nothing in it is for a third to take otherwise.
#[track_caller]
fn are_read_alike(texts: &BTreeMap<String, String>) {
    let mut wrong = String::new();
    for (name, judged) in judged(texts) {
        if !judged.doubtful.is_empty() {
            writeln!(wrong, "{name}: quote {:#?}", judged.doubtful).unwrap();
        }
        let mut read = documents(&texts[&name]);
        read.iter_mut().for_each(numbers);
        let other = judged.documents.into_iter().filter(|it| !it.is_null());
        if read != other.collect::<Vec<_>>() {
            writeln!(wrong, "{name}: YAML 1.1 and 1.2 find different values").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// All files below a directory that end in `.yaml` or `.md`. A chart's templates are no YAML before they are rendered.
fn below(directory: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![workspace().join(directory)];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).unwrap();
            left.extend(
                entries
                    .map(|it| it.unwrap().path())
                    .filter(|it| !it.ends_with("templates")),
            );
        } else if path
            .extension()
            .is_some_and(|it| it == "yaml" || it == "yml" || it == "md")
        {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_file_is_read_alike() {
    let mut texts = BTreeMap::new();
    for path in ["crds", "deploy", "docs"].into_iter().flat_map(below) {
        let text = fs::read_to_string(&path).unwrap();
        let name = path
            .strip_prefix(workspace())
            .unwrap()
            .display()
            .to_string();
        if path.extension().is_some_and(|it| it == "md") {
            // What people copy from.
            for (number, block) in text.split("```yaml\n").skip(1).enumerate() {
                let block = block.split("```").next().unwrap();
                texts.insert(format!("{name}, block {number}"), block.to_owned());
            }
        } else {
            texts.insert(name, text);
        }
    }
    assert!(texts.len() > 140, "{}", texts.len());
    are_read_alike(&texts);
}

#[test]
fn what_the_chart_renders_is_read_alike() {
    let rendered = VARIANTS.map(|it| (it.to_owned(), template(it, &[])));
    are_read_alike(&rendered.into());
}

#[test]
fn what_our_writer_writes_is_read_alike() {
    let word = prop::sample::select(vec![
        "1", "0", "9", "e", "E", "x", "o", "b", ".", ":", "-", "+", "_", "T", "Z", " ", "on", "No",
        "y", "~", "a", "=", "<", "inf", "\n",
    ]);
    let text = prop::collection::vec(word, 0..7).prop_map(|it| it.concat());
    let object = prop::collection::btree_map(text.clone(), text, 0..30);
    let mut runner = TestRunner::deterministic();
    let texts = (0..200).map(|number| {
        let object = object.new_tree(&mut runner).unwrap().current();
        (number.to_string(), yaml::text(&object).unwrap())
    });
    are_read_alike(&texts.collect());
}

/// `1.0` is 1 in JSON, and Kustomize writes it so.
fn numbers(value: &mut Value) {
    match value {
        Value::Number(it) if it.is_f64() => {
            let float = it.as_f64().unwrap();
            // Exact, whoever reads it: what is larger is in no file.
            let whole = float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0;
            *value = if whole {
                json!(format!("{float:.0}").parse::<i64>().unwrap())
            } else {
                json!(float)
            };
        }
        Value::Array(items) => items.iter_mut().for_each(numbers),
        Value::Object(fields) => fields.values_mut().for_each(numbers),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The objects of a stream by kind, namespace and name.
fn objects(text: &str) -> BTreeMap<String, Value> {
    let named = |mut it: Value| {
        numbers(&mut it);
        let meta = &it["metadata"];
        (
            format!("{} {} {}", it["kind"], meta["namespace"], meta["name"]),
            it,
        )
    };
    documents(text).into_iter().map(named).collect()
}

/// As Flux does with a directory that has no kustomization.yaml, and `kubectl apply -k` with one that has.
#[test]
fn kustomize_renders_what_is_written() {
    let root = workspace().join("target/packaging");
    fs::create_dir_all(&root).unwrap();
    let directory = tempfile::tempdir_in(root).unwrap();
    let names: Vec<String> = below("crds")
        .into_iter()
        .chain([workspace().join("deploy/install.yaml")])
        .chain(
            fs::read_dir(workspace().join("deploy/samples"))
                .unwrap()
                .map(|it| it.unwrap().path()),
        )
        .filter(|it| it.extension().is_some_and(|it| it == "yaml"))
        .map(|it| it.display().to_string())
        .collect();
    for name in names {
        let text = fs::read_to_string(&name).unwrap();
        // Kustomize takes relative paths alone, and no file from outside.
        fs::write(directory.path().join("all.yaml"), &text).unwrap();
        fs::write(
            directory.path().join("kustomization.yaml"),
            "resources: [all.yaml]\n",
        )
        .unwrap();
        let rendered = kustomize(directory.path().to_str().unwrap());
        let rendered = objects(&rendered);
        for (object, written) in objects(&text) {
            assert!(
                rendered[&object] == written,
                "{name}: {object} is another once Kustomize has read it"
            );
        }
    }
}
