//! Whoever is timed does the whole job: the receivers' tables of duplicates and malformed requests, for all of them.

use anyhow::{Context as _, Result, ensure};

use crate::events;
use crate::measure::{Bench, status};
use crate::subjects::{Subject, Work};

/// Hands a receiver what it must tell apart, and looks at what it answered, stored and enqueued.
pub(crate) async fn prove(bench: &mut Bench<'_>, subject: &Subject) -> Result<()> {
    let Work::Deliveries(provider) = subject.work else { return Ok(()) };
    let mut process = bench.start(subject, false).await?;
    let body = events::body(provider, bench.numbers.next()).into_bytes();
    let nonsense = format!("not JSON {}", bench.numbers.next()).into_bytes();
    let binary = [b"\xff\xfe not UTF-8 ".as_slice(), bench.numbers.next().to_string().as_bytes()].concat();
    let delivery = |body: &[u8], forged| events::delivery(provider, body, forged);
    // The delivery, its answer, how many rows and how many messages it leaves behind. A refused delivery may leave a
    // row in quarantine.
    let rows = [
        ("new", delivery(&body, false), 200, 1..=1, 1..=1),
        ("the same again", delivery(&body, false), 200, 0..=0, 0..=1),
        ("forged", delivery(events::body(provider, 0).as_bytes(), true), provider.refused, 0..=1, 0..=0),
        ("signed, but not JSON", delivery(&nonsense, false), provider.unreadable.status(), 1..=1, 0..=0),
        ("signed, but not UTF-8", delivery(&binary, false), provider.unreadable.status(), 1..=1, 0..=0),
        ("an envelope that cannot be read", events::broken_envelope(provider), 503, 0..=0, 0..=0),
    ];
    for (name, event, expected, items, messages) in rows {
        let before = bench.aws.items().await?;
        bench.aws.take_messages();
        let answer = process.runtime.invoke(event).await.with_context(|| format!("{}: {name}", subject.name))?;
        let stored = bench.aws.items().await? - before;
        let sent = bench.aws.take_messages().len() as u64;
        let answered = status(&answer.body);
        ensure!(answered == Some(expected.into()), "{}: {name}: answered {answered:?}", subject.name);
        ensure!(items.contains(&stored), "{}: {name}: {stored} rows were written", subject.name);
        ensure!(messages.contains(&sent), "{}: {name}: {sent} messages were sent", subject.name);
    }
    process.end().await
}
