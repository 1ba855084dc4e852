//! The providers, a file each.

mod finbox;
mod fynapse;
mod rightfoot;
mod runpayments;

use serde_json::Value;

use crate::kit::Kit;

/// Every provider, in the order in which core lists them.
pub static ALL: &[&Kit] = &[&rightfoot::KIT, &fynapse::KIT, &finbox::KIT, &runpayments::KIT];

/// The provider of this name, if there is one.
pub fn find(name: &str) -> Option<&'static Kit> {
    ALL.iter().copied().find(|kit| kit.name == name)
}

/// The provider of this name.
pub fn of(name: &str) -> &'static Kit {
    find(name).unwrap_or_else(|| panic!("{name} is no provider"))
}

/// A genuine event of this provider with this id.
pub fn event(name: &str, id: &str) -> String {
    (of(name).event)(id)
}

/// The names of all.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|kit| kit.name)
}

/// The settings that turn on all that the providers can.
pub fn settings() -> Vec<(&'static str, &'static str)> {
    ALL.iter().flat_map(|kit| kit.settings).copied().collect()
}

/// What the API says whose URL this is. None, where nobody says anything.
pub fn answer(url: &str) -> Option<Value> {
    let kit = ALL.iter().find(|kit| url.contains(kit.host))?;
    (kit.answer)(url)
}

/// What the API says whose URL this is, of the event with this body. None, where nobody says anything.
pub fn confirm(url: &str, told: &Value) -> Option<Value> {
    let kit = ALL.iter().find(|kit| url.contains(kit.host))?;
    (kit.confirm)(url, told)
}
