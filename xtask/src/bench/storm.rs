//! Calls that AWS throttles whatever their pace, because others spend what the account may, or by chance.

use std::time::Instant;

use anyhow::Result;
use serde_json::{Value, json};

use super::measure::{Bench, QUIET};
use super::table::Row;
use super::{manifest, manifests};

const FEW: u32 = 10;
const MANY: u32 = 200;

/// Where the emulator's dice begin.
const SEED: u64 = 1;

impl Bench {
    pub(super) async fn storm(&mut self) -> Result<()> {
        println!(
            "· creating {FEW} while 60 % of all calls are throttled, and {MANY} while 10 % fail"
        );
        let few = (0..FEW).map(|number| without_policy(&manifest("storm", number, "Retain")));
        let few: Vec<_> = few.collect();
        let few = json!({"apiVersion": "v1", "kind": "List", "items": few}).to_string();
        let most = self.stormy("storm", &few, FEW, &throttled(60)).await?;
        let many = |namespace| manifests(namespace, 0..MANY, "Retain");
        let calm = self.stormy("calm", &many("calm"), MANY, &json!([])).await?;
        let failing = self
            .stormy("failing", &many("failing"), MANY, &failures())
            .await?;
        let some = self
            .stormy("throttled", &many("throttled"), MANY, &throttled(10))
            .await?;
        self.rows.extend([
            Row::limited(
                "while 60 % of all calls are throttled, 10 objects: until all were Ready",
                most,
                60.0,
                "s",
            ),
            Row::noted("200 objects, undisturbed: until all were Ready", calm, "s"),
            Row::noted("  while 10 % fail, by chance", failing, "s"),
            Row::limited("  the one by the other", failing / calm, 1.3, ""),
            Row::noted("  while 10 % are throttled", some, "s"),
        ]);
        Ok(())
    }

    /// Seconds until as many objects are Ready, by an operator that knows no pace yet.
    async fn stormy(
        &self,
        namespace: &str,
        list: &str,
        objects: u32,
        faults: &Value,
    ) -> Result<f64> {
        self.kubectl
            .run(&["create", "namespace", namespace])
            .await?;
        let operator = self.start(&["--watch-namespace", namespace]).await?;
        self.stack.emulator.inject(faults).await?;
        self.zero().await?;
        let clock = Instant::now();
        self.create(list, namespace, objects).await?;
        let took = clock.elapsed().saturating_sub(QUIET).as_secs_f64();
        self.calls().await?;
        self.stack.emulator.clear_faults().await?;
        operator.stop().await?;
        Ok(took)
    }
}

fn throttled(percent: u8) -> Value {
    json!([{"percent": percent, "seed": SEED, "times": "forever", "effect": "throttle"}])
}

/// One call of ten, in four ways.
fn failures() -> Value {
    let out_of_order =
        json!({"fail": {"code": "ServerException", "message": "out of order", "status": 500}});
    json!([
        {"percent": 3, "seed": SEED, "times": "forever", "effect": "throttle"},
        {"percent": 3, "seed": SEED + 1, "times": "forever", "effect": out_of_order},
        {"percent": 2, "seed": SEED + 2, "times": "forever", "effect": "loseAnswer"},
        {"percent": 2, "seed": SEED + 3, "times": "forever", "effect": "drop"},
    ])
}

/// A lifecycle policy and a tag are left.
fn without_policy(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove("repositoryPolicy");
    }
    object
}
