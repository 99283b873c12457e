//! What the chart renders, and what values it refuses.

use std::fs;

use serde_json::{Map, Value, json};

use crate::{
    flags,
    helm::{
        NAMESPACE, PROGRAMS, RELEASE, VARIANTS, chart, documents, done, done_by, helm, helm_by,
        template, template_by, values,
    },
};

/// What stands elsewhere, and is held fresh from there, is left out.
fn brief(mut object: Value) -> Value {
    let kind = object["kind"].as_str().unwrap().to_owned();
    let dashboard = object.pointer("/data/dashboard.json").is_some();
    if kind == "CustomResourceDefinition" || kind == "PrometheusRule" {
        assert!(object["spec"].is_object());
        object["spec"] = json!("…");
    }
    if dashboard {
        object["data"]["dashboard.json"] = json!("…");
    }
    object
}

#[test]
fn each_variant_renders_as_before() {
    for variant in VARIANTS {
        let objects = documents(&template(variant, &[])).into_iter().map(brief);
        let texts: Vec<_> = objects
            .map(|it| serde_yaml::to_string(&it).unwrap())
            .collect();
        insta::assert_snapshot!(variant, texts.join("---\n"));
    }
}

#[test]
fn helm_3_renders_what_helm_4_renders() {
    for variant in VARIANTS {
        let [four, three] = PROGRAMS.map(|it| documents(&template_by(it, variant, &[])));
        assert_eq!(four, three, "{variant}");
    }
}

#[test]
fn lint_has_nothing_to_say() {
    for (variant, program) in VARIANTS
        .iter()
        .flat_map(|it| PROGRAMS.map(|program| (it, program)))
    {
        let (chart, values) = (chart(), values(variant));
        let args = ["lint", "--strict", "-f", values.to_str().unwrap()];
        let said = done_by(
            program,
            &[args.as_slice(), &[chart.to_str().unwrap()]].concat(),
            None,
        );
        assert!(
            said.contains("1 chart(s) linted, 0 chart(s) failed"),
            "{said}"
        );
        assert!(!said.contains("[WARNING]"), "{said}");
    }
}

