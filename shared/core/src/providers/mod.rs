//! The providers, a folder each: everything Hookledger knows about a provider stands in its folder, its tests too.
//! Nothing else that ships may branch on a provider's name. What every provider says of itself is in `contract`.

mod contract;
mod json;
mod lists;
mod offer;
mod settings;
mod setup;
mod step;
mod submission;

mod finbox;
mod fynapse;
mod rightfoot;
mod runpayments;

use crate::model::identity::{ItemKey, ProviderId};
use crate::model::settings::{Lookup, SettingError};

pub use contract::{
    Answers, Definition, Expected, OnStoreDown, OnUnreadable, Polled, Polls, Provider, Submits, Unexpectable,
    Unreadable,
};
pub use lists::{Audit, AuditedDelivery, Fate, Listed, ListedRow, Lists, StatusRow};
pub use offer::Offer;
pub use setup::{Inputs, MadeSecret, SecretUse, Setup, SetupError, SetupInput, SetupOutcome, SetupStep};
pub use step::{Ask, Asked, Found, Once, Outcome, StatusMove, Step};
pub use submission::{SUBMISSION, Submission, Submitted, Unsubmittable};

/// Every provider. All else derives from this list.
pub static ALL: &[Definition] =
    &[rightfoot::DEFINITION, fynapse::DEFINITION, finbox::DEFINITION, runpayments::DEFINITION];

/// The providers, with their settings. One whose settings are wrong is stopped, alone: the others go on, and what is owed
/// to it is put off until its settings are mended.
pub struct Providers(Vec<(ProviderId, Built)>);

/// A provider, or the setting that stops it.
type Built = Result<Box<dyn Provider>, SettingError>;

impl Providers {
    /// Builds every provider from the settings.
    pub fn read(lookup: Lookup<'_>) -> Self {
        Self(ALL.iter().map(|definition| (definition.id, (definition.build)(lookup))).collect())
    }

    /// These, and no others.
    pub fn of(providers: impl IntoIterator<Item = Box<dyn Provider>>) -> Self {
        Self(providers.into_iter().map(|provider| (provider.id(), Ok(provider))).collect())
    }

    /// The provider of this name, if it is not stopped.
    pub fn get(&self, name: &str) -> Option<&dyn Provider> {
        self.iter().find(|provider| provider.id().0 == name)
    }

    /// All that are not stopped.
    pub fn iter(&self) -> impl Iterator<Item = &dyn Provider> {
        self.0.iter().filter_map(|(_, built)| built.as_ref().ok()).map(AsRef::as_ref)
    }

    /// The setting that stops the provider of this name.
    pub fn stopped(&self, name: &str) -> Option<(ProviderId, &SettingError)> {
        self.all_stopped().find(|(id, _)| id.0 == name)
    }

    /// Every provider that is stopped, and why.
    pub fn all_stopped(&self) -> impl Iterator<Item = (ProviderId, &SettingError)> {
        self.0.iter().filter_map(|(id, built)| Some((*id, built.as_ref().err()?)))
    }
}

/// The definition of the provider of this name, for a function that serves only it.
pub fn definition(name: &str) -> Option<&'static Definition> {
    ALL.iter().find(|definition| definition.id.0 == name)
}

#[cfg(test)]
pub(crate) mod testing;

/// What `cargo xtask provider new` begins a provider with. No provider: it is here to be compiled.
#[cfg(test)]
mod newcomer;

/// Whether an event of this type and key, found by asking, tells of a webhook that is late or lost.
pub fn has_webhook(provider: &str, event_type: &str, key: &ItemKey) -> bool {
    definition(provider).is_none_or(|definition| !(definition.poll_only)(event_type, key))
}
