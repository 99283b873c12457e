//! The flags of `ecr-operator run`, as its help has them: each is a value of the chart.

use std::process::Command;

use serde_json::{Map, Value, json};

/// Flags that have a place of their own among the values.
const ELSEWHERE: [&str; 3] = ["cluster-name", "create-default-class", "watch-namespace"];

/// What the chart sets otherwise than the program, and why.
const SET: [(&str, &str, &str); 2] = [
    (
        "admin-addr",
        "\"0.0.0.0:8080\"",
        "Here on all interfaces: the kubelet asks from outside the pod.",
    ),
    ("leader-elect", "true", "Here on: there are two replicas."),
];

/// Flags that take a list.
const LISTS: [&str; 1] = ["previous-cluster-names"];

/// From 1 to 65535, as a regular expression.
const PORT: &str =
    "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])";

#[derive(Debug)]
pub(crate) struct Flag {
    pub(crate) name: String,
    help: String,
}

/// The flags, without those that any command has.
pub(crate) fn all() -> Vec<Flag> {
    let output = Command::new(env!("CARGO_BIN_EXE_ecr-operator"))
        .args(["run", "-h"])
        .output()
        .unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let mut flags: Vec<Flag> = Vec::new();
    for line in help.lines().map(str::trim) {
        let line = line.strip_prefix("-h, ").unwrap_or(line);
        if let Some(rest) = line.strip_prefix("--") {
            let end = rest.find([' ', '[']).unwrap_or(rest.len());
            flags.push(Flag {
                name: rest[..end].to_owned(),
                help: rest
                    .split_once("  ")
                    .map_or("", |it| it.1)
                    .trim()
                    .to_owned(),
            });
        } else if let Some(flag) = flags.last_mut() {
            if !flag.help.is_empty() {
                flag.help.push(' ');
            }
            flag.help.push_str(line);
        }
    }
    flags.retain(|it| it.name != "help");
    assert!(flags.len() > 5, "{help}");
    flags
}

/// The flags that are below `operator` in the values.
pub(crate) fn of_operator() -> impl Iterator<Item = Flag> {
    let flags = all().into_iter();
    flags.filter(|it| !ELSEWHERE.contains(&it.name.as_str()))
}

impl Flag {
    pub(crate) fn key(&self) -> String {
        let mut words = self.name.split('-');
        let first = words.next().unwrap().to_owned();
        words.fold(first, |key, word| {
            let (head, tail) = word.split_at(1);
            key + &head.to_uppercase() + tail
        })
    }

    /// What stands in brackets behind a word: `[default: 300]`.
    fn said(&self, what: &str) -> Option<&str> {
        let (_, rest) = self.help.split_once(&format!("[{what}: "))?;
        rest.split_once(']').map(|it| it.0)
    }

    /// The variable in its place.
    fn variable(&self) -> &str {
        self.said("env").unwrap().split('=').next().unwrap()
    }

    /// The largest number that it takes: `Seconds (1 to 3600)`.
    fn most(&self) -> Option<u64> {
        let (_, rest) = self.help.split_once("(1 to ")?;
        rest.split_once(')')?.0.parse().ok()
    }

    /// Its lines in values.yaml.
    pub(crate) fn value(&self) -> String {
        let about = self.help.split(" [").next().unwrap();
        let key = self.key();
        if let Some((_, value, why)) = SET.iter().find(|it| it.0 == self.name) {
            return format!("  # {about}. {why}\n  {key}: {value}\n");
        }
        let own = if LISTS.contains(&self.name.as_str()) {
            "[]"
        } else {
            "null"
        };
        let default = self.said("default");
        let default = default.map_or_else(String::new, |it| format!(" Default: {it}."));
        format!("  # {about}.{default}\n  {key}: {own}\n")
    }

    /// Its schema: what the program would refuse, as far as its help tells.
    pub(crate) fn schema(&self) -> Value {
        if let Some(values) = self
            .said("possible values")
            .filter(|it| *it != "true, false")
        {
            let values = values.split(", ").map(|it| json!(it));
            return json!({"enum": values.chain([Value::Null]).collect::<Vec<_>>()});
        }
        if LISTS.contains(&self.name.as_str()) {
            // As the program takes a cluster's name.
            json!({"type": "array", "items": {"type": "string", "pattern": "^[a-z0-9.-]{1,63}$"}})
        } else if let Some(most) = self.most() {
            json!({"type": ["integer", "null"], "minimum": 1, "maximum": most})
        } else if self.said("possible values").is_some() {
            json!({"type": ["boolean", "null"]})
        } else if self.name == "admin-addr" {
            json!({"type": "string", "pattern": format!("^.+:{PORT}$")})
        } else if self.name.ends_with("-namespace") {
            json!({"type": ["string", "null"], "maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"})
        } else if self.name.ends_with("-endpoint") || self.name.ends_with("-url") {
            json!({"type": ["string", "null"], "pattern": "^https?://.+$"})
        } else if self.name.ends_with("-file") {
            json!({"type": ["string", "null"], "pattern": "^/"})
        } else {
            json!({"type": ["string", "null"]})
        }
    }
}

/// The schema of `operator`.
pub(crate) fn schema() -> Value {
    let properties: Map<String, Value> = of_operator().map(|it| (it.key(), it.schema())).collect();
    json!({"type": "object", "additionalProperties": false, "properties": properties})
}