/// What is set beside a cluster's name, and what the refusal names.
const REFUSED: [(&str, &str); 50] = [
    ("clusterName=Not A Name", "clusterName"),
    ("clusterName=", "clusterName"),
    ("clusterNam=typo", "clusterNam"),
    ("watchNamespace=Not_One", "watchNamespace"),
    ("aws.region=nowhere", "region"),
    ("aws.endpointUrl=file:///etc/passwd", "endpointUrl"),
    ("aws.profile=x", "profile"),
    ("operator.resyncSeconds=soon", "resyncSeconds"),
    ("operator.resyncSeconds=0", "resyncSeconds"),
    ("operator.resyncSecond=30", "resyncSecond"),
    ("operator.logFormat=xml", "logFormat"),
    ("operator.leaderElect=yes", "leaderElect"),
    ("operator.previousClusterNames=a", "previousClusterNames"),
    ("replicas=two", "replicas"),
    ("image.digest=latest", "digest"),
    ("crds.instal=false", "instal"),
    (
        "terminationGracePeriodSeconds=25",
        "terminationGracePeriodSeconds",
    ),
    ("networkPolicy.apiPorts={0}", "apiPorts"),
    ("serviceMonitor.interval=often", "interval"),
    ("operator.leaderElect=false", "set replicas to 1"),
    ("operator.adminAddr=0.0.0.0:99999", "adminAddr"),
    ("operator.adminAddr=0.0.0.0:0", "adminAddr"),
    (
        "operator.previousClusterNames={A/b}",
        "previousClusterNames",
    ),
    ("operator.leaseNamespace=UPPER", "leaseNamespace"),
    ("operator.otlpEndpoint=collector:4318", "otlpEndpoint"),
    ("operator.logLevelsFile=levels", "logLevelsFile"),
    (
        "operator.leaseDurationSeconds=5",
        "set operator.leaseRetrySeconds to less",
    ),
    (
        "operator.leaseRenewDeadlineSeconds=15",
        "set operator.leaseRetrySeconds to less",
    ),
    (
        "operator.leaseRetrySeconds=5",
        "set operator.leaseRetrySeconds to less",
    ),
    ("podDisruptionBudget.maxUnavailable=0", "maxUnavailable"),
    ("podDisruptionBudget.maxUnavailable=abc", "maxUnavailable"),
    ("podDisruptionBudget.maxUnavailable=0%", "maxUnavailable"),
    (r"podLabels.app\.kubernetes\.io/name=other", "podLabels"),
    (r"podLabels.app\.kubernetes\.io/instance=other", "podLabels"),
    ("podLabels.team=a b", "podLabels"),
    (r"podAnnotations.checksum/config=other", "podAnnotations"),
    ("image.tag=a b", "tag"),
    ("image.repository=a b", "repository"),
    ("image.repository=ecr-operator:0.1.0", "repository"),
    (
        "image.repository=example.com/ecr-operator@sha256:0",
        "repository",
    ),
    ("imagePullSecrets={registry}", "imagePullSecrets"),
    (
        "extraEnv[0].name=POD_NAMESPACE,extraEnv[0].value=a",
        "extraEnv",
    ),
    ("extraEnv[0].name=POD_NAME,extraEnv[0].value=a", "extraEnv"),
    ("extraEnv[0].value=a", "extraEnv"),
    (
        "extraVolumeMounts[0].name=a,extraVolumeMounts[0].mountPath=etc",
        "mountPath",
    ),
    ("serviceAccount.name=Not A Name", "serviceAccount"),
    (
        r"serviceAccount.annotations.eks\.amazonaws\.com/role-arn=role",
        "role-arn",
    ),
    ("priorityClassName=High", "priorityClassName"),
    ("serviceMonitor.labels.release=a b", "serviceMonitor"),
    (
        "service.enabled=false,serviceMonitor.enabled=true",
        "set service.enabled to true",
    ),
];

#[test]
fn what_could_not_work_is_refused_and_named() {
    let path = chart();
    for (set, names) in REFUSED {
        let args = ["template", RELEASE, path.to_str().unwrap(), "-n", NAMESPACE];
        let name = ["--set", "clusterName=test", "--set", set];
        for program in PROGRAMS {
            let output = helm_by(program, &[args.as_slice(), &name].concat(), None);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success(), "{program} accepted: {set}");
            // Helm 3 says them with slashes between.
            let said = said.replace('/', ".");
            assert!(
                said.contains(&names.replace('/', ".")),
                "{program}, {set}: {said}"
            );
        }
    }
    let output = helm(&["template", RELEASE, path.to_str().unwrap()], None);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains("clusterName"),
        "{said}"
    );
}

/// What is not far from what is refused, and is right.
const TAKEN: [&str; 9] = [
    "operator.adminAddr=[::]:65535",
    "operator.previousClusterNames={a.b-1,c}",
    "operator.leaseDurationSeconds=16\\,operator.leaseRenewDeadlineSeconds=15",
    "podDisruptionBudget.maxUnavailable=50%",
    "podLabels.team=payments",
    "image.repository=localhost:5000/team/ecr-operator",
    "image.repository=111122223333.dkr.ecr.eu-west-1.amazonaws.com/ecr-operator",
    "image.tag=v0.1.0_1",
    r"serviceAccount.annotations.eks\.amazonaws\.com/role-arn=arn:aws-us-gov:iam::111122223333:role/a/b",
];

#[test]
fn what_can_work_is_taken() {
    for set in TAKEN {
        template("default", &[&set.replace("\\,", ",")]);
    }
}

