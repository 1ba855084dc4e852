//! A memory world with all providers set up in it, and short words for what the flow tests do there.

use hookledger_core::desk::close::close;
use hookledger_core::desk::replay::{Replayed, replay};
use hookledger_core::flows::call::Asker;
use hookledger_core::flows::circuits::Circuits;
use hookledger_core::flows::receive::{Answer, receive};
use hookledger_core::flows::reconcile::{Report, Run};
use hookledger_core::flows::work::Worker;
use hookledger_core::model::act::Order;
use hookledger_core::model::debt::DUE_SHARDS;
use hookledger_core::model::delivery::Delivery;
use hookledger_core::model::entry::Entry;
use hookledger_core::model::identity::{ItemKey, ProviderId};
use hookledger_core::model::job::Job;
use hookledger_core::model::provider_call::{ApiError, ApiResponse};
use hookledger_core::model::secret::ProviderSecrets;
use hookledger_core::ports::{Clock, Secrets, StoreError};
use hookledger_core::providers::{Provider, Providers};
use hookledger_kit as kit;

use crate::memory::{MemoryInbox, MemorySecrets, RecordingPublisher, ScriptedApi, answer, delivery, run};

/// The URL token and the signing secret of every provider here: one that each scheme can read, as text, hex or base64.
pub const SECRET: &str = "a5ec2e70f7e5e7e575a5ec2e70f7e5e7";

/// The document with which genuine deliveries verify.
pub fn right_secrets() -> String {
    format!(
        r#"{{"signing_secrets":[{{"id":"s1","value":"{SECRET}"}}],"url_tokens":[{{"id":"t1","value":"{SECRET}"}}]}}"#
    )
}

fn order() -> Order {
    Order { by: "arn:aws:iam::000000000000:user/ops".into(), why: None }
}

/// A memory world and the providers.
pub struct Town {
    /// The world.
    pub inbox: MemoryInbox,
    /// The providers, with their default settings unless told otherwise.
    pub providers: Providers,
    /// What its one process knows of the providers' circuits.
    pub circuits: Circuits,
}

impl Town {
    /// A world in which every provider has its secrets, and in which nothing has happened yet.
    pub fn new() -> Self {
        Self::with(&[])
    }

