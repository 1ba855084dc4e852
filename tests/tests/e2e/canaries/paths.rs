//! Every path on which personal data and secrets come in, or are used.

use hookledger_core::model::entry::State;
use hookledger_core::model::identity::ItemKey;
use hookledger_kit as kit;
use hookledger_tests::canary::Canary;
use hookledger_tests::local::{Outcome, until};
use hookledger_tests::samples::event_of;
use hookledger_tests::story::Scene;
use serde_json::{Value, json};

use super::super::operator::output;

/// The provider whose API refuses for good in the end, and repeats the request.
const ECHOING: &str = "rightfoot";
/// Larger than what fits into an item, even packed: it is kept in chunks.
const LARGE_BYTES: usize = 700_000;

pub(super) struct Walk<'a> {
    scene: &'a Scene,
    canaries: &'a [Canary],
    documents: &'a [(&'static str, String)],
    /// What was answered, and where.
    pub(super) answers: Vec<(String, String)>,
    /// Entries that are to be settled in the end.
    admitted: Vec<ItemKey>,
}

/// With which proof something is delivered.
#[derive(Clone, Copy)]
enum With {
    /// The one that this stack was given at its start.
    Live,
    /// A canary, which is one only once the secret says so.
    Canary,
}

impl<'a> Walk<'a> {
    pub(super) fn new(scene: &'a Scene, canaries: &'a [Canary], documents: &'a [(&'static str, String)]) -> Self {
        Self { scene, canaries, documents, answers: Vec::new(), admitted: Vec::new() }
    }

    fn canary(&self, kind: &str) -> &'a str {
        let found = self.canaries.iter().find(|canary| canary.kind == kind);
        &found.unwrap_or_else(|| panic!("there is no {kind}")).value
    }

    pub(super) async fn all(&mut self) -> Outcome<()> {
        for provider in kit::names() {
            self.bodies(provider).await?;
        }
        self.rescued().await?;
        self.submitted().await?;
        self.no_events_at_all().await?;
        self.broken_secret().await?;
        for provider in kit::names() {
            self.rotated(provider).await?;
        }
        self.echoed_and_parked().await
    }

    /// Everything that is to be worked is worked in the end.
    pub(super) async fn settle(&self) -> Outcome<()> {
        for key in &self.admitted {
            self.scene.local.until_state(key, State::Done).await?;
        }
        Ok(())
    }

    /// Good, large, forged and unreadable, each with all of them inside.
    async fn bodies(&mut self, provider: &str) -> Outcome<()> {
        let good = self.event(provider, "good").await?;
        self.admit(provider, With::Live, &good).await?;
        let mut large: Value = serde_json::from_str(&self.event(provider, "large").await?).unwrap_or_default();
        // Digits that no compression makes small, with the canaries behind them in the last chunk too.
        let noise = (0..LARGE_BYTES as u64 / 16).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        large["noise"] = noise.map(|n| format!("{n:016x}")).collect::<String>().into();
        large["zz"] = self.extra();
        self.admit(provider, With::Live, &large.to_string()).await?;
        for (what, body) in [("forged", good), ("large and forged", large.to_string())] {
            let status = self.deliver(provider, With::Canary, &body).await?;
            if status != 403 {
                return Err(format!("{provider}: {what}, and answered {status}"));
            }
        }
        let unreadable = format!("{} is no JSON", self.extra());
        let status = self.deliver(provider, With::Live, &unreadable).await?;
        if status != kit::of(provider).unreadable.status() {
            return Err(format!("{provider}: unreadable, and answered {status}"));
        }
        Ok(())
    }

    /// The table is down for FinBox's receiver: the delivery itself travels on the rescue queue.
    async fn rescued(&mut self) -> Outcome<()> {
        let body = self.event("finbox", "rescued").await?;
        self.scene.local.deny("finbox", "dynamodb:PutItem").await?;
        let admitted = self.admit("finbox", With::Live, &body).await;
        self.scene.local.allow("finbox").await?;
        admitted
    }

    /// People's numbers on their way to Rightfoot: taken; and refused by us, by the shape of the document, of the provider.
    async fn submitted(&mut self) -> Outcome<()> {
        let person = self.person("submitted");
        let taken = self.submit("rightfoot", &json!({ "authorizers": [person] })).await?;
        let batch = taken["reference"].as_str().ok_or_else(|| format!("not submitted: {taken}"))?;
        let body = self.scene.local.sandbox.event("rightfoot", batch).await?;
        self.admit("rightfoot", With::Live, &body).await?;
        for (provider, document) in [
            ("rightfoot", person.clone()),
            ("rightfoot", json!([person])),
            ("rightfoot", json!({ "authorizers": [{ "ssn": person["ssn"] }] })),
            ("rightfoot", json!({ "authorizers": [person], "webhook_url": self.canary("URL token") })),
            ("finbox", json!({ "authorizers": [person] })),
        ] {
            let refused = self.submit(provider, &document).await?;
            if refused["error"].is_null() {
                return Err(format!("{provider} took a document that is none: {refused}"));
            }
        }
        Ok(())
    }

    /// An authorizer with everything that Rightfoot asks to know, and more.
    fn person(&self, name: &str) -> Value {
        let mut person = self.extra();
        person["authorizer_unique_id"] = self.scene.id(name).into();
        person["ssn"] = self.canary("SSN").into();
        person["account_number"] = self.canary("account number").into();
        person
    }

    async fn submit(&mut self, provider: &str, document: &Value) -> Outcome<Value> {
        let local = &self.scene.local;
        let url = format!("{}/submissions/{provider}", local.stack.api_url);
        let answered = local.http.signed("execute-api", "POST", &url, &[], document.to_string().into_bytes()).await?;
        self.answers.push((
            format!("answer about a submission to {provider}"),
            format!("{:?}{}", answered.headers, answered.text()),
        ));
        serde_json::from_slice(&answered.body).map_err(|error| format!("{provider}: {error}"))
    }

    /// What is neither a delivery nor an order, to every function; and orders that name nothing sensible.
    async fn no_events_at_all(&mut self) -> Outcome<()> {
        let local = &self.scene.local;
        let extra = self.extra();
        for (function, deployed) in &local.stack.functions {
            let path = format!("/2015-03-31/functions/{deployed}/invocations");
            let record = json!({ "messageId": "m1", "body": extra.to_string() });
            for payload in [extra.clone(), json!({ "Records": [record] }), json!([extra])] {
                let answered = local.http.aws("lambda", "POST", &path, &[], payload.to_string().into_bytes()).await?;
                self.answers
                    .push((format!("answer of {function}, invoked"), format!("{answered:?}{}", answered.text())));
            }
        }
        let long = format!("{}{}", self.canary("URL token"), "x".repeat(300));
        for (provider, reference) in [("rightfoot", &*long), ("finbox", self.canary("SSN")), ("fynapse", "x")] {
            let answered = local.expect("PUT", provider, reference).await?;
            self.answers.push((format!("answer about an expectation of {provider}"), answered.text()));
        }
        Ok(())
    }

    /// A secret that is no JSON: nobody may quote it.
    async fn broken_secret(&mut self) -> Outcome<()> {
        let local = &self.scene.local;
        let broken = format!("{{\"signing_secrets\": {}", self.extra());
        local.put_secret("fynapse", &broken).await?;
        // For as long as the last good one is cached, and beyond.
        for n in 0..6 {
            let body = self.event("fynapse", &format!("broken{n}")).await?;
            self.deliver("fynapse", With::Canary, &body).await?;
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
        let (_, document) = self.documents.iter().find(|(provider, _)| *provider == "fynapse").ok_or("no document")?;
        local.put_secret("fynapse", document).await
    }

    /// The secret holds canaries: as live proofs, and as credentials, which an API refuses and repeats in its error.
    async fn rotated(&mut self, provider: &'static str) -> Outcome<()> {
        let local = &self.scene.local;
        let (_, document) = self.documents.iter().find(|(name, _)| *name == provider).ok_or("no document")?;
        let mut document: Value = serde_json::from_str(document).map_err(|error| error.to_string())?;
        for (list, value) in [("signing_secrets", "signing secret"), ("url_tokens", "URL token")] {
            let mut live = document[list].as_array().cloned().unwrap_or_default();
            live.push(json!({ "id": "canary", "value": self.canary(value) }));
            document[list] = live.into();
        }
        for (_, credential) in document["api"].as_object_mut().into_iter().flatten() {
            *credential = self.canary("API key").into();
        }
        local.sandbox.faults(provider, json!({ "outage": true, "status": 401, "echo": true })).await?;
        local.put_secret(provider, &document.to_string()).await?;
        let body = self.event(provider, "rotated").await?;
        let mut tries = 0;
        while self.deliver(provider, With::Canary, &body).await? != 200 {
            tries += 1;
            if tries > 60 {
                return Err(format!("{provider}: the canary does not become a proof"));
            }
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
        // Sent with a credential that is refused, and the refusal repeats the request.
        let person = self.person("refused");
        self.submit(provider, &json!({ "authorizers": [person] })).await?;
        self.operated(provider)?;
        let key = event_of(provider, &body).key();
        // That API is next made to refuse for good. Whether this entry's retry meets that is chance.
        if provider != ECHOING {
            self.admitted.push(key.clone());
        }
        until("the provider to be asked in vain", async || {
            local.reconcile().await?;
            let entry = local.entry(&key).await?.ok_or("no entry")?;
            let asked = entry.state == State::Done || entry.reason.is_some();
            Ok(if asked { Ok(()) } else { Err("nobody has asked".to_string()) })
        })
        .await
    }

    /// The operator's command, with the secret as it is now: what it has the provider do is refused, and repeated.
    fn operated(&mut self, provider: &str) -> Outcome<()> {
        let url = format!("https://hooks.example/{}", self.canary("URL token"));
        let id = self.canary("account number");
        let authorizers = json!({ "authorizers": [self.person("typed")] }).to_string();
        let commands: [&[&str]; 6] = [
            &["rightfoot", "submit", "-"],
            &["fynapse", "create-secret", "--name", id],
            &["fynapse", "rotate-secret", "--secret-id", id],
            &["fynapse", "subscribe", "--name", id, "--endpoint-url", &url, "--secret-id", id],
            &["fynapse", "deactivate", "--subscription-id", id],
            &["finbox", "set-webhook", "--flow", "entity", "--webhook-url", &url, "--webhook-mode", "1"],
        ];
        let local = &self.scene.local;
        for arguments in commands.into_iter().filter(|command| command[0] == provider) {
            let output = output(local, provider, arguments, &authorizers)?;
            if output.status.success() {
                return Err(format!("{arguments:?}: the provider refuses everything, and this says that it worked"));
            }
            self.answers.push((format!("answer of the command {}", arguments[..2].join(" ")), format!("{output:?}")));
        }
        for arguments in [&["events"][..], &["refused", provider], &["parked"], &["status", "-o", "json"], &["owed"]] {
            let output = output(local, provider, arguments, "")?;
            self.answers.push((format!("answer of the command {}", arguments.join(" ")), format!("{output:?}")));
        }
        Ok(())
    }

    /// A permanent error that repeats the request: the reason an entry is parked for says nothing of it.
    async fn echoed_and_parked(&mut self) -> Outcome<()> {
        let local = &self.scene.local;
        let faults = json!({ "outage": true, "status": 422, "echo": true });
        local.sandbox.faults(ECHOING, faults).await?;
        let body = self.event(ECHOING, "parked").await?;
        let key = event_of(ECHOING, &body).key();
        self.deliver(ECHOING, With::Live, &body).await?;
        local.until_state(&key, State::Parked).await.map(drop)
    }

    async fn admit(&mut self, provider: &str, with: With, body: &str) -> Outcome<()> {
        let status = self.deliver(provider, with, body).await?;
        if status != 200 {
            return Err(format!("{provider}: admitted with {status}"));
        }
        self.admitted.push(event_of(provider, body).key());
        Ok(())
    }

    /// Delivers a body, with canaries in the query and in headers that nobody asked for.
    async fn deliver(&mut self, provider: &str, with: With, body: &str) -> Outcome<u16> {
        let local = &self.scene.local;
        let canary = if kit::of(provider).is_signed() { "signing secret" } else { "URL token" };
        let secret = if matches!(with, With::Live) { local.stack.proof(provider)? } else { self.canary(canary) };
        let mut post = local.post(provider, body, secret, 0)?;
        post.headers.push(("authorization", format!("Bearer {}", self.canary("API key"))));
        post.headers.push(("x-account", self.canary("account number").into()));
        post.url.push_str(&format!("?ssn={}&token={}", self.canary("SSN"), self.canary("URL token")));
        let answered = local.send(post).await?;
        self.answers
            .push((format!("answer of {provider}'s webhook"), format!("{:?}{}", answered.headers, answered.text())));
        Ok(answered.status)
    }

    /// All canaries, as fields that no provider documents.
    fn extra(&self) -> Value {
        let all = self.canaries.iter().map(|canary| (canary.kind.to_string(), canary.value.as_str().into()));
        Value::Object(all.collect())
    }

    /// A genuine event of this name, known to the provider's API, with the canaries beside what is documented.
    async fn event(&self, provider: &str, name: &str) -> Outcome<String> {
        let (sandbox, id) = (&self.scene.local.sandbox, self.scene.id(name));
        let body = sandbox.event(provider, &id).await?;
        let mut body: Value = serde_json::from_str(&body).map_err(|error| error.to_string())?;
        body["undocumented"] = self.extra();
        Ok(body.to_string())
    }
}
