//! The condition `dynamodb:LeadingKeys` of the functions that meet the outside, held against the partition keys that
//! their flows really use: recorded from the very requests of the adapter. The emulator does not know that key.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::BeforeSerializationInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::get_item::GetItemInput;
use aws_sdk_dynamodb::operation::put_item::PutItemInput;
use aws_sdk_dynamodb::operation::update_item::UpdateItemInput;
use aws_sdk_dynamodb::types::AttributeValue;
use hookledger_core::desk::submit::Submitter;
use hookledger_core::flows::expectations::{announce, close, look_up};
use hookledger_core::flows::receive::receive;
use hookledger_core::model::delivery::Delivery;
use hookledger_core::model::identity::digest_hex;
use hookledger_kit as kit;
use hookledger_tests::dynamo::{in_process, runtime};
use hookledger_tests::memory::answer;
use hookledger_tests::on_dynamo::OnDynamo;
use hookledger_tests::samples;
use hookledger_tests::town::Town;

use super::read::{block, of_type, providers};

/// The partition keys that a function is permitted, as its statement about the table lists them.
fn permitted(function: &str) -> Vec<String> {
    let block = block(function);
    let table = block.split("table/${ExistingTableName}\n").nth(1).expect("a statement about the table");
    let statement = table.split("            - Effect:").next().unwrap();
    let Some((_, list)) = statement.split_once("ForAllValues:StringLike:\n") else { return Vec::new() };
    let list = list.trim_start().strip_prefix("dynamodb:LeadingKeys:").expect("the condition is about leading keys");
    list.split(['[', ']', ',', '\n', ' '])
        .map(|word| word.trim_matches('"'))
        .filter(|word| !word.is_empty())
        .filter(|word| *word != "-")
        .map(str::to_string)
        .collect()
}

/// As IAM's `StringLike`, with the one wildcard that is used here, at the end.
fn is_like(pattern: &str, key: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => !start.contains(['*', '?']) && key.starts_with(start),
        None => !pattern.contains(['*', '?']) && key == pattern,
    }
}

