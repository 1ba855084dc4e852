//! The deployed stack against those who should not get in: a rotation from end to end, a second look at what was
//! refused, and what each function may not do.

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use hookledger_aws::start::clients::Clients;
use hookledger_core::model::entry::State;
use hookledger_core::model::identity::ItemKey;
use hookledger_core::model::job::Job;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::Clock as _;
use hookledger_kit as kit;
use hookledger_tests::local::{Local, Outcome, until};
use hookledger_tests::samples::event_of;
use serde_json::{Value, json};

use super::operator::output;
use super::scene;

/// How long the old secret goes on: longer than the functions' cache here, so that both are seen to be live.
const OVERLAP_SECS: u64 = 25;

/// Delivers to Run Payments' URL, signed with this secret.
async fn signed_with(local: &Local, secret: &str, body: &str) -> Outcome<u16> {
    Ok(local.send(local.post("runpayments", body, secret, 0)?).await?.status)
}

async fn until_answered(local: &Local, secret: &str, body: &str, wanted: u16) -> Outcome<()> {
    until(&format!("{wanted}"), async || {
        let status = signed_with(local, secret, body).await?;
        Ok(if status == wanted { Ok(()) } else { Err(format!("answered {status}")) })
    })
    .await
}

fn now() -> UnixMs {
    hookledger_aws::ports::clock::SystemClock::new().now()
}

/// The new secret is live beside the old one, the old one ends by itself, and each one's last use can be seen.
#[tokio::test]
async fn a_rotation_loses_nothing_and_ends_the_old_secret() {
    let (_guard, scene) = scene("rotation").await;
    let before = scene.local.secret("runpayments").await.unwrap();
    let outcome = rotate(&scene.local, &before, &scene.id("rotation")).await;
    scene.local.put_secret_back("runpayments", &before).await.unwrap();
    outcome.unwrap();
}

