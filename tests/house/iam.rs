//! deploy/iam grants what the operator calls, no more, and only on what carries its owner tag.
//!
//! [`crate::iam_decisions`] tries the same files on requests.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::source::Source;

pub(crate) const DIRECTORY: &str = "deploy/iam";

/// What a role may do with repositories: by the cluster's name, and by the session's tag.
pub(crate) const OF_REPOSITORIES: [&str; 2] =
    ["operator-policy.json", "member-policy-session-tags.json"];

/// What stands for the cluster in the second, in place of the name in the first.
pub(crate) const BY_SESSION: &str = "${aws:PrincipalTag/ecr-operator.dev/cluster}";

const RESOURCE_TAG: &str = "aws:ResourceTag/ecr-operator.dev/owner";
const REQUEST_TAG: &str = "aws:RequestTag/ecr-operator.dev/owner";

/// The only writes that a tag in the request is enough for: there may be no repository yet.
const BY_REQUEST_TAG: [&str; 2] = ["ecr:CreateRepository", "ecr:TagResource"];

pub(crate) fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(DIRECTORY)
        .join(name);
    fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// Every policy of the directory, with its name.
fn all() -> Vec<(String, Value)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(DIRECTORY);
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "json"))
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    let parse = |name: String| {
        let policy = serde_json::from_str(&file(&name));
        let policy = policy.unwrap_or_else(|why| panic!("{DIRECTORY}/{name}: {why}"));
        (name, policy)
    };
    names.into_iter().map(parse).collect()
}

pub(crate) fn statements(policy: &Value) -> &[Value] {
    policy["Statement"].as_array().map_or(&[], Vec::as_slice)
}

/// A string, or a list of strings.
pub(crate) fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
        value => value.as_str().into_iter().collect(),
    }
}

fn granted(policy: &Value) -> BTreeSet<String> {
    statements(policy)
        .iter()
        .filter(|it| it["Effect"] == "Allow")
        .flat_map(|it| strings(&it["Action"]))
        .map(str::to_owned)
        .collect()
}

/// The operations of ECR, by the emulator's table, which a test of its own holds to AWS's model.
fn operations() -> Vec<String> {
    let table = Source::all(&["tests/emulator/src/api"]);
    let table = table.iter().find(|it| it.path.ends_with("/table.rs"));
    let text = &table.unwrap().text;
    let literals = text.split('"').skip(1).step_by(2);
    literals.map(str::to_owned).collect()
}

/// `DescribeImages` as the SDK's method, `describe_images`.
fn method(operation: &str) -> String {
    let mut name = String::new();
    for it in operation.chars() {
        if it.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(it.to_lowercase());
    }
    name
}

/// The actions that sources need, by the SDK's methods that they call: `.describe_images()`.
fn called(sources: &[Source], operations: &[String]) -> BTreeSet<String> {
    let calls = |method: &str| {
        sources.iter().any(|source| {
            let shape = [".", method, "(", ")"];
            let mut windows = source.tokens().windows(shape.len());
            windows.any(|tokens| tokens.iter().map(|it| it.text.as_str()).eq(shape))
        })
    };
    let mut called: BTreeSet<String> = operations
        .iter()
        .filter(|operation| calls(&method(operation)))
        .map(|operation| format!("ecr:{operation}"))
        .collect();
    // Of AWS's other services. GetCallerIdentity needs no permission; roles are the hub's matter.
    if calls("get_resources") {
        called.insert("tag:GetResources".to_owned());
    }
    called
}

fn unequal(granted: &BTreeSet<String>, called: &BTreeSet<String>) -> impl Iterator<Item = String> {
    let missing = called.difference(granted);
    let missing = missing.map(|it| format!("allow {it}: src/ecr calls it"));
    let idle = granted.difference(called);
    let idle = idle.map(|it| format!("take {it} out: src/ecr does not call it"));
    missing.chain(idle).collect::<Vec<_>>().into_iter()
}

fn is_read(action: &str) -> bool {
    let operation = action.split(':').nth(1).unwrap_or_default();
    ["Describe", "Get", "List"]
        .iter()
        .any(|it| operation.starts_with(it))
}

/// Whether a statement holds only where this key has a value of this cluster's.
fn asks_for(statement: &Value, key: &str) -> bool {
    let values = strings(&statement["Condition"]["StringLike"][key]);
    let ours = |it: &&str| ["CLUSTER_NAME/*", &format!("{BY_SESSION}/*")].contains(it);
    !values.is_empty() && values.iter().all(ours)
}

