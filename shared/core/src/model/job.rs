//! What travels on the queues: a versioned pointer, never a payload. The one exception is the rescue message, which
//! carries a delivery while the store is down, on a queue of its own.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use crate::model::delivery::Delivery;
use crate::model::identity::{ItemKey, ProviderId};
use crate::model::secret::Secret;
use crate::model::time::UnixMs;

/// The largest message SQS takes, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

/// A message on a work queue, or on the rescue queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "lowercase")]
pub enum Job {
    /// Do the work of this entry.
    Entry {
        /// The message format's version.
        v: u8,
        /// Which.
        #[serde(flatten)]
        key: ItemKey,
        /// What stands between this message and the work.
        #[serde(default, skip_serializing_if = "JobDebt::is_fresh")]
        debt: JobDebt,
    },
    /// Poll for this expectation, if it is still due at `due_at`.
    Poll {
        /// The message format's version.
        v: u8,
        /// Which.
        #[serde(flatten)]
        key: ItemKey,
        /// The debt to claim before polling.
        due_at: UnixMs,
    },
    /// Admit this delivery: the store was down when it came.
    Rescue {
        /// The message format's version.
        v: u8,
        /// The delivery.
        delivery: RescuedDelivery,
    },
}

/// What a job knows of the debt it is for. The queue may deliver late, twice or out of turn: a message that finds the
/// debt elsewhere does nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobDebt {
    /// The entry was just admitted or reopened: work, unless the work was put off meanwhile.
    #[default]
    Fresh,
    /// A delayed retry: claim the debt that was due at this time, then work.
    ToClaim(UnixMs),
    /// The reconciler claimed the debt until this time: work, if that claim still stands.
    Claimed(UnixMs),
}

impl JobDebt {
    fn is_fresh(&self) -> bool {
        *self == Self::Fresh
    }
}

/// The version this code writes and reads.
pub const JOB_VERSION: u8 = 1;

impl Job {
    /// Work on this entry now.
    pub fn entry(key: ItemKey) -> Self {
        Self::Entry { v: JOB_VERSION, key, debt: JobDebt::Fresh }
    }

    /// Whose work it is: the provider's name, as it was written.
    pub fn provider(&self) -> &str {
        match self {
            Self::Entry { key, .. } | Self::Poll { key, .. } => key.provider(),
            Self::Rescue { delivery, .. } => delivery.provider(),
        }
    }

    /// Work on this entry, whose debt was claimed until `due_at`.
    pub fn claimed(key: ItemKey, due_at: UnixMs) -> Self {
        Self::Entry { v: JOB_VERSION, key, debt: JobDebt::Claimed(due_at) }
    }

    /// Work on this entry when its debt falls due.
    pub fn retry(key: ItemKey, due_at: UnixMs) -> Self {
        Self::Entry { v: JOB_VERSION, key, debt: JobDebt::ToClaim(due_at) }
    }

    /// Poll when this debt falls due.
    pub fn poll(key: ItemKey, due_at: UnixMs) -> Self {
        Self::Poll { v: JOB_VERSION, key, due_at }
    }

    /// As it travels.
    pub fn to_json(&self) -> String {
        // A job holds only strings and numbers: there is nothing in it that could fail to serialise.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads a message's body.
    pub fn parse(json: &str) -> Result<Self, JobError> {
        let job: Self = serde_json::from_str(json).map_err(|_| JobError::NotAJob)?;
        let (Self::Entry { v, .. } | Self::Poll { v, .. } | Self::Rescue { v, .. }) = &job;
        if *v == JOB_VERSION { Ok(job) } else { Err(JobError::Version(*v)) }
    }
}

/// Why a message can't be worked on. It goes to the dead-letter queue, where a person finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// Not one of our messages.
    #[error("the message is not a job")]
    NotAJob,
    /// Written by another version.
    #[error("the message has version {0}, this code reads version 1")]
    Version(u8),
}

/// A delivery on the rescue queue. It was verified by the receiver; the worker verifies it again, trusting no message.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RescuedDelivery {
    provider: String,
    received_at: UnixMs,
    #[serde(default)]
    source_ip: Option<String>,
    #[serde(default)]
    token: Option<String>,
    headers: Vec<(String, String)>,
    body: String,
}

impl RescuedDelivery {
    /// Packs a delivery, keeping only the headers named.
    pub fn pack(delivery: &Delivery, headers: &[&str]) -> Self {
        let kept = |name: &str| headers.iter().any(|header| header.eq_ignore_ascii_case(name));
        Self {
            provider: delivery.provider.0.to_string(),
            received_at: delivery.received_at,
            source_ip: delivery.source_ip.clone(),
            token: delivery.path_token.as_ref().map(|token| token.reveal().to_string()),
            headers: delivery.headers.iter().filter(|(name, _)| kept(name)).cloned().collect(),
            body: BASE64_STANDARD.encode(delivery.bytes()),
        }
    }

    /// The provider's name.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The message that carries it.
    pub fn to_message(&self) -> String {
        Job::Rescue { v: JOB_VERSION, delivery: self.clone() }.to_json()
    }

    /// Unpacks it again, for the provider of that name.
    pub fn unpack(self, provider: ProviderId) -> Option<Delivery> {
        let mut delivery = Delivery::new(provider, self.received_at, BASE64_STANDARD.decode(self.body).ok()?);
        delivery.source_ip = self.source_ip;
        delivery.path_token = self.token.map(Secret::new);
        delivery.headers = self.headers;
        Some(delivery)
    }
}

impl std::fmt::Debug for RescuedDelivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RescuedDelivery").field("provider", &self.provider).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_travel_as_small_pointers() {
        let key = ItemKey { pk: "rightfoot#batch#b1".into(), sk: "event#X#b1".into() };
        let job = Job::entry(key.clone());
        assert_eq!(job.to_json(), r#"{"job":"entry","v":1,"pk":"rightfoot#batch#b1","sk":"event#X#b1"}"#);
        for job in
            [job, Job::retry(key.clone(), UnixMs(5)), Job::claimed(key.clone(), UnixMs(6)), Job::poll(key, UnixMs(7))]
        {
            assert_eq!(Job::parse(&job.to_json()), Ok(job));
        }
    }

    #[test]
    fn foreign_messages_are_named() {
        assert_eq!(Job::parse("hello"), Err(JobError::NotAJob));
        assert_eq!(Job::parse(r#"{"job":"entry","v":9,"pk":"a","sk":"b"}"#), Err(JobError::Version(9)));
    }

    #[test]
    fn a_rescued_delivery_is_the_delivery() {
        let provider = ProviderId("finbox");
        let mut delivery = Delivery::new(provider, UnixMs(9), vec![0, 255, 7]);
        delivery.path_token = Some(Secret::new("token-value"));
        delivery.headers = vec![("x-secret-key".into(), "v".into()), ("cookie".into(), "c".into())];
        let packed = RescuedDelivery::pack(&delivery, &["X-Secret-Key"]);
        assert!(!format!("{packed:?}").contains("token-value"));
        let Job::Rescue { delivery: back, .. } = Job::parse(&packed.to_message()).unwrap() else {
            panic!("not a rescue");
        };
        let back = back.unpack(provider).unwrap();
        assert_eq!((back.bytes(), back.received_at), (delivery.bytes(), delivery.received_at));
        assert_eq!(back.path_token.unwrap().reveal(), "token-value");
        assert_eq!(back.headers, [("x-secret-key".to_string(), "v".to_string())]);
    }
}
