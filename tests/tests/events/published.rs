//! What is published keeps to its schemas in `docs/events/`, which other systems are built against. A change that makes
//! one of these tests fail is a new version, or a mistake.

use std::collections::BTreeSet;
use std::path::PathBuf;

use boon::{Compiler, SchemaIndex, Schemas};
use hookledger_core::flows::expectations;
use hookledger_core::model::entry::{Announcement, State};
use hookledger_core::model::time::UnixMs;
use hookledger_kit::confirm;
use hookledger_tests::memory::{answer, run};
use hookledger_tests::samples;
use hookledger_tests::town::Town;
use serde_json::{Value, json};

const ENVELOPE: &str = "envelope";
const VERSION: &str = ".v1.json";
/// The samples tell of November 2026; a later clock would take them for too old.
const NOW: &str = "2026-11-22T10:00:00.000Z";

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/events")
}

/// The schemas of the providers, by name.
struct Published {
    schemas: Schemas,
    providers: Vec<(String, SchemaIndex)>,
}

impl Published {
    fn read() -> Self {
        let mut compiler = Compiler::new();
        compiler.enable_format_assertions();
        let (mut schemas, mut providers) = (Schemas::new(), Vec::new());
        for file in std::fs::read_dir(folder()).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().strip_suffix(VERSION);
            let name = name.unwrap_or_else(|| panic!("{}: not named <provider>{VERSION}", path.display())).to_string();
            let index = compiler.compile(path.to_str().unwrap(), &mut schemas);
            let index = index.unwrap_or_else(|error| panic!("{}: {error:#}", path.display()));
            if name != ENVELOPE {
                providers.push((name, index));
            }
        }
        Self { schemas, providers }
    }

    /// The providers whose schema takes this detail.
    fn taken_by(&self, detail: &Value) -> Vec<&str> {
        let takes = |index: SchemaIndex| self.schemas.validate(detail, index).is_ok();
        self.providers.iter().filter(|(_, index)| takes(*index)).map(|(name, _)| name.as_str()).collect()
    }

    /// Why a provider's own schema does not take it.
    fn complaint(&self, provider: &str, detail: &Value) -> String {
        let Some((_, index)) = self.providers.iter().find(|(name, _)| name == provider) else {
            return "it has no schema".into();
        };
        self.schemas.validate(detail, *index).err().map_or_else(String::new, |error| format!("{error}"))
    }
}

/// Every type that a provider's schema names.
fn types_of(provider: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(folder().join(format!("{provider}{VERSION}"))).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    let kinds = schema["oneOf"].as_array().unwrap().iter().map(|kind| &kind["properties"]["type"]);
    let names = kinds.flat_map(|kind| kind["enum"].as_array().cloned().unwrap_or_else(|| vec![kind["const"].clone()]));
    names.map(|name| name.as_str().unwrap().to_string()).collect()
}

/// What is published about a delivery, once its work is done.
fn published_about(provider: &str, body: &str) -> Vec<Announcement> {
    let town = town_where(&serde_json::from_str(body).unwrap());
    assert_eq!(town.deliver(provider, body).status, 200);
    town.work();
    town.inbox.publisher.published()
}

fn town_where(told: &Value) -> Town {
    let town = Town::new();
    town.inbox.clock.set(UnixMs::parse_rfc3339(NOW).unwrap());
    let told = told.clone();
    town.inbox.api.answer_with(move |url| match confirm(url, &told) {
        Some(said) => answer(200, said.to_string()),
        None => answer(404, ""),
    });
    town
}

/// Everything that can be published: each sample; the documented types that differ from a sample in their name only;
/// what is found by asking.
fn everything() -> Vec<Announcement> {
    let mut all = Vec::new();
    for sample in samples::all() {
        let published = published_about(&sample.provider, &sample.body);
        let expected = usize::from(sample.name != "unknown-type");
        assert_eq!(published.len(), expected, "{}/{}", sample.provider, sample.name);
        all.extend(published);
        let expiry = "SESSION_EXPIRY_NOTIFICATION";
        let joined = "SESSION_REQUIREMENT_COMPLETION_NOTIFICATION/SESSION_EXPIRY_NOTIFICATION";
        for (from, to) in [
            ("merchant.cancelled", "merchant.deleted"),
            ("transaction.entered", "transaction.processed"),
            (expiry, joined),
        ] {
            if sample.body.contains(from) {
                all.extend(published_about(&sample.provider, &sample.body.replace(from, to)));
            }
        }
    }
    all.extend(found_by_asking());
    all.extend(looked_up());
    all
}

/// With look-ups on, Run's events say what the reports made of them: found, and refused.
fn looked_up() -> Vec<Announcement> {
    let mut all = Vec::new();
    for sample in samples::all().into_iter().filter(|sample| sample.provider == "runpayments") {
        let told: Value = serde_json::from_str(&sample.body).unwrap();
        for (status, expected) in [(200, json!(true)), (422, json!(false))] {
            let town = Town::with(&[("RUNPAYMENTS_REPORTING", "on")]);
            town.inbox.clock.set(UnixMs::parse_rfc3339(NOW).unwrap());
            let row = json!({ "id": told["source_id"], "amount": "1.10" });
            let page = json!({ "items": [row], "hasMore": false }).to_string();
            town.inbox.api.answer_with(move |_| answer(status, page.clone()));
            town.deliver("runpayments", &sample.body);
            town.work();
            for announcement in town.inbox.publisher.published() {
                let detail: Value = serde_json::from_str(&announcement.detail).unwrap();
                let asked = !town.inbox.api.requests().is_empty();
                assert_eq!(detail["summary"].get("looked_up"), asked.then_some(&expected), "{}", sample.name);
                all.push(announcement);
            }
        }
    }
    all
}

