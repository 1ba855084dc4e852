//! Every command of every provider, typed; and what is kept, lost or told when a provider or the store does not do its part.

use std::cell::{Cell, RefCell};

use hookledger_core::model::provider_call::{ApiRequest, ApiResponse};
use hookledger_core::model::secret::ProviderSecrets;

use super::*;

struct Memory {
    document: RefCell<String>,
    writes_left: Cell<u32>,
}

impl Documents for Memory {
    async fn read(&self) -> Result<Secret, SecretsError> {
        Ok(Secret::new(self.document.borrow().clone()))
    }

    async fn write(&self, document: &Secret) -> Result<(), SecretsError> {
        let left = self.writes_left.get().checked_sub(1).ok_or(SecretsError("a fault of the test"))?;
        self.writes_left.set(left);
        *self.document.borrow_mut() = document.reveal().to_string();
        Ok(())
    }
}

struct Scripted {
    answer: Result<(u16, Value), ApiError>,
    asked: RefCell<Vec<ApiRequest>>,
}

impl ProviderApi for Scripted {
    async fn is_used(&self, _: ProviderId) -> bool {
        true
    }

    async fn call(&self, _: ProviderId, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
        self.asked.borrow_mut().push(request.clone());
        let (status, body) = self.answer.clone()?;
        Ok(ApiResponse { status, retry_after_secs: None, body: body.to_string().into_bytes() })
    }
}

const LIVE: &str = r#"{"api":{"client_id":"c"},"signing_secrets":[{"id":"old","value":"v0"}]}"#;

fn providers() -> Providers {
    Providers::read(&|name| (name == "FYNAPSE_API_BASE_URL").then(|| "https://f.example".into()))
}

fn parse(providers: &Providers, line: &str) -> Result<ArgMatches, clap::Error> {
    add_to(Command::new("hookledger"), providers).try_get_matches_from(line.split(' '))
}

fn ordered<'a>(providers: &'a Providers, matches: &'a ArgMatches) -> Order<'a> {
    let (name, matches) = of_provider(providers, matches).unwrap();
    order(providers.get(name).unwrap(), matches)
}

/// Types a command; returns what was told, the document afterwards, and the requests sent.
fn typed(
    line: &str,
    document: &str,
    writes: u32,
    answer: Result<(u16, Value), ApiError>,
) -> (anyhow::Result<Vec<String>>, String, usize) {
    let providers = providers();
    let matches = parse(&providers, line).unwrap();
    let order = ordered(&providers, &matches);
    let documents = Memory { document: RefCell::new(document.to_string()), writes_left: Cell::new(writes) };
    let api = Scripted { answer, asked: RefCell::default() };
    let (setup, step) = (order.provider.setup().offered().unwrap(), order.step.unwrap());
    let now = UnixMs::parse_rfc3339("2026-11-22T12:00:00Z").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let told = runtime.block_on(carry_out(&api, &documents, order.provider.id(), setup, &step, now));
    let asked = api.asked.borrow().len();
    (told.map(|told| told.lines()), documents.document.into_inner(), asked)
}

#[test]
fn every_step_of_every_provider_can_be_typed() {
    let providers = providers();
    let mut steps = 0;
    for provider in providers.iter() {
        let Some(setup) = provider.setup().offered() else { continue };
        for step in setup.steps() {
            let inputs: String = step.inputs.iter().map(|input| format!(" --{} {}", input.name, "x")).collect();
            let line = format!("hookledger {} {}{inputs}", provider.id(), step.name);
            let matches = parse(&providers, &line).unwrap();
            let order = ordered(&providers, &matches);
            let typed = order.step.unwrap();
            assert_eq!((typed.step.name, typed.inputs.len()), (step.name, step.inputs.len()));
            steps += 1;
            if step.inputs.iter().any(|input| input.required) {
                let bare = parse(&providers, &format!("hookledger {} {}", provider.id(), step.name));
                assert!(bare.is_err(), "{} without its inputs", step.name);
            }
        }
    }
    assert_eq!(steps, 7, "six of Fynapse, one of FinBox");
}

#[test]
fn what_is_not_offered_says_why() {
    let providers = Providers::read(&|_| None);
    let matches = parse(&providers, "hookledger fynapse").unwrap();
    let order = ordered(&providers, &matches);
    let error = offered(&order).err().unwrap().to_string();
    assert!(error.contains("FYNAPSE_API_BASE_URL"), "{error}");
    assert!(parse(&providers, "hookledger parked").is_err(), "not one of these");
}

