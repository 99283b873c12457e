//! AWS's own model of ECR, as a stranger that judges the emulator: the one that the botocore package
//! publishes. It is fetched once, with pip, to a directory under `target/`.

mod any_calls;
mod boundaries;
mod declared;
mod fit;
mod partitions;
mod patterns;
mod samples;
mod throttling;
mod world;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};

use serde_json::Value;

/// Pinned: a newer one may have operations that nobody has read about yet.
const BOTOCORE: &str = "botocore==1.44.5";

/// Unpacks the model of the third argument, a service, that is below the first, to the second.
const UNPACK: &str = "import glob, gzip, shutil, sys; shutil.copyfileobj(gzip.open(glob.glob(\
    sys.argv[1] + '/' + sys.argv[3] + '/*/service-2.json.gz')[0]), open(sys.argv[2], 'wb'))";

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// The model.
#[derive(Debug)]
pub(crate) struct Model(Value);

impl Model {
    /// The model, fetched if this machine does not have it yet.
    fn get() -> &'static Self {
        static MODEL: OnceLock<Model> = OnceLock::new();
        MODEL.get_or_init(|| Self::of("ecr"))
    }

    /// The model of a service, by botocore's name for it.
    fn of(service: &str) -> Self {
        let model = std::fs::read(fetched(service)).unwrap();
        Self(serde_json::from_slice(&model).unwrap())
    }

    fn operations(&self) -> impl Iterator<Item = &str> {
        let operations = self.0["operations"].as_object().unwrap();
        operations.keys().map(String::as_str)
    }

    fn shape(&self, name: &str) -> &Value {
        let shape = &self.0["shapes"][name];
        assert!(shape.is_object(), "no shape {name}");
        shape
    }

    /// The name of the shape of an operation's input or output.
    fn side(&self, operation: &str, side: &str) -> &str {
        text(&self.0["operations"][operation][side], "shape")
    }

    /// The errors that an operation declares.
    fn errors(&self, operation: &str) -> Vec<&str> {
        let errors = self.0["operations"][operation]["errors"].as_array();
        let errors = errors.map_or(&[][..], Vec::as_slice);
        errors.iter().map(|error| text(error, "shape")).collect()
    }
}

/// The members of a structure: name, shape, whether it is required.
fn members(shape: &Value) -> Vec<(&str, &str, bool)> {
    let required = shape["required"].as_array();
    let required = required.map_or(&[][..], Vec::as_slice);
    let members = shape["members"].as_object().unwrap();
    members
        .iter()
        .map(|(name, member)| {
            let needed = required.iter().any(|other| other == name);
            (name.as_str(), text(member, "shape"), needed)
        })
        .collect()
}

fn fetched(service: &str) -> PathBuf {
    // Tests that ask at the same time share what is unpacked.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap();
    let data = data();
    let version = BOTOCORE.replace("==", "-");
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = directory.join(format!("{service}-{version}.json"));
    if !file.exists() {
        let part = directory.join(format!("{service}-{version}.json.part"));
        let [from, to] = [data, &part].map(|it| it.to_str().unwrap());
        python(&["-c", UNPACK, from, to, service]);
        // Whole or not at all: a run that was cut off leaves nothing that looks like a model.
        std::fs::rename(&part, &file).unwrap();
    }
    file
}

/// What the package knows of AWS, fetched if this machine does not have it yet.
fn data() -> &'static Path {
    static DATA: OnceLock<PathBuf> = OnceLock::new();
    DATA.get_or_init(|| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let package = directory.join(BOTOCORE.replace("==", "-"));
        let data = package.join("botocore").join("data");
        if !data.exists() {
            let get: &[&str] = &[
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--no-deps",
                "--upgrade",
                "--target",
                package.to_str().unwrap(),
                BOTOCORE,
            ];
            python(get);
        }
        data
    })
}

/// Runs python and returns what it prints.
pub(crate) fn python(arguments: &[&str]) -> String {
    const NEEDED: &str = "what judges the emulator is fetched with python3 and its pip";
    let output = Command::new("python3").args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{NEEDED}: python3: {error}"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    let complaint = complaint.trim().lines().last().unwrap_or_default();
    assert!(output.status.success(), "{NEEDED}: {complaint}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
