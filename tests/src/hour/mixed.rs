//! A random hour with two versions of the functions: an upgrade in its middle, or the way back from one.
//!
//! ```text
//! receivers, reconciler, expectations   one version ──────── half of the hour ──────── the other version
//! workers                               both, on the same queues, from the beginning to the end
//! ```
//!
//! So each version reads what the other wrote: rows, messages, claims. `cargo xtask hour --mixed` builds the previous
//! version and puts both where the emulator finds them.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hookledger_core::ports::Metric;
use serde_json::{Value, json};

use super::{Hour, LASTS, Played, play_amid};
use crate::local::{Local, Outcome, until};

/// The bucket with both versions' code; xtask fills it.
const VERSIONS: &str = "hookledger-versions";
const FUNCTIONS: &str = "/2015-03-31/functions";
const SOURCES: &str = "/2015-03-31/event-source-mappings";
/// The worker of the previous version, beside the stack's own.
const BESIDE: &str = "worker-previous";

/// Which way the hour goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the previous version to the present one.
    Upgrade,
    /// From the present version back to the previous one.
    Back,
}

impl Way {
    /// Odd seeds upgrade, even seeds go back.
    pub fn of_seed(seed: u64) -> Self {
        if seed % 2 == 1 { Self::Upgrade } else { Self::Back }
    }

    fn versions(self) -> [&'static str; 2] {
        match self {
            Self::Upgrade => ["previous", "present"],
            Self::Back => ["present", "previous"],
        }
    }
}

/// An hour, and what each version's worker had of it.
#[derive(Debug)]
pub struct Mixed {
    /// Which way it went.
    pub way: Way,
    /// The hour.
    pub played: Played,
    /// Entries that the previous version's worker settled.
    pub by_previous: u64,
    /// Entries that the present version's worker settled.
    pub by_present: u64,
}

impl Mixed {
    /// Whether the ledger equals the truth, and both versions had a share in it.
    pub fn is_as_it_should_be(&self) -> bool {
        self.played.is_as_it_should_be() && self.by_previous > 0 && self.by_present > 0
    }
}

impl fmt::Display for Mixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = self.way.versions();
        writeln!(
            f,
            "first half with the {first} functions, second half with the {second} ones; the previous worker settled {}, \
             the present one {}",
            self.by_previous, self.by_present
        )?;
        self.played.fmt(f)
    }
}

/// Plays it. Whatever happens, the stack runs the present version alone afterwards.
pub async fn play_mixed(local: &mut Local, hour: &Hour, way: Way) -> Outcome<Mixed> {
    let beside = format!("{}-previous", local.stack.function("worker")?);
    local.stack.functions.insert(BESIDE.into(), beside.clone());
    let outcome = play_both(local, hour, way, &beside).await;
    let removed = remove_beside(local, &beside).await;
    local.stack.functions.remove(BESIDE);
    let present = all_to(local, "present").await;
    let mixed = outcome?;
    removed.and(present).map(|()| mixed)
}

async fn play_both(local: &Local, hour: &Hour, way: Way, beside: &str) -> Outcome<Mixed> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?;
    let since_ms = u64::try_from(since.as_millis()).map_err(|error| error.to_string())?;
    let [first, second] = way.versions();
    all_to(local, first).await?;
    add_beside(local, beside).await?;
    let half = async {
        tokio::time::sleep(LASTS / 2).await;
        all_to(local, second).await
    };
    let played = play_amid(local, hour, LASTS, half).await?;
    let settled = async |worker: &str| {
        let counted = local.counted_since(worker, Metric::EntriesSettled, since_ms).await?;
        Ok::<u64, String>(counted.values().sum())
    };
    let (by_previous, by_present) = (settled(BESIDE).await?, settled("worker").await?);
    Ok(Mixed { way, played, by_previous, by_present })
}

/// Gives every function but the two workers the code of one version; the stack's own worker is of the present one.
async fn all_to(local: &Local, version: &str) -> Outcome<()> {
    let mut names: Vec<&String> = local.stack.functions.keys().collect();
    names.retain(|name| *name != "worker" && *name != BESIDE);
    for function in names {
        let path = format!("{FUNCTIONS}/{}/code", local.stack.function(function)?);
        call(local, "PUT", &path, &code(version, function), 200).await?;
        until("the function to have its code", async || {
            let status = local.configuration_of(function).await?["LastUpdateStatus"].take();
            Ok(if status == "Successful" { Ok(()) } else { Err(status.to_string()) })
        })
        .await?;
    }
    Ok(())
}

fn code(version: &str, function: &str) -> Value {
    json!({ "S3Bucket": VERSIONS, "S3Key": format!("{version}/{function}.zip") })
}

/// The previous version's worker, with all that the stack's own has: role, settings, queues.
async fn add_beside(local: &Local, beside: &str) -> Outcome<()> {
    let own = local.configuration_of("worker").await?;
    let mut order = json!({ "FunctionName": beside, "Code": code("previous", "worker") });
    for name in ["Runtime", "Role", "Handler", "Timeout", "MemorySize", "Environment", "Architectures"] {
        order[name] = own[name].clone();
    }
    call(local, "POST", FUNCTIONS, &order, 201).await?;
    for source in sources(local, local.stack.function("worker")?).await? {
        let mut order = json!({ "FunctionName": beside });
        for name in ["EventSourceArn", "BatchSize", "FunctionResponseTypes", "ScalingConfig"] {
            order[name] = source[name].clone();
        }
        call(local, "POST", SOURCES, &order, 202).await?;
    }
    // Work that it takes before it can do it would only come back late.
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(())
}

async fn remove_beside(local: &Local, beside: &str) -> Outcome<()> {
    for source in sources(local, beside).await? {
        let path = format!("{SOURCES}/{}", source["UUID"].as_str().unwrap_or_default());
        call(local, "DELETE", &path, &Value::Null, 202).await?;
    }
    call(local, "DELETE", &format!("{FUNCTIONS}/{beside}"), &Value::Null, 204).await.map(drop)
}

async fn sources(local: &Local, function: &str) -> Outcome<Vec<Value>> {
    let listed = call(local, "GET", &format!("{SOURCES}?FunctionName={function}"), &Value::Null, 200).await?;
    Ok(listed["EventSourceMappings"].as_array().cloned().unwrap_or_default())
}

async fn call(local: &Local, method: &str, path: &str, order: &Value, status: u16) -> Outcome<Value> {
    let body = if order.is_null() { Vec::new() } else { order.to_string().into_bytes() };
    let header = [("content-type", "application/json")];
    let answered = local.http.aws("lambda", method, path, &header, body).await?;
    let answered = answered.expect(status).map_err(|error| format!("{method} {path}: {error}"))?;
    if answered.body.is_empty() { Ok(Value::Null) } else { answered.json() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_seeds_go_both_ways() {
        assert_eq!([1, 2, 3].map(Way::of_seed), [Way::Upgrade, Way::Back, Way::Upgrade]);
        assert_eq!(Way::Upgrade.versions(), ["previous", "present"]);
        assert_eq!(Way::Back.versions(), ["present", "previous"]);
    }
}