#[test]
fn a_new_secret_goes_beside_the_live_ones_and_is_never_told() {
    let made = || Ok((201, json!({"id": "s1", "name": "n", "value": "hunter2"})));
    let (told, document, _) = typed("hookledger fynapse create-secret --name n", LIVE, 9, made());
    let told = told.unwrap().join("\n");
    assert!(told.contains("secret id: s1") && !told.contains("hunter2"), "{told}");
    let value: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(value["signing_secrets"][0], json!({"id": "old", "value": "v0"}), "the old one has no end");
    let kept = json!({"id": "s1@2026-11-22T12:00:00.000Z", "value": "hunter2"});
    assert_eq!((&value["signing_secrets"][1], &value["api"]), (&kept, &json!({"client_id": "c"})));
}

#[test]
fn a_rotation_keeps_the_old_secret_until_its_late_retries_are_over() {
    let made = || Ok((200, json!({"id": "s1", "value": "v1"})));
    for (more, not_after) in [("", "2026-11-26T12:00:00.000Z"), (" --keep-old-hours 1", "2026-11-22T13:00:00.000Z")] {
        let line = format!("hookledger fynapse rotate-secret --secret-id s1{more}");
        let (told, document, _) = typed(&line, LIVE, 9, made());
        assert!(told.unwrap().iter().any(|line| line.contains("old stays live until")));
        let secrets = ProviderSecrets::parse(&document).unwrap().signing_secrets;
        assert_eq!(secrets[0].not_after, UnixMs::parse_rfc3339(not_after));
        assert_eq!((secrets[1].value.reveal(), secrets[1].not_after), ("v1", None));
    }
}

#[test]
fn a_program_is_told_the_same() {
    let kept = Kept { id: "s1@now".into(), ended: vec!["old".into()], end: UnixMs(0) };
    let told = Told { shown: vec![("secret id", "s1".into())], kept: Some(kept) };
    let expected = json!({
        "done": true,
        "secret_id": "s1",
        "signing_secret_kept_as": "s1@now",
        "older_signing_secrets": [{ "id": "old", "live_until": "1970-01-01T00:00:00.000Z" }],
    });
    assert_eq!(told.document(), expected);
    assert_eq!(Told { shown: Vec::new(), kept: None }.document(), json!({ "done": true }));
}

#[test]
fn nothing_is_made_that_could_not_be_kept() {
    let made = || Ok((200, json!({"id": "s1", "value": "v1"})));
    let two = r#"{"signing_secrets":[{"id":"a","value":"v"},{"id":"b","value":"v"}]}"#;
    let rotate = "hookledger fynapse rotate-secret --secret-id s1";
    for (name, document, writes) in [
        ("a store that cannot be written", LIVE, 0),
        ("a document that is not usable", "{", 9),
        ("nobody knows which is the old one", two, 9),
    ] {
        let (told, after, asked) = typed(rotate, document, writes, made());
        assert!(told.is_err() && asked == 0 && after == document, "{name}");
    }
    assert!(typed(&format!("{rotate} --replaces b"), two, 9, made()).0.is_ok());
    // The store fails just then: what is lost is said, and what to do; and nothing of it is shown.
    let (told, after, asked) = typed(rotate, LIVE, 1, made());
    let error = format!("{:#}", told.unwrap_err());
    assert!(error.contains("secret s1") && error.contains("rotate it") && !error.contains("v1"), "{error}");
    assert_eq!((after.as_str(), asked), (LIVE, 1));
}

#[test]
fn what_the_provider_refuses_is_said() {
    let line = "hookledger finbox set-webhook --flow entity --webhook-url https://h/t --webhook-mode 1";
    let told = |answer| typed(line, "{}", 0, answer).0.map_err(|error| error.to_string());
    assert_eq!(told(Ok((200, json!({})))).unwrap(), ["done"]);
    assert_eq!(told(Ok((400, json!({"detail": "x"})))).unwrap_err(), "the provider's API answered 400");
    assert!(told(Ok((401, json!({})))).unwrap_err().ends_with("try again later"));
    assert!(told(Err(ApiError::TimedOut)).unwrap_err().contains("not known"));
    let bad = typed(&line.replace("mode 1", "mode 4"), "{}", 0, Ok((200, json!({}))));
    assert_eq!((bad.0.unwrap_err().to_string().as_str(), bad.2), ("--webhook-mode must be 0, 1, 2 or 3", 0));
}
