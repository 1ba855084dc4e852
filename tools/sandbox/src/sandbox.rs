//! The running sandbox: the providers and what they share.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::sync::{Semaphore, watch};

use crate::config::{Config, Patch};
use crate::deliveries::Deliveries;
use crate::dice::Dice;
use crate::faults::{self, Faults};
use crate::hour::playing::Playing;
use crate::lock::locked;
use crate::post::Post;
use crate::provider::Provider;
use crate::providers::with_providers;

/// Deliveries under way at once, waiting for their next attempt or for an answer.
pub(crate) const SLOTS: u32 = 512;

macro_rules! state {
    ($($name:ident $State:ident),+) => {
        /// The state of each provider.
        #[derive(Default)]
        pub(crate) struct Providers {
            $(pub(crate) $name: crate::providers::$name::$State,)+
        }

        impl Providers {
            /// All of them.
            pub(crate) fn all(&self) -> impl Iterator<Item = &dyn Provider> {
                let all: [&dyn Provider; _] = [$(&self.$name),+];
                all.into_iter()
            }
        }
    };
}

with_providers!(state);

/// Shared by every handler and every delivery.
pub(crate) struct Sandbox {
    pub(crate) config: Mutex<Config>,
    pub(crate) dice: Mutex<Dice>,
    pub(crate) faults: Mutex<BTreeMap<&'static str, Faults>>,
    pub(crate) requests: Mutex<BTreeMap<&'static str, BTreeMap<String, u64>>>,
    pub(crate) deliveries: Mutex<Deliveries>,
    pub(crate) post: Post,
    pub(crate) slots: Arc<Semaphore>,
    /// Counts resets; a delivery that waits for its next attempt ends when it moves.
    pub(crate) epoch: watch::Sender<u64>,
    pub(crate) hour: Mutex<Option<Arc<Playing>>>,
    pub(crate) providers: Providers,
}

impl Sandbox {
    pub(crate) fn new(patch: Patch) -> Result<Arc<Self>, String> {
        let seed = patch.seed.unwrap_or(1);
        let sandbox = Self {
            config: Mutex::default(),
            dice: Mutex::new(Dice::new(seed)),
            faults: Mutex::default(),
            requests: Mutex::default(),
            deliveries: Mutex::default(),
            post: Post::new(),
            slots: Arc::new(Semaphore::new(SLOTS as usize)),
            epoch: watch::Sender::new(0),
            hour: Mutex::default(),
            providers: Providers::default(),
        };
        sandbox.configure(patch)?;
        Ok(Arc::new(sandbox))
    }

    pub(crate) fn provider(&self, name: &str) -> Option<&dyn Provider> {
        self.providers.all().find(|provider| provider.name() == name)
    }

    pub(crate) fn configure(&self, patch: Patch) -> Result<(), String> {
        let names: Vec<&str> = self.providers.all().map(Provider::name).collect();
        locked(&self.config).merge(patch, &names)
    }

    /// The switches of a provider as they stand.
    pub(crate) fn faults_of(&self, provider: &dyn Provider) -> Faults {
        locked(&self.faults).get(provider.name()).cloned().unwrap_or_default()
    }

    /// Sets a provider's switches.
    pub(crate) fn change_faults(&self, provider: &dyn Provider, patch: &faults::Patch) -> Result<Faults, String> {
        if let Some(quirk) = patch.api.quirks().find(|quirk| !provider.quirks().contains(quirk)) {
            return Err(format!("{} has no such switch: {quirk:?}", provider.name()));
        }
        let changed = {
            let mut faults = locked(&self.faults);
            let faults = faults.entry(provider.name()).or_default();
            faults.apply(patch)?;
            faults.clone()
        };
        if patch.api.expire_tokens {
            provider.lapse_tokens();
        }
        Ok(changed)
    }

    /// Forgets everything but the configuration, and ends the deliveries still waiting.
    pub(crate) fn reset(&self) {
        self.stop_deliveries();
        *locked(&self.hour) = None;
        locked(&self.faults).clear();
        locked(&self.requests).clear();
        locked(&self.deliveries).clear();
        for provider in self.providers.all() {
            provider.reset();
        }
    }

    pub(crate) fn stop_deliveries(&self) {
        self.epoch.send_modify(|epoch| *epoch = epoch.wrapping_add(1));
    }
}
