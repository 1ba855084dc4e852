//! What is odd at real providers, and what has to come of it: each outcome that is withheld is named.

use serde_json::{Value, json};

use super::{Entry, Held, Row, key};
use crate::hour::judge::judge;
use crate::hour::truth::Told;

fn told(provider: &str, facts: &[Value]) -> Vec<Told> {
    let told = facts.iter().enumerate().map(|(n, fact)| {
        json!({
            "provider": provider, "delivery_id": format!("d-{n}"), "fact": fact, "answers": [200], "acknowledged": true,
        })
    });
    serde_json::from_value(told.collect()).unwrap()
}

/// A ledger that is filled line by line.
#[derive(Clone, Default)]
struct Ledger(Held);

impl Ledger {
    fn entry(mut self, pk: &str, sk: &str, [state, event_type, reason]: [&str; 3], body: &str) -> Self {
        let (state, event_type, reason) = (state.into(), event_type.into(), reason.into());
        let entry = Entry { state, event_type, origin: "push".into(), reason, body: Some(body.into()) };
        self.0.entries.insert(key(pk, sk), entry);
        self
    }

    fn row(mut self, pk: &str, sk: &str, column: Option<(&str, &str)>, document: &str) -> Self {
        let columns = column.into_iter().map(|(name, text)| (name.to_string(), text.to_string())).collect();
        self.0.rows.insert(key(pk, sk), Row { columns, document: Some(document.into()) });
        self
    }

    fn fact(mut self, pk: &str, sk: &str) -> Self {
        self.0.facts.push(key(pk, sk));
        self
    }

    fn told(mut self, pk: &str, sk: &str, summary: Value) -> Self {
        let detail = json!({ "subject": pk, "summary": summary });
        self.0.published.insert(key(pk, sk).stable_id(), vec![detail]);
        self
    }

    fn at(mut self, pk: &str, status: &str) -> Self {
        self.0.statuses.insert(pk.into(), status.into());
        self
    }
}

/// What is wrong with a ledger: missing and extra.
fn wrong(truth: &[Told], ledger: &Ledger) -> (Vec<String>, Vec<String>) {
    let judgement = judge(truth, &ledger.0);
    (judgement.missing, judgement.extra)
}

type Change = fn(&mut Held);

/// An equal ledger is as it should be, and no changed one is.
fn shows(truth: &[Told], ledger: &Ledger, changes: &[(&str, Change)]) {
    assert_eq!(wrong(truth, ledger), (vec![], vec![]));
    for (name, change) in changes {
        let mut changed = ledger.clone();
        change(&mut changed.0);
        let (missing, extra) = wrong(truth, &changed);
        assert!(!missing.is_empty() || !extra.is_empty(), "nobody sees: {name}");
    }
}

const EXTRACT: &str = "fynapse#event#x";