#[test]
fn help_is_read_as_it_is_meant() {
    let flags = all();
    let names: Vec<_> = flags.iter().map(|it| it.name.as_str()).collect();
    for name in ELSEWHERE
        .iter()
        .chain(&LISTS)
        .chain(SET.iter().map(|it| &it.0))
    {
        assert!(names.contains(name), "{name} is no longer a flag");
    }
    let resync = flags.iter().find(|it| it.name == "resync-seconds").unwrap();
    assert_eq!(resync.key(), "resyncSeconds");
    assert_eq!(resync.said("default"), Some("300"));
    assert_eq!(resync.most(), Some(31_536_000));
    assert_eq!(resync.said("env"), Some("ECR_OPERATOR_RESYNC_SECONDS="));
}

/// What the program says to these arguments, by which it does not start.
fn refused(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ecr-operator"));
    command.args(["run", "--cluster-name=test"]).args(arguments);
    let output = command.envs(variables.iter().copied()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        output.status.code(),
        Some(2),
        "{arguments:?} {variables:?}: {said}"
    );
    said
}

#[test]
fn every_number_of_seconds_has_a_range_that_is_told() {
    let flags = all().into_iter();
    let flags: Vec<_> = flags.filter(|it| it.name.ends_with("-seconds")).collect();
    assert!(flags.len() >= 6, "{flags:?}");
    for flag in flags {
        let most = flag.most().unwrap();
        let beyond = (most + 1).to_string();
        let range = format!("give whole seconds, from 1 to {most}\n");
        for value in [
            "-1",
            "0",
            "18446744073709551615",
            &beyond,
            "1e3",
            "never",
            "",
        ] {
            let name = format!("--{}", flag.name);
            let variable = format!(
                "ECR_OPERATOR_{}",
                flag.name.replace('-', "_").to_uppercase()
            );
            let mut refusals = vec![
                refused(&[&name, value], &[]),
                refused(&[&format!("{name}={value}")], &[]),
            ];
            // An empty variable is none.
            if !value.is_empty() {
                refusals.push(refused(&[], &[(&variable, value)]));
            }
            for said in refusals {
                assert!(said.contains(&range), "{value:?}: {said}");
            }
        }
    }
}

#[test]
fn an_empty_variable_is_one_that_is_not_set() {
    let flags = all();
    let named: Vec<_> = flags.iter().map(Flag::variable).collect();
    let started = |variables: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ecr-operator"));
        command.arg("run").env_clear();
        // As far as it comes without an API server.
        command.env("KUBECONFIG", "/dev/null");
        let output = command.envs(variables.iter().copied()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    };
    let name = ("ECR_OPERATOR_CLUSTER_NAME", "test");
    let others = named.iter().filter(|it| **it != name.0);
    let mut sets: Vec<Vec<_>> = others.map(|it| vec![(*it, ""), name]).collect();
    sets.push(sets.concat());
    // Nor is where AWS is.
    sets.push(vec![
        name,
        ("AWS_ENDPOINT_URL", ""),
        ("AWS_ENDPOINT_URL_ECR", ""),
    ]);
    for set in sets {
        let (code, said) = started(&set);
        assert_eq!(code, Some(1), "{set:?}: {said}");
        assert!(
            said.contains("no way to the Kubernetes API"),
            "{set:?}: {said}"
        );
    }
    let (code, said) = started(&[(name.0, "")]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("--cluster-name <CLUSTER_NAME>"), "{said}");
}

#[test]
fn what_names_no_place_is_refused() {
    let no_namespace = "give the name of one namespace";
    let no_address = "give an address that is asked by HTTP";
    for (flag, value, why) in [
        ("watch-namespace", "a/b", no_namespace),
        ("watch-namespace", "UPPER", no_namespace),
        ("lease-namespace", "../kube-system", no_namespace),
        ("otlp-endpoint", "ftp://x", no_address),
        ("otlp-endpoint", "collector:4318", no_address),
    ] {
        let flags = all();
        let variable = flags.iter().find(|it| it.name == flag).unwrap().variable();
        for said in [
            refused(&[&format!("--{flag}={value}")], &[]),
            refused(&[], &[(variable, value)]),
        ] {
            assert!(said.contains(why), "{said}");
        }
    }
}

#[test]
fn what_is_no_address_of_aws_is_refused_without_its_secrets() {
    for name in [
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_ECR",
        "AWS_ENDPOINT_URL_RESOURCE_GROUPS_TAGGING_API",
        "AWS_ENDPOINT_URL_STS",
    ] {
        for value in [
            "not a url",
            "ecr.example.com",
            "ftp://me:pa55word@ecr.example.com",
        ] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_ecr-operator"));
            command
                .args(["run", "--cluster-name=test"])
                .env(name, value);
            let output = command.env("KUBECONFIG", "/dev/null").output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{said}");
            assert!(said.contains(&format!("{name} is no address")), "{said}");
            assert!(!said.contains("pa55word"), "{said}");
        }
    }
}

#[test]
fn a_level_that_there_is_not_is_refused_with_those_that_there_are() {
    for value in ["infoo", "info,debugg", "ecr_operator=infoo", "ecr_operator"] {
        for said in [
            refused(&["--log", value], &[]),
            refused(&[], &[("ECR_OPERATOR_LOG", value)]),
        ] {
            assert!(
                said.contains("off, error, warn, info, debug, trace"),
                "{said}"
            );
        }
    }
}