async fn rotate(local: &Local, before: &str, name: &str) -> Outcome<()> {
    let old = &local.stack.signing_secrets["runpayments"];
    let (new, end) = (format!("{name}-a-new-secret"), now().plus_secs(OVERLAP_SECS));
    let mut document: Value = serde_json::from_str(before).map_err(|error| error.to_string())?;
    document["signing_secrets"] = json!([
        { "id": "drill-old", "value": old, "not_after": end.to_string() },
        { "id": "drill-new", "value": new },
    ]);
    local.put_secret("runpayments", &document.to_string()).await?;
    // The first delivery with the new secret makes the function read the document again: nothing is deployed.
    let by_new = local.sandbox.event("runpayments", &format!("{name}-new")).await?;
    until_answered(local, &new, &by_new, 200).await?;
    let by_old = local.sandbox.event("runpayments", &format!("{name}-old")).await?;
    assert_eq!(signed_with(local, old, &by_old).await?, 200, "both are live");
    let last_uses = || {
        let told = output(local, "runpayments", &["events", "--limit", "1000"], "")?.stderr;
        Ok::<_, String>(
            String::from_utf8_lossy(&told)
                .lines()
                .filter(|line| line.starts_with("last use of "))
                .map(str::to_string)
                .collect::<Vec<_>>(),
        )
    };
    let seen = last_uses()?;
    for id in ["drill-old", "drill-new"] {
        assert!(seen.iter().any(|line| line.starts_with(&format!("last use of runpayments's {id}: "))), "{seen:?}");
    }
    while now() < end {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    let late = local.sandbox.event("runpayments", &format!("{name}-late")).await?;
    assert_eq!(signed_with(local, old, &late).await?, 403, "the old one has ended");
    assert!(local.entry(&event_of("runpayments", &late).key()).await?.is_none());
    assert_eq!(signed_with(local, &new, &late).await?, 200, "the new one goes on");
    let of_old = |lines: &[String]| lines.iter().find(|line| line.contains("drill-old")).cloned();
    assert_eq!(of_old(&last_uses()?), of_old(&seen), "the old one's last use stands");
    local.until_state(&event_of("runpayments", &late).key(), State::Done).await.map(drop)
}

/// A rotation by the command alone: added, seen to be used, given an end. Its value stands on no screen.
#[tokio::test]
async fn a_secret_is_added_and_retired_by_the_command() {
    let (_guard, scene) = scene("secret").await;
    let before = scene.local.secret("runpayments").await.unwrap();
    let outcome = by_the_command(&scene.local, &scene.id("value")).await;
    scene.local.put_secret_back("runpayments", &before).await.unwrap();
    outcome.unwrap();
}

async fn by_the_command(local: &Local, name: &str) -> Outcome<()> {
    let value = format!("{name}-0123456789abcdef");
    let list = ["--list", "signing_secrets"];
    let typed = |arguments: &[&str], input: &str| {
        let ended = output(local, "runpayments", &[&["secret"], arguments].concat(), input)?;
        let said = format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
        assert!(!said.contains(&value), "{said}");
        Ok::<_, String>((ended.status.code(), said))
    };
    let add = [&["add", "runpayments", "drill"], &list[..]].concat();
    assert_eq!(typed(&add, "short\n")?.0, Some(1), "one that no function would use");
    assert_eq!(typed(&add, "")?.0, Some(1), "nothing came");
    assert_eq!(typed(&add, &format!("{value}\n"))?.0, Some(0));
    assert_eq!(typed(&add, &value)?.0, Some(1), "the name is taken");
    let body = local.sandbox.event("runpayments", name).await?;
    until_answered(local, &value, &body, 200).await?;
    local.until_state(&event_of("runpayments", &body).key(), State::Done).await?;
    let used = until("its use to be listed", async || {
        let (_, said) = typed(&["list", "runpayments", "-o", "jsonl"], "")?;
        let rows = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let used = rows.into_iter().any(|row| row["id"] == "drill" && row["last_use"].is_string());
        Ok(if used { Ok(()) } else { Err(said) })
    });
    used.await?;
    let retire = [&["retire", "runpayments", "drill", "--in", "1s"], &list[..]].concat();
    let (code, said) = typed(&retire, "")?;
    assert!(code == Some(4) && said.contains("in use"), "{said}");
    assert_eq!(typed(&[&retire[..], &["--yes"]].concat(), "")?.0, Some(0));
    let late = local.sandbox.event("runpayments", &format!("{name}-late")).await?;
    until_answered(local, &value, &late, 403).await?;
    // The last one may not go: every delivery would be refused. One that is too short to be used is no other.
    let mut document: Value = serde_json::from_str(&local.secret("runpayments").await?).map_err(|e| e.to_string())?;
    let secrets = document["signing_secrets"].as_array_mut().ok_or("no signing secrets")?;
    secrets.push(json!({ "id": "unused", "value": "short" }));
    local.put_secret("runpayments", &document.to_string()).await?;
    let (code, said) = typed(&[&["retire", "runpayments", "local", "--in", "1s", "--yes"], &list[..]].concat(), "")?;
    assert!(code == Some(1) && said.contains("no other secret"), "{said}");
    Ok(())
}

/// The secret was wrong, the provider has given up, the secret is put right: the operator lets the delivery in.
#[tokio::test]
async fn what_was_refused_for_a_wrong_secret_is_let_in_afterwards() {
    let (_guard, scene) = scene("reverify").await;
    let local = &scene.local;
    let before = local.secret("runpayments").await.unwrap();
    let secret = scene.id("the-right-secret");
    let body = local.sandbox.event("runpayments", &scene.id("reverify")).await.unwrap();
    assert_eq!(signed_with(local, &secret, &body).await.unwrap(), 403);
    let mut document: Value = serde_json::from_str(&before).unwrap();
    document["signing_secrets"].as_array_mut().unwrap().push(json!({ "id": "mended", "value": secret }));
    local.put_secret("runpayments", &document.to_string()).await.unwrap();
    let looks: Vec<_> = (0..2)
        .map(|_| output(local, "runpayments", &["refused", "reverify", "runpayments", "--limit", "1000"], "").unwrap())
        .collect();
    local.put_secret_back("runpayments", &before).await.unwrap();
    // The second finds nothing to let in, and says so by its exit code.
    assert_eq!([looks[0].status.code(), looks[1].status.code()], [Some(0), Some(3)]);
    let [first, second] = [0, 1].map(|n: usize| String::from_utf8_lossy(&looks[n].stdout).into_owned());
    assert_eq!(first.matches("genuine by mended: let in").count(), 1, "{first}");
    assert_eq!(second.matches("let in\n").count(), 0, "{second}");
    for hidden in [secret.as_str(), "idempotency_key", "sha256="] {
        assert!(!first.contains(hidden), "{first}");
    }
    let entry = local.until_state(&event_of("runpayments", &body).key(), State::Done).await.unwrap();
    assert_eq!(local.rows(&entry.key.subject(), "event#").await.unwrap().len(), 1);
}

/// What somebody with a function's credentials might try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Try {
    Get,
    Put,
    Query,
    Delete,
    BatchWrite,
    Scan,
    DropTable,
    Send(&'static str),
    Receive(&'static str),
    Purge,
    Publish,
    Secret(&'static str),
    WriteSecret(&'static str),
}

const NOBODY_MAY: [Try; 5] = [Try::Delete, Try::BatchWrite, Try::Scan, Try::DropTable, Try::Purge];
const MIGHT: [Try; 4] = [Try::Get, Try::Put, Try::Query, Try::Publish];

impl Try {
    /// Whether the store let it pass; every other failure than a denial is an error of the test.
    async fn is_allowed(self, clients: &Clients, local: &Local, partition: &str) -> Outcome<bool> {
        let stack = &local.stack;
        let s = |text: &str| AttributeValue::S(text.into());
        let (table, nowhere) = (&stack.table, partition);
        // The worker finds no such entry and is done with the message.
        let job = Job::entry(ItemKey { pk: nowhere.into(), sk: "event#x".into() }).to_json();
        let refusal = match self {
            Self::Get => failed(
                clients.dynamodb.get_item().table_name(table).key("pk", s(nowhere)).key("sk", s("x")).send().await,
            ),
            Self::Put => failed(
                clients.dynamodb.put_item().table_name(table).item("pk", s(partition)).item("sk", s("x")).send().await,
            ),
            Self::Query => failed(
                clients
                    .dynamodb
                    .query()
                    .table_name(table)
                    .key_condition_expression("pk = :pk")
                    .expression_attribute_values(":pk", s(nowhere))
                    .send()
                    .await,
            ),
            Self::Delete => failed(
                clients.dynamodb.delete_item().table_name(table).key("pk", s(nowhere)).key("sk", s("x")).send().await,
            ),
            Self::BatchWrite => {
                let put =
                    aws_sdk_dynamodb::types::PutRequest::builder().item("pk", s(partition)).item("sk", s("y")).build();
                let put = put.map_err(|error| error.to_string())?;
                let write = aws_sdk_dynamodb::types::WriteRequest::builder().put_request(put).build();
                failed(clients.dynamodb.batch_write_item().request_items(table, vec![write]).send().await)
            }
            Self::Scan => failed(clients.dynamodb.scan().table_name(table).limit(1).send().await),
            Self::DropTable => failed(clients.dynamodb.delete_table().table_name(table).send().await),
            Self::Send(to) => {
                failed(clients.sqs.send_message().queue_url(queue_url(local, to)).message_body(job).send().await)
            }
            Self::Receive(from) => failed(
                clients.sqs.receive_message().queue_url(queue_url(local, from)).visibility_timeout(0).send().await,
            ),
            Self::Purge => failed(clients.sqs.purge_queue().queue_url(&stack.queue_urls["runpayments"]).send().await),
            Self::Publish => {
                let entry = PutEventsRequestEntry::builder()
                    .event_bus_name(&stack.bus)
                    .source("a-test")
                    .detail_type("t")
                    .detail("{}")
                    .build();
                failed(clients.events().put_events().entries(entry).send().await)
            }
            Self::Secret(of) => failed(clients.secrets.get_secret_value().secret_id(&stack.secrets[of]).send().await),
            Self::WriteSecret(of) => failed(
                clients.secrets.put_secret_value().secret_id(&stack.secrets[of]).secret_string("{}").send().await,
            ),
        };
        match refusal {
            None => Ok(true),
            Some(text) if text.contains("AccessDenied") => Ok(false),
            Some(text) => Err(format!("{self:?}: {text}")),
        }
    }
}

/// The name by which the table below knows the queue of deliveries that can't be stored yet.
const RESCUE: &str = "rescue";

fn queue_url<'a>(local: &'a Local, name: &str) -> &'a str {
    if name == RESCUE { &local.stack.rescue_queue_url } else { &local.stack.queue_urls[name] }
}

fn failed<T, E: std::fmt::Debug>(outcome: Result<T, E>) -> Option<String> {
    outcome.err().map(|error| format!("{error:?}"))
}

/// Every function's own role, every attempt: exactly what the row names is allowed, and all else is denied.
#[tokio::test]
async fn no_function_may_do_what_it_does_not_need() {
    let (_guard, scene) = scene("iam").await;
    let local = &scene.local;
    let receiver: &[Try] = &[Try::Get, Try::Put];
    // What it may do to the table and the bus, whose secrets it reads, whose queues it sends to.
    let all: Vec<&'static str> = kit::names().collect();
    type Row<'a> = (&'a str, &'a [Try], Vec<&'a str>, Vec<&'a str>);
    let mut rows: Vec<Row<'_>> = vec![
        ("worker", &[Try::Get, Try::Put, Try::Query, Try::Publish], all.clone(), all.clone()),
        ("reconciler", &[Try::Get, Try::Put, Try::Query], all.clone(), all.clone()),
        ("expectations", receiver, vec!["rightfoot"], all.clone()),
    ];
    for kit in kit::ALL {
        let queues = [kit.name].into_iter().chain(kit.sends_once().then_some(RESCUE)).collect();
        rows.push((kit.name, receiver, vec![kit.name], queues));
    }
    assert_eq!(rows.len(), local.stack.functions.len(), "each function has its row");
    let mut wrong = Vec::new();
    for (function, may, secrets, queues) in rows {
        let clients = local.clients_as(function).await.unwrap();
        // Rows that the template lets it touch, on AWS too: a batch of nobody's, or below its own provider.
        let provider = if all.contains(&function) { function } else { "rightfoot" };
        let partition = format!("{provider}#batch#nobodys");
        let reads = all.iter().copied().map(Try::Secret);
        let writes = all.iter().copied().map(Try::WriteSecret);
        let sends = all.iter().copied().chain([RESCUE]).map(Try::Send);
        let receives = all.iter().copied().chain([RESCUE]).map(Try::Receive);
        let attempts = MIGHT.into_iter().chain(NOBODY_MAY).chain(reads).chain(writes).chain(sends).chain(receives);
        for attempt in attempts {
            let expected = match attempt {
                Try::Secret(of) => secrets.contains(&of),
                Try::Send(to) => queues.contains(&to),
                Try::Receive(_) => function == "worker",
                other => may.contains(&other),
            };
            let allowed = attempt.is_allowed(&clients, local, &partition).await.unwrap();
            if allowed != expected {
                wrong.push(format!("{function}: {attempt:?} is {}", if allowed { "allowed" } else { "denied" }));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
