//! The files in `events/`, and the events in them.

use std::path::PathBuf;

use hookledger_core::model::entry::Event;
use hookledger_core::ports::Clock;

use crate::town::Town;

/// One file of `events/<provider>/`.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The folder's name.
    pub provider: String,
    /// The file's name without its ending: `<object>-<action>`.
    pub name: String,
    /// The bytes a provider would send.
    pub body: String,
}

/// Every sample of every provider, in the order of their names.
pub fn all() -> Vec<Sample> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../events");
    let mut samples = Vec::new();
    for definition in hookledger_core::providers::ALL {
        let folder = root.join(definition.id.0);
        let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for file in files {
            let path = file.unwrap().path();
            samples.push(Sample {
                provider: definition.id.0.to_string(),
                name: path.file_stem().unwrap().to_string_lossy().into_owned(),
                body: std::fs::read_to_string(&path).unwrap(),
            });
        }
    }
    samples.sort_by(|a, b| (&a.provider, &a.name).cmp(&(&b.provider, &b.name)));
    samples
}

/// The event that a provider's file reads in a body, verified the way it always is.
pub fn event_of(provider: &str, body: impl AsRef<[u8]>) -> Event {
    let town = Town::new();
    let delivery = town.delivery_of(provider, body.as_ref());
    let secrets = town.secrets_of(provider);
    let verified = town.provider(provider).scheme().verify(delivery, &secrets, town.inbox.clock.now());
    let verified = verified.unwrap_or_else(|(refusal, _)| panic!("{provider}: {refusal}"));
    town.provider(provider).parse(&verified).unwrap_or_else(|error| panic!("{provider}: {error}"))
}