#[test]
fn both_contents_under_one_id_are_kept() {
    let truth = told(
        "fynapse",
        &[
            json!({ "kind": "extract", "event_id": "x", "data": r#"{"n":1}"# }),
            json!({ "kind": "extract", "event_id": "x", "data": r#"{"n":22}"# }),
        ],
    );
    // The second one came first.
    let ledger = Ledger::default()
        .entry(EXTRACT, "event#x", ["done", "balance.extracted", ""], r#"{"event_id":"x","data":{"n":22}}"#)
        .entry(EXTRACT, "event#x#other#00", ["ignored", "balance.extracted", ""], r#"{"event_id":"x","data":{"n":1}}"#)
        .row(EXTRACT, "data", None, r#"{"n":22}"#)
        .told(EXTRACT, "event#x", json!({ "data_bytes": 8 }));
    shows(
        &truth,
        &ledger,
        &[
            ("the second is not kept", |held| _ = held.entries.remove(&key(EXTRACT, "event#x#other#00"))),
            ("the second has another content", |held| {
                held.entries.get_mut(&key(EXTRACT, "event#x#other#00")).unwrap().body = Some("{}".into());
            }),
            ("the second was worked on", |held| {
                held.entries.get_mut(&key(EXTRACT, "event#x#other#00")).unwrap().state = "done".into();
            }),
            ("the second was published", |held| {
                let id = key(EXTRACT, "event#x#other#00").stable_id();
                held.published.insert(id, vec![json!({ "subject": EXTRACT })]);
            }),
            ("the second took the first one's row", |held| {
                held.rows.get_mut(&key(EXTRACT, "data")).unwrap().document = Some(r#"{"n":1}"#.into());
            }),
            ("a third that nobody sent", |held| {
                let other = held.entries[&key(EXTRACT, "event#x#other#00")].clone();
                held.entries.insert(key(EXTRACT, "event#x#other#11"), other);
            }),
        ],
    );
}

#[test]
fn both_balances_of_one_authorizer_are_kept() {
    let balance = |amount: &str| json!({ "authorizer": "a0", "amount": amount });
    let fact = json!({ "kind": "batch", "batch_id": "b", "balances": [balance("1.0"), balance("2.0")] });
    let batch = "rightfoot#batch#b";
    let ledger = Ledger::default()
        .entry(batch, "event#BALANCE_BATCH_COMPLETED#b", ["done", "BALANCE_BATCH_COMPLETED", ""], "{}")
        .row(batch, "balance#a0", Some(("balance", "1.0")), "{}")
        .row(batch, "balance#a0#2", Some(("balance", "2.0")), "{}")
        .told(batch, "event#BALANCE_BATCH_COMPLETED#b", json!({ "balances": 2 }));
    shows(
        &told("rightfoot", &[fact]),
        &ledger,
        &[
            ("one is not kept", |held| _ = held.rows.pop_last()),
            ("one is kept twice", |held| {
                let second = held.rows.values().last().unwrap().clone();
                held.rows.insert(key("rightfoot#batch#b", "balance#a0"), second);
            }),
        ],
    );
}

const MERCHANT: &str = "runpayments#merchant#7";

fn status(status: &str, key: &str, ahead: bool) -> Value {
    json!({ "kind": "status", "merchant_id": "7", "status": status, "idempotency_key": key, "ahead": ahead })
}

fn statuses() -> Ledger {
    Ledger::default()
        .fact(MERCHANT, "fact#new#000001")
        .fact(MERCHANT, "fact#live#000001")
        .told(MERCHANT, "fact#new#000001", json!({ "status": "new" }))
        .told(MERCHANT, "fact#live#000001", json!({ "status": "live" }))
        .at(MERCHANT, "live")
}

#[test]
fn two_types_under_one_key_are_two_events() {
    let truth = told("runpayments", &[status("new", "k", false), status("live", "k", false)]);
    let ledger = statuses().entry(MERCHANT, "event#k", ["done", "merchant.live", ""], "{}").entry(
        MERCHANT,
        "event#k#merchant.new",
        ["done", "merchant.new", ""],
        "{}",
    );
    shows(
        &truth,
        &ledger,
        &[
            ("the second was taken for the first", |held| {
                _ = held.entries.remove(&key(MERCHANT, "event#k#merchant.new"))
            }),
            ("the first is gone", |held| _ = held.entries.remove(&key(MERCHANT, "event#k"))),
            ("the second is parked", |held| {
                held.entries.get_mut(&key(MERCHANT, "event#k#merchant.new")).unwrap().state = "parked".into();
            }),
        ],
    );
}

#[test]
fn a_stamp_of_the_future_holds_up_nothing() {
    let ahead = [status("new", "k1", true), status("live", "k2", false)];
    let ledger = statuses().entry(MERCHANT, "event#k1", ["done", "merchant.new", ""], "{}").entry(
        MERCHANT,
        "event#k2",
        ["done", "merchant.live", ""],
        "{}",
    );
    let change: (&str, Change) = ("the status stands still", |held| {
        held.statuses.insert(MERCHANT.into(), "new".into());
    });
    shows(&told("runpayments", &ahead), &ledger, &[change]);
    // Received after what followed it, it makes the list tell of that once more; where no stamp was wrong, nothing does.
    let again = ledger
        .entry(MERCHANT, "event#listing#7#live#2", ["done", "merchant.live", ""], "{}")
        .fact(MERCHANT, "fact#live#000002")
        .told(MERCHANT, "fact#live#000002", json!({ "status": "live" }));
    assert_eq!(wrong(&told("runpayments", &ahead), &again), (vec![], vec![]));
    let right = [status("new", "k1", false), status("live", "k2", false)];
    assert_eq!(wrong(&told("runpayments", &right), &again).1.len(), 3);
    let mut open = again.clone();
    open.0.entries.get_mut(&key(MERCHANT, "event#listing#7#live#2")).unwrap().state = "parked".into();
    assert_eq!(wrong(&told("runpayments", &ahead), &open).0.len(), 1);
}

const ENTITY: &str = "finbox#entity#e";

#[test]
fn a_failure_is_told_or_overtaken() {
    let statement = |progress: &str, overtaken: bool| {
        json!({
            "kind": "statement", "entity_id": "e", "link_id": null, "statement_id": "s", "progress": progress,
            "overtaken": overtaken,
        })
    };
    let truth = told("finbox", &[statement("failed", true), statement("completed", false)]);
    let shown = r#"{"progress":[{"statement_id":"s","status":"completed"}]}"#;
    let (failed, completed) = ("event#statement#s#failed", "event#statement#s#completed");
    let completion = Ledger::default()
        .entry(ENTITY, completed, ["done", "statement.completed", ""], "{}")
        .row(ENTITY, "transactions", None, shown)
        .row(ENTITY, "accounts", None, "{}")
        .told(ENTITY, completed, json!({ "progress": "completed" }));
    let overtaken = completion.clone().entry(ENTITY, failed, ["done", "statement.failed", "overtaken: so it is"], "{}");
    let changes: [(&str, Change); 3] = [
        ("the failure is parked", |held| {
            held.entries.get_mut(&key(ENTITY, "event#statement#s#failed")).unwrap().state = "parked".into();
        }),
        ("it was settled without a word", |held| {
            held.entries.get_mut(&key(ENTITY, "event#statement#s#failed")).unwrap().reason = String::new();
        }),
        ("the completion was not told", |held| {
            held.published.remove(&key(ENTITY, "event#statement#s#completed").stable_id());
        }),
    ];
    shows(&truth, &overtaken, &changes);
    let in_time = completion
        .entry(ENTITY, failed, ["done", "statement.failed", ""], "{}")
        .row(ENTITY, "failure#s", Some(("progress", "failed")), "{}")
        .told(ENTITY, failed, json!({ "progress": "failed" }));
    shows(&truth, &in_time, &[]);
    let odd = |ledger: &Ledger| judge(&truth, &ledger.0).odd.into_iter().collect::<Vec<_>>();
    assert_eq!((odd(&overtaken), odd(&in_time)), (vec![("overtaken", 1)], vec![]));
    let usual = told("finbox", &[statement("failed", false), statement("completed", false)]);
    assert_eq!(wrong(&usual, &overtaken).0.len(), 1, "a failure that nothing overtook is told");
}

#[test]
fn a_session_is_told_by_what_confirms_it() {
    let session = |kind: &str| json!({ "kind": kind, "session_id": "n", "accounts": 2, "failed_accounts": 1 });
    let truth = told("finbox", &[session("session"), session("enrichment")]);
    let subject = "finbox#session#n";
    let summary = json!({ "session_id": "n", "accounts": 2, "failed_accounts": 1 });
    let (uploaded, enriched) =
        ("event#SESSION_REQUIREMENT_COMPLETION_NOTIFICATION#n#00", "event#ENRICHMENT_NOTIFICATION#n#00");
    let ledger = Ledger::default()
        .entry(subject, uploaded, ["done", "", ""], "{}")
        .entry(subject, enriched, ["done", "", ""], "{}")
        .row(subject, "upload", Some(("upload_status", "COMPLETED")), "{}")
        .row(subject, "progress", Some(("session_progress", "completed")), "{}")
        .told(subject, uploaded, summary.clone())
        .told(subject, enriched, summary);
    let changes: [(&str, Change); 4] = [
        ("the upload was taken for permanent trouble", |held| {
            held.entries.values_mut().last().unwrap().state = "parked".into()
        }),
        ("the enrichment is missing", |held| _ = held.entries.pop_first()),
        ("a failed account is told as a good one", |held| {
            held.published.values_mut().for_each(|copies| copies[0]["summary"]["failed_accounts"] = json!(0));
        }),
        ("the upload was not asked about", |held| _ = held.rows.pop_last()),
    ];
    shows(&truth, &ledger, &changes);
}

#[test]
fn an_expiry_is_told_and_may_be_lost_with_its_only_webhook() {
    let expiry = |deleted: bool| json!({ "kind": "expiry", "session_id": "n", "deleted": deleted });
    let subject = "finbox#session#n";
    let sk = "event#SESSION_EXPIRY_NOTIFICATION#n#00";
    let of = |status: &str| {
        let summary = json!({ "session_id": "n", "upload_status": status });
        Ledger::default().entry(subject, sk, ["done", "", ""], "{}").told(subject, sk, summary)
    };
    let expired = of("EXPIRED").row(subject, "upload", Some(("upload_status", "EXPIRED")), "{}");
    let changes: [(&str, Change); 2] = [
        ("its upload was not asked about", |held| held.rows.clear()),
        ("it was not told", |held| held.published.clear()),
    ];
    shows(&told("finbox", &[expiry(false)]), &expired, &changes);
    shows(&told("finbox", &[expiry(true)]), &of("deleted"), &[("it was not told", |held| held.published.clear())]);
    let mut lost = told("finbox", &[expiry(false)]);
    assert_eq!(wrong(&lost, &Ledger::default()).0.len(), 1, "answered 2xx");
    lost[0].acknowledged = false;
    assert_eq!(wrong(&lost, &Ledger::default()), (vec![], vec![]));
}
