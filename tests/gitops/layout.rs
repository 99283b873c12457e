//! `deploy/samples/gitops` fits together: what its Applications and Kustomizations name is there, and comes in an
//! order that works. That Flux takes it is `tests/delivery`'s to show.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

/// The operator's own source, as the sample calls it; anything else is the sample itself.
const OPERATORS: &str = "https://git.example.com/mirror/ecr-operator.git";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sample() -> PathBuf {
    root().join("deploy/samples/gitops")
}

/// Every document of a directory's files, in the order of their names.
fn documents(directory: &str) -> Vec<Value> {
    let entries = fs::read_dir(sample().join(directory)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|it| it == "yaml"));
    paths.sort();
    let texts = paths.iter().map(|path| fs::read_to_string(path).unwrap());
    texts
        .flat_map(|text| serde_yaml::from_multiple::<Value>(&text).unwrap())
        .collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Whether a source has a directory of this name.
fn is_there(url: &str, path: &str) -> bool {
    let base = if url == OPERATORS {
        root().to_owned()
    } else {
        sample()
    };
    base.join(path.trim_start_matches("./")).is_dir()
}

#[test]
fn applications_lead_somewhere_and_come_in_order() {
    let applications = documents("argocd/apps");
    let wave = |it: &Value| {
        let wave = &it["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"];
        text(wave).parse::<i32>().unwrap()
    };
    let waves: Vec<i32> = applications.iter().map(wave).collect();
    assert_eq!(
        waves,
        [-2, -1, 0, 0, 0, 1],
        "definitions, operator, classes, namespaces, what teams may do, teams"
    );
    for it in documents("argocd").iter().chain(&applications) {
        let source = &it["spec"]["source"];
        let (url, path) = (text(&source["repoURL"]), text(&source["path"]));
        match text(&it["kind"]) {
            "Application" => assert!(is_there(url, path), "{it:#}"),
            "ApplicationSet" => {
                let git = &it["spec"]["generators"][0]["git"];
                assert_eq!(git["directories"][0]["path"], "teams/*");
                // Else what the set made deletes all that it brought, when the set goes or a directory.
                assert_eq!(
                    it["spec"]["syncPolicy"]["preserveResourcesOnDeletion"],
                    true
                );
                assert_eq!(it["spec"]["template"]["spec"]["project"], "ecr-teams");
            }
            "AppProject" => {
                assert_eq!(it["metadata"]["name"], "ecr-teams");
                assert_eq!(
                    it["spec"]["clusterResourceWhitelist"],
                    serde_json::json!([])
                );
            }
            // What configures Argo CD.
            kind => assert_eq!(kind, "", "{it:#}"),
        }
    }
}

/// With a definition go all objects of its kind, with a namespace all that is in it.
#[test]
fn definitions_and_namespaces_are_never_pruned() {
    let (applications, flux) = (documents("argocd/apps"), documents("flux"));
    for path in ["crds", "platform/namespaces"] {
        let of_path = |it: &&Value| it["spec"]["source"]["path"] == path;
        let application = applications.iter().find(of_path).unwrap();
        assert_eq!(
            application["spec"]["syncPolicy"]["automated"]["prune"],
            false
        );
        let of_path = |it: &&Value| it["spec"]["path"] == format!("./{path}");
        assert_eq!(flux.iter().find(of_path).unwrap()["spec"]["prune"], false);
    }
}

/// Who may write a namespace's labels decides who has a class: a team's directory holds its repositories alone.
#[test]
fn teams_bring_repositories_alone() {
    for team in fs::read_dir(sample().join("teams")).unwrap() {
        let team = team.unwrap().file_name().into_string().unwrap();
        for it in documents(&format!("teams/{team}")) {
            assert!(
                ["ECRRepository", "Kustomization"].contains(&text(&it["kind"])),
                "{it:#}"
            );
        }
        let platform = documents("platform/namespaces");
        let is_its = |it: &Value| it["kind"] == "Namespace" && it["metadata"]["name"] == *team;
        assert!(platform.iter().any(is_its), "{team} has no namespace");
    }
}

/// A class that is deleted in use cannot be had back by Git.
#[test]
fn classes_are_protected() {
    let classes = documents("platform/classes");
    let classes = classes
        .iter()
        .filter(|it| it["kind"] == "ECRRepositoryClass");
    for class in classes {
        let annotations = &class["metadata"]["annotations"];
        assert_eq!(
            annotations["argocd.argoproj.io/sync-options"],
            "Prune=false,Delete=false"
        );
        assert_eq!(annotations["kustomize.toolkit.fluxcd.io/prune"], "disabled");
    }
}

#[test]
fn kustomizations_lead_somewhere_and_wait_for_what_they_need() {
    let all = documents("flux");
    let of = |kind: &'static str| all.iter().filter(move |it| text(&it["kind"]) == kind);
    let name = |it: &Value| text(&it["metadata"]["name"]).to_owned();
    let urls: BTreeMap<String, &str> = of("GitRepository")
        .map(|it| (name(it), text(&it["spec"]["url"])))
        .collect();
    let needs: BTreeMap<String, Vec<String>> = of("Kustomization")
        .map(|it| {
            let needs = it["spec"]["dependsOn"].as_array().into_iter().flatten();
            (
                name(it),
                needs.map(|it| text(&it["name"]).to_owned()).collect(),
            )
        })
        .collect();
    for it in of("Kustomization") {
        let spec = &it["spec"];
        let url = urls[text(&spec["sourceRef"]["name"])];
        assert!(is_there(url, text(&spec["path"])), "{it:#}");
        assert!(
            spec["wait"] == true || spec["healthChecks"].is_array(),
            "nobody could wait for {it:#}"
        );
    }
    let chain = ["ecr-definitions", "ecr-operator", "ecr-classes"];
    for pair in chain.windows(2) {
        assert_eq!(needs[pair[1]], [pair[0]]);
    }
    let teams = fs::read_dir(sample().join("teams")).unwrap();
    for team in teams.map(|it| it.unwrap().file_name().into_string().unwrap()) {
        assert_eq!(
            needs[&format!("ecr-team-{team}")],
            ["ecr-classes", "ecr-namespaces"],
            "{team}"
        );
    }
}

/// What a health check names is in the directory that it waits for.
#[test]
fn health_checks_name_what_is_there() {
    for it in documents("flux") {
        for check in it["spec"]["healthChecks"].as_array().into_iter().flatten() {
            let [kind, name] = ["kind", "name"].map(|field| text(&check[field]));
            if kind == "Deployment" {
                continue;
            }
            let path = text(&it["spec"]["path"])
                .trim_start_matches("./")
                .to_owned();
            let there = documents(&path);
            let mut found = there.iter().filter(|it| it["metadata"]["name"] == name);
            assert!(
                found.any(|it| it["kind"] == kind),
                "{path} has no {kind} {name}"
            );
        }
    }
}