    /// The same with these settings.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        let inbox = MemoryInbox::new(7);
        let setting = |name: &str| settings.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string());
        let providers = Providers::read(&setting);
        for provider in providers.iter() {
            inbox.secrets.set(provider.id(), &right_secrets());
        }
        Self { inbox, providers, circuits: Circuits::default() }
    }

    /// The same in which every provider does all it can.
    pub fn full() -> Self {
        Self::with(&kit::settings())
    }

    /// The provider of this name.
    pub fn provider(&self, name: &str) -> &dyn Provider {
        self.providers.get(name).unwrap()
    }

    /// A genuine delivery of this body: signed or tokened as the provider does it.
    pub fn delivery(&self, provider: &str, body: &str) -> Delivery {
        self.delivery_of(provider, body.as_bytes())
    }

    /// A genuine delivery of these bytes.
    pub fn delivery_of(&self, provider: &str, body: &[u8]) -> Delivery {
        self.delivery_with(provider, body, SECRET)
    }

    /// A delivery of this body by somebody who does not know the secret.
    pub fn forged(&self, provider: &str, body: &str) -> Delivery {
        self.delivery_with(provider, body.as_bytes(), "guessed")
    }

    fn delivery_with(&self, provider: &str, body: &[u8], secret: &str) -> Delivery {
        let (kit, now) = (kit::of(provider), self.inbox.clock.now());
        delivery(kit, body, (kit.prove)(body, secret, now.secs()), now)
    }

    /// From now on every provider's API confirms what it is asked about.
    pub fn confirm(&self) {
        self.inbox.api.answer_with(confirmed);
    }

    /// The secrets a provider's deliveries are verified with here.
    pub fn secrets_of(&self, provider: &str) -> std::sync::Arc<ProviderSecrets> {
        run(self.inbox.secrets.get(self.provider(provider).id())).unwrap()
    }

    /// Delivers a genuine body.
    pub fn deliver(&self, provider: &str, body: &str) -> Answer {
        self.deliver_this(self.delivery(provider, body))
    }

    /// Delivers anything.
    pub fn deliver_this(&self, delivery: Delivery) -> Answer {
        let provider = self.provider(delivery.provider.0);
        run(receive(&self.inbox, &self.inbox.secrets, provider, delivery))
    }

    /// What the reconciler is.
    pub fn asker(&self) -> Asker<'_, MemoryInbox, ScriptedApi> {
        Asker { inbox: &self.inbox, providers: &self.providers, api: &self.inbox.api, circuits: &self.circuits }
    }

    /// What the worker is.
    pub fn worker(&self) -> Worker<'_, MemoryInbox, ScriptedApi, RecordingPublisher, MemorySecrets> {
        Worker { asker: self.asker(), publisher: &self.inbox.publisher, secrets: &self.inbox.secrets }
    }

    /// Works on every message that is visible now, once; those that fail come back. Returns how many were done.
    pub fn work(&self) -> usize {
        let messages = self.inbox.queue.receive(usize::MAX, 360);
        let done = messages.iter().filter(|message| {
            let worked = self.work_on(message.job().unwrap()).is_ok();
            worked && self.inbox.queue.delete(message.id)
        });
        done.count()
    }

    /// Does one job.
    pub fn work_on(&self, job: Job) -> Result<(), StoreError> {
        run(self.worker().work(job))
    }

    /// A person's last word on what waits for one.
    pub fn close(&self, key: &ItemKey) -> bool {
        run(close(&self.inbox, key, &order())).unwrap()
    }

    /// A person's replay of what is parked.
    pub fn replay(&self, key: &ItemKey) -> Replayed {
        run(replay(&self.inbox, &self.providers, key, &order())).unwrap()
    }

    /// One run of the reconciler over all shards.
    pub fn reconcile(&self) -> Report {
        run(self.asker().reconcile(&self.full_run())).unwrap()
    }

    /// A run over all shards, with time enough.
    pub fn full_run(&self) -> Run {
        Run { shards: 0..=DUE_SHARDS - 1, deadline: self.inbox.clock.now().plus_secs(3600) }
    }

    /// Works and reconciles, minute by minute, for so long.
    pub fn pass_minutes(&self, minutes: u32) {
        for _ in 0..minutes {
            self.inbox.clock.advance_secs(60);
            self.reconcile();
            self.work();
        }
    }

    /// The one entry there is.
    pub fn only_entry(&self) -> Entry {
        let entries = self.inbox.ledger.entries();
        assert_eq!(entries.len(), 1, "{entries:#?}");
        entries.into_iter().next().unwrap()
    }

    /// The ids of the effects published so far, each once, in order.
    pub fn effects(&self) -> Vec<String> {
        let mut ids: Vec<String> = Vec::new();
        for announcement in self.inbox.publisher.published() {
            let detail: serde_json::Value = serde_json::from_str(&announcement.detail).unwrap();
            let id = detail["id"].as_str().unwrap().to_string();
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids
    }

    /// The job for an entry.
    pub fn job(&self, key: &ItemKey) -> Job {
        Job::entry(key.clone())
    }
}

impl Default for Town {
    fn default() -> Self {
        Self::new()
    }
}

/// What the providers' APIs say when they confirm whatever they are asked about.
pub fn confirmed(url: &str) -> Result<ApiResponse, ApiError> {
    kit::answer(url).map_or_else(|| answer(404, ""), |said| answer(200, said.to_string()))
}

/// A provider's id by its name.
pub fn id(name: &'static str) -> ProviderId {
    ProviderId(name)
}