/// Every operation that was asked for, with the partition key that IAM would see.
#[derive(Clone, Debug, Default)]
struct Asked(Arc<Mutex<BTreeSet<(&'static str, String)>>>);

impl Intercept for Asked {
    fn name(&self) -> &'static str {
        "leading keys"
    }

    fn read_before_serialization(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let input = context.input();
        let pk = |key: Option<&std::collections::HashMap<String, AttributeValue>>| {
            key.and_then(|key| key.get("pk")).and_then(|pk| pk.as_s().ok()).expect("a key has a partition").clone()
        };
        let asked = if let Some(get) = input.downcast_ref::<GetItemInput>() {
            ("dynamodb:GetItem", pk(get.key()))
        } else if let Some(put) = input.downcast_ref::<PutItemInput>() {
            ("dynamodb:PutItem", pk(put.item()))
        } else if let Some(update) = input.downcast_ref::<UpdateItemInput>() {
            ("dynamodb:UpdateItem", pk(update.key()))
        } else {
            ("another operation", format!("{input:?}"))
        };
        self.0.lock().expect("no test panics with it").insert(asked);
        Ok(())
    }
}

/// A world whose requests to the table are recorded.
struct Recorded {
    world: OnDynamo,
    asked: Asked,
}

impl Recorded {
    async fn new() -> Self {
        let asked = Asked::default();
        let config = in_process().await.config().to_builder().interceptor(asked.clone()).build();
        Self { world: OnDynamo::over(&Client::from_conf(config), Town::new()), asked }
    }

    fn town(&self) -> &Town {
        &self.world.town
    }

    async fn deliver(&self, delivery: Delivery) -> u16 {
        let provider = self.town().provider(delivery.provider.0);
        receive(&self.world, &self.town().inbox.secrets, provider, delivery).await.status
    }

    /// What is not permitted of all that was asked for since the last look.
    fn denied(&self, function: &str) -> Vec<String> {
        let asked = std::mem::take(&mut *self.asked.0.lock().expect("no test panics with it"));
        assert!(!asked.is_empty(), "{function} asked for nothing");
        let permitted = permitted(function);
        let granted = |(action, pk): &(&str, String)| {
            action.starts_with("dynamodb:") && permitted.iter().any(|pattern| is_like(pattern, pk))
        };
        asked.iter().filter(|asked| !granted(asked)).map(|(action, pk)| format!("{function}: {action} {pk}")).collect()
    }
}

/// Everything a receiver may be sent: each sample twice, a body that needs chunks, what can't be read, what is not proved.
#[test]
fn a_receiver_needs_no_key_but_its_own_providers() {
    let mut denied = Vec::new();
    let mut chunks = BTreeMap::new();
    for (name, provider) in providers().map(|(name, kit)| (name, kit.name)) {
        runtime().block_on(async {
            let recorded = Recorded::new().await;
            let mut bodies: Vec<Vec<u8>> = samples::all()
                .into_iter()
                .filter(|sample| sample.provider == provider)
                .map(|sample| sample.body.into_bytes())
                .collect();
            let large = (0u32..20_000).map(|n| digest_hex(&n.to_be_bytes())).collect::<String>();
            let sample = String::from_utf8(bodies[0].clone()).unwrap();
            bodies.push(sample.replacen('{', &format!("{{\"padding\":\"{large}\","), 1).into_bytes());
            bodies.extend([b"nonsense".to_vec(), br#"{"batch_id":"b9"}"#.to_vec()]);
            for body in &bodies {
                for _ in 0..2 {
                    recorded.deliver(recorded.town().delivery_of(provider, body)).await;
                }
            }
            let mut forged = recorded.town().delivery_of(provider, &bodies[0]);
            (forged.headers, forged.path_token) = (Vec::new(), None);
            assert_eq!(recorded.deliver(forged).await, 403, "{provider}");
            let body = |(_, pk): &&(&str, String)| pk.contains("body#");
            chunks.insert(provider, recorded.asked.0.lock().unwrap().iter().filter(body).count());
            denied.extend(recorded.denied(&format!("{name}Function")));
        });
    }
    assert!(denied.is_empty(), "{denied:#?}");
    assert!(chunks.values().all(|count| *count > 0), "no chunk was written: {chunks:?}");
}

/// Every reference that is documented, and a submission.
#[test]
fn the_expectations_function_needs_what_is_expected_and_nothing_else() {
    let references = [
        ("rightfoot", "b1"),
        ("rightfoot", "authorizer:a1"),
        ("rightfoot", "schedule:s1"),
        ("finbox", "link:l1"),
        ("finbox", "entity:e1"),
        ("finbox", "session:s1"),
    ];
    let denied = runtime().block_on(async {
        let recorded = Recorded::new().await;
        let (world, town) = (&recorded.world, recorded.town());
        for (provider, reference) in references {
            let provider = town.provider(provider);
            announce(world, provider, reference).await.unwrap();
            announce(world, provider, reference).await.unwrap();
            assert!(look_up(world, provider, reference).await.unwrap().is_some());
            assert!(close(world, provider, reference).await.unwrap());
        }
        town.inbox.api.answer_with(|_| answer(201, r#"{"batch_id":"b2"}"#));
        let (api, secrets) = (&town.inbox.api, &town.inbox.secrets);
        let submitter = Submitter { inbox: world, api, secrets, webhook_base_url: "https://hooks.example" };
        let document = br#"{"authorizers":[{"authorizer_unique_id":"a1"}]}"#;
        submitter.submit(town.provider("rightfoot"), document).await.unwrap();
        recorded.denied("ExpectationsFunction")
    });
    assert!(denied.is_empty(), "{denied:#?}");
}

/// What the condition is for: nobody else's rows, no circuits and cursors, no body and no refusal for who only announces.
#[test]
fn a_function_that_is_taken_over_reaches_no_other_providers_rows() {
    let rows = |provider: &str| {
        ["batch#b1", "event#e1", "refused#2026-11-22", "unreadable#2026-11-22", "body#00", "connect"]
            .map(|row| format!("{provider}#{row}"))
    };
    let others = ["reconciler", "body#00", "connect", "", "rightfoot", "rightfootx#batch#b1"];
    for (name, own) in providers().map(|(name, kit)| (name, kit.name)) {
        let permitted = permitted(&format!("{name}Function"));
        let may = |key: &str| permitted.iter().any(|pattern| is_like(pattern, key));
        for provider in kit::names() {
            for row in rows(provider) {
                assert_eq!(may(&row), provider == own, "{name}: {row}");
            }
        }
        assert!(others.iter().all(|key| !may(key)), "{name}");
    }
    let permitted = permitted("ExpectationsFunction");
    let may = |key: &str| permitted.iter().any(|pattern| is_like(pattern, key));
    assert!(may("rightfoot#batch#b1") && may("rightfoot#connect"), "what is expected, and where it connects");
    assert!(others.iter().all(|key| !may(key)));
    for provider in kit::names() {
        for row in rows(provider).iter().filter(|row| !row.contains("#batch#") && !row.ends_with("#connect")) {
            assert!(!may(row), "the expectations function: {row}");
        }
    }
}

/// `ForAllValues` is true of a request without the key. No action is allowed so that comes without it.
#[test]
fn conditions_stand_only_at_actions_that_carry_a_key() {
    let mut conditions = 0;
    for (name, block) in of_type("AWS::Serverless::Function") {
        for statement in block.split("            - Effect: Allow\n").skip(1).filter(|text| text.contains("Condition:"))
        {
            let actions = statement.lines().next().unwrap().trim();
            assert_eq!(actions, "Action: [dynamodb:GetItem, dynamodb:PutItem, dynamodb:UpdateItem]", "{name}");
            conditions += 1;
        }
    }
    assert_eq!(conditions, providers().count() + 1, "each receiver and the expectations function");
}
