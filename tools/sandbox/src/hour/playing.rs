//! An hour as it is played: how far it is, and the truth about it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::events::Fate;
use super::plan::Plan;
use crate::lock::locked;

/// An hour that is planned, played, or over.
pub(crate) struct Playing {
    pub(super) plan: Plan,
    pub(super) run: u64,
    pub(super) time_scale: f64,
    pub(super) wire: Semaphore,
    pub(super) progress: Mutex<Progress>,
}

#[derive(Default)]
pub(super) struct Progress {
    pub(super) stage: Act,
    pub(super) truth: Vec<Told>,
    /// Webhooks whose delivery has ended.
    pub(super) ended: usize,
    /// By provider and status: calls of its API that failed.
    pub(super) failed_calls: BTreeMap<&'static str, BTreeMap<u16, u64>>,
    /// By provider and kind: answers of its API that were odd.
    pub(super) odd_answers: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
}

#[derive(Clone, Copy, Default, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Act {
    #[default]
    Planned,
    Playing,
    Over,
    /// The sandbox was reset, or an event could not be made true.
    Broken,
}

/// One event of the truth.
#[derive(Clone, Serialize)]
pub(super) struct Told {
    pub(super) provider: &'static str,
    /// What the provider's own audit calls the delivery, where it has one.
    pub(super) delivery_id: String,
    /// What happened, in the provider's words and with its ids.
    pub(super) fact: Value,
    pub(super) fate: Fate,
    /// What each attempt that arrived was answered, as the sender saw it; null when no answer came.
    pub(super) answers: Vec<Option<u16>>,
    /// Whether the receiver took it: an answer that the provider counts as a success.
    pub(super) acknowledged: bool,
}

impl Playing {
    /// The hour's time in real time.
    pub(super) fn real(&self, hour_ms: u64) -> Duration {
        Duration::from_millis(hour_ms).div_f64(self.time_scale)
    }

    pub(super) fn real_ms(&self, hour_ms: u64) -> u64 {
        u64::try_from(self.real(hour_ms).as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn is(&self, act: Act) -> bool {
        locked(&self.progress).stage == act
    }
}