/// What is wrong with a statement about repositories.
fn loose(statement: &Value) -> Vec<String> {
    let sid = statement["Sid"].as_str().unwrap_or("a statement");
    let mut faults = broad(statement);
    if statement["Effect"] != "Allow" {
        return faults;
    }
    let actions = strings(&statement["Action"]);
    let of_ecr = actions.iter().any(|it| it.starts_with("ecr:"));
    let repositories = "arn:aws:ecr:REGION:ACCOUNT_ID:repository/";
    let resources = strings(&statement["Resource"]);
    if of_ecr && !resources.iter().all(|it| it.starts_with(repositories)) {
        faults.push(format!("{sid}: begin each resource with {repositories}"));
    }
    let mut writes = actions.iter().filter(|it| !is_read(it));
    let by_request = |it: &&str| BY_REQUEST_TAG.contains(it) && asks_for(statement, REQUEST_TAG);
    if !asks_for(statement, RESOURCE_TAG) && !writes.all(by_request) {
        faults.push(format!(
            "{sid}: hold its writes to StringLike {RESOURCE_TAG}"
        ));
    }
    let named = format!("{repositories}NAME_PREFIX*");
    if actions.iter().any(|it| !is_read(it)) && resources != [named.as_str()] {
        faults.push(format!("{sid}: hold its writes to {named}"));
    }
    faults
}

/// What no statement has: wildcards in actions, and all but what is named.
fn broad(statement: &Value) -> Vec<String> {
    let sid = statement["Sid"].as_str().unwrap_or("a statement");
    let mut faults = Vec::new();
    for turned in ["NotAction", "NotResource", "NotPrincipal"] {
        if !statement[turned].is_null() {
            faults.push(format!("{sid}: name what it is about, without {turned}"));
        }
    }
    let actions = strings(&statement["Action"]);
    if actions.is_empty() || actions.iter().any(|it| it.contains(['*', '?'])) {
        faults.push(format!("{sid}: name each action"));
    }
    let everybody = statement["Principal"] == "*" || statement["Principal"]["AWS"] == "*";
    // What a Deny names is shut out.
    let everybody = everybody && statement["Effect"] != "Deny";
    if everybody || statement["Principal"].is_object() && statement["Condition"].is_null() {
        faults.push(format!("{sid}: name whom it trusts, and on what condition"));
    }
    faults
}

/// Words in capitals that somebody has to replace.
fn placeholders(text: &str) -> BTreeSet<&str> {
    text.split(|it: char| !it.is_ascii_alphanumeric() && it != '_')
        .filter(|it| it.len() > 3 && !it.contains(|it: char| !it.is_ascii_uppercase() && it != '_'))
        .collect()
}

#[test]
fn policies_grant_what_is_called() {
    let called = called(&Source::all(&["src/ecr"]), &operations());
    assert!(called.len() > 10, "too few to be all: {called:?}");
    let actions =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/domain/action.rs"))
            .unwrap();
    for operation in operations()
        .iter()
        .filter(|it| actions.contains(&format!("\"{it}\"")))
    {
        let action = format!("ecr:{operation}");
        assert!(
            called.contains(&action),
            "{action} is an Action that src/ecr does not call"
        );
    }
    for name in OF_REPOSITORIES {
        let policy = serde_json::from_str(&file(name)).unwrap();
        let faults: Vec<_> = unequal(&granted(&policy), &called).collect();
        assert!(
            faults.is_empty(),
            "{DIRECTORY}/{name}\n{}\n",
            faults.join("\n")
        );
    }
}

/// A class with lists refuses denials of these: one that is missing would lock the operator out.
#[test]
fn what_no_tenant_may_deny_is_what_is_called() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/domain/operations.rs");
    let text = fs::read_to_string(file).unwrap();
    let (_, used) = text.split_once("const USED").unwrap();
    let used: BTreeSet<String> = used
        .split('"')
        .skip(1)
        .step_by(2)
        .map(|operation| format!("ecr:{operation}"))
        .collect();
    let mut called = called(&Source::all(&["src/ecr"]), &operations());
    called.retain(|action| action.starts_with("ecr:"));
    assert_eq!(used, called);
}

