//! Objects of the largest size that the schema takes, and an operator that starts under them with the memory
//! that the manifests give it.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use xtask::processes;

use super::limit::Limit;
use super::measure::{Bench, megabytes, real};
use super::name;
use super::table::Row;

const NAMESPACE: &str = "huge";
const OBJECTS: u32 = 60;

/// `limits.memory` of deploy/.
const MEMORY: u64 = 128 << 20;

/// Sizes that are tried, in KiB: etcd takes requests of 1.5 MiB.
const SIZES: [u32; 12] = [1400, 1200, 1000, 800, 600, 400, 300, 200, 100, 60, 30, 15];

/// How long it is watched after the start.
const WATCHED: Duration = Duration::from_secs(20);

impl Bench {
    pub(super) async fn huge(&mut self) -> Result<()> {
        self.kubectl
            .run(&["create", "namespace", NAMESPACE])
            .await?;
        let size = self.largest().await?;
        println!("· creating {OBJECTS} objects of {size} KiB each, and starting with 128 MiB");
        for number in 1..OBJECTS {
            self.create_huge(size, number).await?;
        }
        // What it reserves is known from a start without objects.
        let flags = ["--watch-namespace", "nowhere"];
        let idle = self.start(&flags).await?;
        let (reserved, resident) = (
            processes::reserved(idle.pid())?,
            processes::resident(idle.pid())?,
        );
        idle.stop().await?;
        let limit = Limit::of(MEMORY, reserved.saturating_sub(resident));
        println!("  by {}", limit.by);
        let flags = ["--watch-namespace", NAMESPACE];
        let started = self
            .stack
            .operator_within(limit.wrapper.clone(), "bench", &flags)
            .await;
        let peak = match started {
            Ok(operator) => {
                tokio::time::sleep(WATCHED).await;
                let peak = processes::peak(operator.pid());
                let _ = operator.stop().await;
                peak
            }
            Err(error) => Err(error),
        };
        if let Err(error) = &peak {
            println!("  it is gone: {error:#}");
        }
        drop(limit);
        self.rows.extend([
            Row::noted(
                "the largest object that the schema takes, of those tried",
                f64::from(size),
                "KiB",
            ),
            Row::limited(
                "  60 of them, started with 128 MiB: ends of the process",
                real(peak.is_err().into()),
                0.0,
                "ends",
            ),
        ]);
        if let Ok(peak) = peak {
            let limit = megabytes(MEMORY);
            self.rows.push(Row::limited(
                "  resident memory, at most",
                megabytes(peak),
                limit,
                "MB",
            ));
        }
        Ok(())
    }

    /// Makes the first object, as large as it may be.
    async fn largest(&self) -> Result<u32> {
        for size in SIZES {
            if self.create_huge(size, 0).await.is_ok() {
                return Ok(size);
            }
        }
        let smallest = SIZES.last().copied().unwrap_or_default();
        self.create_huge(smallest, 0)
            .await
            .context("no object of any size is taken")?;
        Ok(smallest)
    }

    async fn create_huge(&self, kibibytes: u32, number: u32) -> Result<()> {
        let object = huge(kibibytes, number).to_string();
        self.kubectl
            .run_with(&["create", "-f", "-"], &object)
            .await
            .map(drop)
    }
}

/// As much text as that, in words and lists of the sizes that the schema gives them, at the deepest level: what
/// does not compress.
fn huge(kibibytes: u32, number: u32) -> Value {
    let words = (kibibytes / 2).max(1);
    let words: Vec<String> = (0..words).map(|word| random(number, word)).collect();
    // A list has 200 words at most, and an object 64 members.
    let lists = words.chunks(200).enumerate();
    let keys: serde_json::Map<String, Value> = lists
        .map(|(key, words)| (format!("aws:RequestTag/{key}"), json!(words)))
        .collect();
    json!({
        "apiVersion": "ecr-operator.dev/v1alpha1",
        "kind": "ECRRepository",
        "metadata": {"name": name(number), "namespace": NAMESPACE},
        "spec": {"repositoryPolicy": {"Version": "2012-10-17", "Statement": [{
            "Sid": "Huge",
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
            "Action": ["ecr:BatchGetImage"],
            "Condition": {"StringEquals": keys},
        }]}},
    })
}

/// 2,048 characters.
fn random(number: u32, word: u32) -> String {
    let mut text = String::new();
    for part in 0..32 {
        for byte in Sha256::digest(format!("{number} {word} {part}")) {
            let _ = write!(text, "{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_as_large_as_they_are_said_to_be() {
        assert_eq!(random(1, 2).len(), 2048);
        for size in SIZES {
            let bytes = huge(size, 1).to_string().len();
            let wanted = usize::try_from(size).unwrap() * 1024;
            assert!(
                (wanted * 9 / 10..=wanted * 11 / 10).contains(&bytes),
                "{size}: {bytes}"
            );
        }
    }
}