fn found_by_asking() -> Vec<Announcement> {
    let town = town_where(&json!({ "progress": "completed", "statement_id": "s1" }));
    for (provider, reference) in
        [("rightfoot", "b1"), ("rightfoot", "schedule:m1"), ("finbox", "entity:e1"), ("finbox", "session:x1")]
    {
        run(expectations::announce(&town.inbox, town.provider(provider), reference)).unwrap();
    }
    town.pass_minutes(3);
    assert_eq!(town.inbox.ledger.entries_in(State::Done).len(), 4);
    let listing = Town::new();
    listing.inbox.api.answer_with(|url| {
        let row = json!({ "merchant_id": 7, "merchant_status": "live" });
        let merchants = url.contains("/merchants?");
        answer(if merchants { 200 } else { 404 }, json!({ "items": [row], "hasMore": false }).to_string())
    });
    listing.pass_minutes(2);
    assert_eq!(listing.inbox.ledger.entries_in(State::Done).len(), 1);
    [town.inbox.publisher.published(), listing.inbox.publisher.published()].concat()
}

#[test]
fn every_event_published_keeps_to_one_schema() {
    let schemas = Published::read();
    let mut seen = BTreeSet::new();
    for announcement in everything() {
        let detail: Value = serde_json::from_str(&announcement.detail).unwrap();
        let provider = detail["provider"].as_str().unwrap();
        let complaint = schemas.complaint(provider, &detail);
        assert_eq!(schemas.taken_by(&detail), [provider], "{detail:#}\n{complaint}");
        // What a JSON schema can't say: fields that equal one another.
        assert_eq!(announcement.source, format!("hookledger.{provider}"));
        assert_eq!(detail["type"], announcement.detail_type);
        assert_eq!(detail["entry"]["pk"], detail["subject"]);
        seen.insert((provider.to_string(), announcement.detail_type.clone()));
    }
    // No schema and no type in one is there for nothing, and each provider has its own.
    let providers: BTreeSet<_> = schemas.providers.iter().map(|(name, _)| name.clone()).collect();
    let built_in = hookledger_core::providers::ALL.iter().map(|definition| definition.id.0.to_string()).collect();
    assert_eq!(providers, built_in);
    let named = providers.iter().flat_map(|name| types_of(name).into_iter().map(|kind| (name.clone(), kind)));
    assert_eq!(named.collect::<BTreeSet<_>>(), seen);
}

/// The example's rule asks for sources and types that there are, and its function knows the version.
#[test]
fn the_examples_rule_can_match() {
    let example = std::fs::read_to_string(folder().join("../examples/consumer.yaml")).unwrap();
    let listed = |field: &str| -> BTreeSet<String> {
        let line = example.lines().find_map(|line| line.trim().strip_prefix(field)?.strip_prefix(": ["));
        let names = line.unwrap_or_else(|| panic!("no {field} in the rule")).trim_end_matches(']').split(", ");
        names.map(str::to_string).collect()
    };
    let providers: Vec<String> = listed("source").iter().map(|name| name.replace("hookledger.", "")).collect();
    let types: BTreeSet<String> = providers.iter().flat_map(|provider| types_of(provider)).collect();
    assert!(!listed("detail-type").is_empty() && listed("detail-type").is_subset(&types), "{types:?}");
    assert_eq!(listed("version"), BTreeSet::from(["1".to_string()]));
}

/// Each field of each event in turn is renamed, taken away, or joined by another one: no schema takes it any more.
#[test]
fn a_renamed_field_is_seen() {
    let schemas = Published::read();
    let mut changes = 0;
    for announcement in everything() {
        let detail: Value = serde_json::from_str(&announcement.detail).unwrap();
        for path in ["", "/summary", "/entry"] {
            let fields: Vec<String> = detail.pointer(path).unwrap().as_object().unwrap().keys().cloned().collect();
            for field in &fields {
                let mut renamed = detail.clone();
                let object = renamed.pointer_mut(path).unwrap().as_object_mut().unwrap();
                let value = object.remove(field).unwrap();
                let mut removed = detail.clone();
                removed.pointer_mut(path).unwrap().as_object_mut().unwrap().remove(field);
                renamed.pointer_mut(path).unwrap()[format!("{field}_")] = value;
                for (how, changed) in [("renamed", renamed), ("removed", removed)] {
                    assert!(schemas.taken_by(&changed).is_empty(), "{path}/{field} {how}: {changed:#}");
                    changes += 1;
                }
            }
            let mut joined = detail.clone();
            joined.pointer_mut(path).unwrap()["another"] = json!(1);
            assert!(schemas.taken_by(&joined).is_empty(), "a field more in {path:?}: {joined:#}");
        }
        for (field, value) in [("version", json!(2)), ("received_at", json!("today")), ("origin", json!("fax"))] {
            let mut changed = detail.clone();
            changed[field] = value;
            assert!(schemas.taken_by(&changed).is_empty(), "{field}: {changed:#}");
        }
    }
    assert!(changes > 500, "only {changes} changes were tried");
}
