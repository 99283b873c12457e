//! The hooks over HTTP, under `/_emulator/`: see the README.

use hyper::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::caller::Caller;
use crate::clock::Movement;
use crate::fault::Fault;
use crate::world::{Inner, World, guarded};

/// A request that cannot be read, with the reason.
type Outcome = Result<Value, String>;

/// Answers a hook with a status and a body.
pub(crate) fn handle(world: &World, method: &Method, hook: &str, body: &[u8]) -> (u16, Value) {
    let mut inner = world.lock();
    let outcome = match (method.as_str(), hook) {
        ("GET", "calls") => Ok(json!(inner.counts)),
        ("GET", "log") => Ok(json!(inner.log.calls())),
        ("POST", "reset") => {
            inner.reset();
            Ok(json!({}))
        }
        ("POST", "wipe") => {
            inner.wipe();
            Ok(json!({}))
        }
        ("GET", "faults") => Ok(json!(inner.faults)),
        ("POST", "faults") => add_faults(&mut inner, body),
        ("DELETE", "faults") => {
            inner.faults.clear();
            Ok(json!({}))
        }
        ("GET", "settings") => Ok(json!(inner.settings)),
        ("POST", "settings") => change_settings(&mut inner, body),
        ("POST", "call") => call(&mut inner, body),
        ("GET", "clock") => inner.turn_clock(Movement::default()),
        ("POST", "clock") => turn_clock(&mut inner, body),
        ("POST", "lifecycle") => {
            let now = inner.clock.now();
            inner.run_lifecycle(now);
            Ok(json!({}))
        }
        _ => return (404, unknown_hook()),
    };
    match outcome {
        Ok(answer) => (200, answer),
        Err(message) => (400, json!({ "message": message })),
    }
}

fn unknown_hook() -> Value {
    json!({ "message": "No such hook. There are: GET calls, GET log, POST reset, POST wipe, \
                        GET|POST|DELETE faults, GET|POST settings, POST call, \
                        GET|POST clock, POST lifecycle" })
}

/// One fault or a list of them.
fn add_faults(inner: &mut Inner, body: &[u8]) -> Outcome {
    let given: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let list = match given {
        Value::Array(faults) => faults,
        fault => vec![fault],
    };
    let faults = list
        .into_iter()
        .map(serde_json::from_value)
        .collect::<Result<Vec<Fault>, _>>()
        .map_err(|error| format!("Not a fault: {error}"))?;
    inner.faults.extend(faults);
    Ok(json!(inner.faults))
}

/// Changes the settings that are given and keeps the others.
fn change_settings(inner: &mut Inner, body: &[u8]) -> Outcome {
    let given: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let mut settings = json!(inner.settings);
    match (settings.as_object_mut(), given) {
        (Some(settings), Value::Object(given)) => settings.extend(given),
        _ => return Err("Settings are a JSON object".to_owned()),
    }
    inner.settings =
        serde_json::from_value(settings).map_err(|error| format!("Not a setting: {error}"))?;
    inner.queues.bell.notify_waiters();
    Ok(json!(inner.settings))
}

fn turn_clock(inner: &mut Inner, body: &[u8]) -> Outcome {
    let movement = serde_json::from_slice(body)
        .map_err(|error| format!("Not a movement of the clock: {error}"))?;
    inner.turn_clock(movement)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DirectCall {
    account: String,
    region: String,
    operation: String,
    input: Value,
}

/// Applies an operation without log and counters; its refusal is an answer too.
fn call(inner: &mut Inner, body: &[u8]) -> Outcome {
    let call: DirectCall = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let caller = Caller::of(call.account, call.region);
    let outcome = guarded(&call.operation, || {
        inner.apply(&caller, &call.operation, &call.input)
    });
    Ok(outcome.map_or_else(
        |error| json!({ "Err": error }),
        |answer| json!({ "Ok": answer }),
    ))
}
