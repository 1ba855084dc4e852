//! How every sample event is read, pinned. Subject and identity decide under which key an event is stored: reading them
//! differently for stored events would make yesterday's event a stranger to its own redelivery. A changed snapshot here
//! is a migration, not an edit.

mod published;

use std::collections::BTreeSet;
use std::fmt::Write;

use hookledger_core::ports::Clock;
use hookledger_kit as kit;
use hookledger_tests::samples::{all, event_of};
use hookledger_tests::town::Town;

#[test]
fn every_sample_is_read_as_it_was() {
    let samples = all();
    assert!(samples.len() >= 30, "only {} samples: are the folders where they were?", samples.len());
    let now = Town::new().inbox.clock.now().to_string();
    for sample in samples {
        let event = event_of(&sample.provider, &sample.body);
        let mut read = String::new();
        // What happened now was signed now, by this test.
        let at = event.occurred_at.map_or("none".to_string(), |at| at.to_string());
        let at = if at == now { "signed" } else { at.as_str() };
        writeln!(read, "type:        {} ({})", event.event_type, if event.known { "known" } else { "ignored" })
            .unwrap();
        writeln!(read, "subject:     {}", event.subject).unwrap();
        writeln!(read, "identity:    {}", event.identity.as_str()).unwrap();
        writeln!(read, "occurred at: {at}").unwrap();
        writeln!(read, "duplicate:   {:?}", event.on_duplicate).unwrap();
        writeln!(read, "notes:       {:?}", event.notes).unwrap();
        insta::assert_snapshot!(format!("{}__{}", sample.provider, sample.name), read);
    }
}

/// `hookledger find` asks for an id under each kind.
#[test]
fn the_subject_of_each_event_and_of_each_reference_is_of_a_kind_that_its_provider_names() {
    let town = Town::new();
    for definition in hookledger_core::providers::ALL {
        let name = definition.id.0;
        let events = all().into_iter().filter(|sample| sample.provider == name);
        let events = events.map(|sample| event_of(name, &sample.body)).filter(|event| event.known);
        let mut subjects: Vec<String> = events.map(|event| event.subject.to_string()).collect();
        if let Some(polls) = town.provider(name).polls().offered() {
            let references = kit::of(name).references.iter().map(|beginning| format!("{beginning}x1"));
            subjects.extend(references.map(|reference| polls.expectation(&reference).unwrap().key.pk));
        }
        assert!(!subjects.is_empty(), "{name}");
        for subject in subjects {
            let kind = subject.split('#').nth(1).unwrap();
            assert!(definition.kinds.contains(&kind), "{subject}: {name} does not name the kind {kind}");
        }
    }
}

/// The command signs a sample as the provider does: the kit's signers, which share no code with it, make the same.
#[test]
fn each_sample_is_signed_as_its_provider_signs_it() {
    let town = Town::new();
    let now = town.inbox.clock.now();
    for sample in all() {
        let (secrets, name) = (town.secrets_of(&sample.provider), &sample.provider);
        let signed = town.provider(name).scheme().sign(sample.body.as_bytes(), &secrets, now, now).unwrap();
        let of_list = secrets.signing_secrets.first().or(secrets.url_tokens.first()).unwrap();
        let proof = (kit::of(name).prove)(sample.body.as_bytes(), of_list.value.reveal(), now.secs());
        let headers = signed.headers.iter().map(|(name, value)| (name.as_str(), value.reveal().to_string()));
        // In whatever order.
        let (headers, proved): (BTreeSet<_>, BTreeSet<_>) = (headers.collect(), proof.headers.into_iter().collect());
        assert_eq!(headers, proved, "{name}: {}", sample.name);
        assert_eq!(signed.path_token.as_ref().map(|token| token.reveal()), proof.path_token.as_deref(), "{name}");
    }
}

#[test]
fn samples_have_names_that_can_be_compared() {
    for sample in all() {
        let parts: Vec<&str> = sample.name.split('-').collect();
        let plain = sample.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        assert!(plain && parts.len() >= 2, "{}/{}: the name is not <object>-<action>", sample.provider, sample.name);
    }
    for provider in hookledger_core::providers::ALL {
        let unknown = all().iter().any(|sample| sample.provider == provider.id.0 && sample.name == "unknown-type");
        assert!(unknown, "{}: no sample of an unknown type", provider.id);
    }
}
