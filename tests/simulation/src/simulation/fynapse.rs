//! Fynapse's half of the history: balance extracts, signed and complete, that nothing can be asked about.

use hookledger_core::identity::digest_hex;

use super::truth::{Author, Effect, FORGED, Forgery, Forging, Plot, key};

const NAME: &str = "fynapse";

/// Draws what Fynapse sends.
pub(super) fn happen(author: &Author<'_>, plot: &mut Plot) {
    let dice = author.dice;
    for n in 1..=dice.between(2, 5) {
        let data = format!(r#"{{"n":{n}, "amount":12345678901234567890.{n}0}}"#);
        match dice.below(8) {
            0 => {
                let body = format!(r#"{{"type":"balance.extracted","data":{data}}}"#);
                let digest = digest_hex(body.as_bytes());
                author.tell(
                    plot,
                    NAME,
                    key(NAME, "event", &digest, &["sha256", &digest]),
                    author.moment(),
                    body,
                    Effect::Own,
                );
            }
            1 => {
                let body = format!(r#"{{"event_id":"e{n}","type":"journal.posted","data":{data}}}"#);
                author.tell(
                    plot,
                    NAME,
                    key(NAME, "event", &format!("e{n}"), &[&format!("e{n}")]),
                    author.moment(),
                    body,
                    Effect::Ignored,
                );
            }
            2 => {
                let body = format!("not JSON {n}");
                let day = author.start.day();
                let digest = digest_hex(body.as_bytes());
                author.tell(
                    plot,
                    NAME,
                    key(NAME, "unreadable", &day, &["sha256", &digest]),
                    author.moment(),
                    body,
                    Effect::Parked,
                );
            }
            _ => {
                let body = format!(r#"{{"event_id":"e{n}","type":"balance.extracted","data":{data}}}"#);
                author.tell(
                    plot,
                    NAME,
                    key(NAME, "event", &format!("e{n}"), &[&format!("e{n}")]),
                    author.moment(),
                    body,
                    Effect::Own,
                );
            }
        }
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