/// Helm 3 asks a cluster for them: `server.rs` installs and upgrades with both.
#[test]
fn notes_promise_nothing_that_has_not_happened() {
    let (chart, values) = (chart(), values("default"));
    let args = [
        "install",
        RELEASE,
        chart.to_str().unwrap(),
        "-n",
        NAMESPACE,
        "-f",
        values.to_str().unwrap(),
        "--dry-run=client",
    ];
    let said = done(&args, None);
    for part in [
        "is installed for cluster production-eu, in all namespaces. It does not work yet",
        "1. Give the ServiceAccount ecr-operator-system/ecr-operator a role",
        "kubectl wait --for=condition=Ready ecrclass/default",
        "kubectl label namespace NAMESPACE metrics=enabled",
        "This is Helm's now",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn every_object_and_every_property_is_closed() {
    let text = fs::read_to_string(chart().join("values.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    let text = fs::read_to_string(chart().join("values.yaml")).unwrap();
    let values: Value = serde_yaml::from_str(&text).unwrap();
    let mut faults = Vec::new();
    closed("", &schema, &values, &mut faults);
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Holds the schema to the values: each in the other, and nothing beside.
fn closed(path: &str, schema: &Value, values: &Value, faults: &mut Vec<String>) {
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    if schema["additionalProperties"] != json!(false) {
        faults.push(format!("{path}: lets anything through"));
    }
    for (name, property) in properties {
        if name == "global" {
            continue;
        }
        match values.get(name) {
            Some(value) => closed(&format!("{path}/{name}"), property, value, faults),
            None => faults.push(format!("{path}/{name} is not in values.yaml")),
        }
    }
    for name in values.as_object().into_iter().flat_map(|it| it.keys()) {
        if !properties.contains_key(name) {
            faults.push(format!("{path}/{name} is not in the schema"));
        }
    }
}

#[test]
fn the_chart_has_the_programs_version() {
    let text = fs::read_to_string(chart().join("Chart.yaml")).unwrap();
    let said: Value = serde_yaml::from_str(&text).unwrap();
    for field in ["version", "appVersion"] {
        assert_eq!(said[field], env!("CARGO_PKG_VERSION"), "{field}");
    }
}

#[test]
fn a_number_of_any_size_stays_a_number() {
    let rendered = template("everything", &[]);
    assert!(rendered.contains("--resync-seconds=12000000\n"));
}

/// A value of the right type for each flag.
fn some(key: &str, schema: &Value) -> Value {
    if let Some(values) = schema["enum"].as_array() {
        return values[0].clone();
    }
    match key {
        "leaseDurationSeconds" => return json!(30),
        "leaseRenewDeadlineSeconds" => return json!(20),
        "leaseNamespace" => return json!("leases"),
        "logLevelsFile" => return json!("/etc/levels"),
        "otlpEndpoint" => return json!("http://collector:4318"),
        _ => {}
    }
    let kind = schema["type"].as_str().or(schema["type"][0].as_str());
    match kind.unwrap() {
        "integer" => json!(7),
        "boolean" => json!(true),
        "array" => json!(["one", "two"]),
        _ => json!("0.0.0.0:7"),
    }
}

#[test]
fn each_value_becomes_the_flag_of_its_name() {
    let properties = flags::schema()["properties"].take();
    let properties = properties.as_object().unwrap();
    let operator: Map<String, Value> = properties
        .iter()
        .map(|(key, schema)| (key.clone(), some(key, schema)))
        .collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), json!({"operator": operator}).to_string()).unwrap();
    let (chart, values) = (chart(), values("default"));
    let args = ["template", RELEASE, chart.to_str().unwrap(), "-f"];
    let both = [
        values.to_str().unwrap(),
        "-f",
        file.path().to_str().unwrap(),
    ];
    let objects = documents(&done(&[args.as_slice(), &both].concat(), None));
    let deployment = objects
        .iter()
        .find(|it| it["kind"] == "Deployment")
        .unwrap();
    let args = &deployment["spec"]["template"]["spec"]["containers"][0]["args"];
    let mut args: Vec<&str> = args.as_array().unwrap()[1..]
        .iter()
        .map(|it| it.as_str().unwrap().split('=').next().unwrap())
        .collect();
    args.sort_unstable();
    let mut names: Vec<_> = flags::of_operator()
        .map(|it| format!("--{}", it.name))
        .collect();
    names.sort_unstable();
    assert_eq!(args, names);
}