#[test]
fn policies_are_narrow() {
    for (name, policy) in all() {
        let rule = if OF_REPOSITORIES.contains(&name.as_str()) {
            loose
        } else {
            broad
        };
        let faults: Vec<_> = statements(&policy).iter().flat_map(rule).collect();
        assert!(
            faults.is_empty(),
            "{DIRECTORY}/{name}\n{}\n",
            faults.join("\n")
        );
        assert_eq!(policy["Version"], "2012-10-17", "{name}: variables need it");
        let mut sids = BTreeSet::new();
        for statement in statements(&policy) {
            let sid = statement["Sid"].as_str().unwrap_or_default();
            let legal = !sid.is_empty() && sid.chars().all(char::is_alphanumeric);
            assert!(
                legal && sids.insert(sid),
                "{name}: {sid:?} is no Sid, or comes twice"
            );
        }
        assert!(!sids.is_empty(), "{name} has no statement");
    }
}

#[test]
fn the_hub_only_assumes_named_roles() {
    let hub: Value = serde_json::from_str(&file("hub-policy.json")).unwrap();
    let only = ["sts:AssumeRole", "sts:TagSession"].map(str::to_owned);
    assert_eq!(granted(&hub), BTreeSet::from(only));
    for resource in statements(&hub)
        .iter()
        .flat_map(|it| strings(&it["Resource"]))
    {
        let named = resource.starts_with("arn:aws:iam::") && !resource.contains(['*', '?']);
        assert!(named, "{resource}: name each role");
    }
}

#[test]
fn session_tags_change_nothing_but_the_name() {
    let [by_name, by_session] = OF_REPOSITORIES.map(file);
    let [name, session] = OF_REPOSITORIES;
    assert!(
        by_name.replace("CLUSTER_NAME", BY_SESSION) == by_session,
        "make {session} anew: {name} with {BY_SESSION} in place of CLUSTER_NAME"
    );
}

#[test]
fn the_readme_explains_files_and_placeholders() {
    let readme = file("README.md");
    for (name, _) in all() {
        assert!(
            readme.contains(&format!("]({name})")),
            "link {name} in {DIRECTORY}/README.md"
        );
        for word in placeholders(&file(&name)) {
            assert!(
                readme.contains(&format!("| `{word}` |")),
                "explain {word} of {name} in {DIRECTORY}/README.md"
            );
        }
    }
}

#[test]
fn what_is_wrong_is_found() {
    let operations = ["DescribeImages", "PutImage", "TagResource"].map(str::to_owned);
    let source = Source::new(
        "src/ecr/a.rs",
        "ecr\n.describe_images()\n.send();\n// .put_image()\nx.tag_resource(1);",
    );
    let called = called(&[source], &operations);
    assert_eq!(called, BTreeSet::from(["ecr:DescribeImages".to_owned()]));
    let one = |action: &str| BTreeSet::from([action.to_owned()]);
    assert_eq!(unequal(&called, &called).count(), 0);
    let other = one("ecr:PutImage");
    assert_eq!(unequal(&other, &called).count(), 2, "idle and missing");

    let faults = |change: &dyn Fn(&mut Value)| {
        let policy: Value = serde_json::from_str(&file(OF_REPOSITORIES[0])).unwrap();
        let write = statements(&policy)
            .iter()
            .find(|it| it["Sid"] == "WriteWhatIsOurs");
        let mut write = write.unwrap().clone();
        change(&mut write);
        loose(&write).len()
    };
    assert_eq!(faults(&|_| ()), 0);
    assert_eq!(faults(&|it| it["Condition"] = Value::Null), 1);
    assert_eq!(
        faults(&|it| it["Condition"]["StringLike"][RESOURCE_TAG] = "*".into()),
        1
    );
    assert_eq!(
        faults(&|it| it["Condition"] =
            serde_json::json!({"StringLike": {REQUEST_TAG: "CLUSTER_NAME/*"}})),
        1
    );
    assert_eq!(faults(&|it| it["Action"] = "ecr:*".into()), 1);
    assert_eq!(faults(&|it| it["Resource"] = "*".into()), 2);
    let every = "arn:aws:ecr:REGION:ACCOUNT_ID:repository/*";
    assert_eq!(faults(&|it| it["Resource"] = every.into()), 1);
    assert_eq!(faults(&|it| it["NotAction"] = "ecr:PutImage".into()), 1);
    assert_eq!(
        broad(&serde_json::json!({"Action": "sts:AssumeRole", "Principal": {"AWS": "*"}})).len(),
        1
    );
    assert_eq!(
        placeholders("arn:aws:ecr:REGION:ACCOUNT_ID AWS"),
        BTreeSet::from(["ACCOUNT_ID", "REGION"])
    );
}
