//! What Fynapse sends: balance extracts, signed and complete, that nothing can be asked about.

use hookledger_core::model::identity::digest_hex;

use crate::simulation::author::Author;
use crate::simulation::plot::{Effect, FORGED, Forgery, Forging, Plot, Twin, key};

pub(super) const NAME: &str = "fynapse";

/// Draws what Fynapse sends.
pub(super) fn happen(author: &Author<'_>, plot: &mut Plot) {
    let dice = author.dice;
    for n in 1..=dice.between(2, 5) {
        let data = format!(r#"{{"n":{n}, "amount":12345678901234567890.{n}0}}"#);
        let id = format!("e{n}");
        let named =
            |event_type: &str, data: &str| format!(r#"{{"event_id":"{id}","type":"{event_type}","data":{data}}}"#);
        let (entry, body, effect) = match dice.below(8) {
            0 => {
                let body = format!(r#"{{"type":"balance.extracted","data":{data}}}"#);
                let digest = digest_hex(body.as_bytes());
                (key(NAME, "event", &digest, &["sha256", &digest]), body, Effect::Own)
            }
            1 => (key(NAME, "event", &id, &[&id]), named("journal.posted", &data), Effect::Ignored),
            2 => {
                let body = format!("not JSON {n}");
                let digest = digest_hex(body.as_bytes());
                (key(NAME, "unreadable", &author.start.day(), &["sha256", &digest]), body, Effect::Parked)
            }
            3 => {
                // The same event once more, with another amount.
                let other = format!(r#"{{"n":{n}, "amount":90.10}}"#);
                tell_twice(
                    author,
                    plot,
                    &id,
                    [&named("balance.extracted", &data), &named("balance.extracted", &other)],
                );
                continue;
            }
            _ => (key(NAME, "event", &id, &[&id]), named("balance.extracted", &data), Effect::Own),
        };
        author.tell(plot, NAME, entry, author.moment(), body, effect);
    }
    for n in 0..dice.below(3) {
        let how = match dice.below(6) {
            0 => Forging::Bare,
            1 => Forging::Guessed,
            2 => Forging::Cut,
            3 => Forging::Stale,
            4 => Forging::Ahead,
            _ => Forging::Altered(plot.events.len() - 1),
        };
        let body = format!(r#"{{"event_id":"{FORGED}-{n}","type":"balance.extracted","data":"{FORGED}"}}"#);
        plot.forgeries.push(Forgery { provider: NAME, at: author.moment(), how, body });
    }
    let captured = plot.events.last().filter(|event| !event.lost && dice.percent(30));
    if let Some(at) = captured.map(|event| event.at.plus_ms(event.delay_ms + dice.between(0, 600_000))) {
        let how = Forging::Replayed(plot.events.len() - 1);
        plot.forgeries.push(Forgery { provider: NAME, at, how, body: String::new() });
    }
}

/// Two contents under one id. Either may come first.
fn tell_twice(author: &Author<'_>, plot: &mut Plot, id: &str, bodies: [&str; 2]) {
    let mut at = author.moment();
    for body in bodies {
        author.tell(plot, NAME, key(NAME, "event", id, &[id]), at, body.to_string(), Effect::Own);
        if let Some(event) = plot.events.last_mut() {
            event.twin = Twin::Content;
        }
        at = at.plus_ms(author.dice.below(600_000));
    }
}
