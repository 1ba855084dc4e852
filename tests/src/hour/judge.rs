//! The comparison: the truth on one side, the ledger and what was published on the other, entry by entry.

use std::collections::{BTreeMap, BTreeSet};

use hookledger_core::model::identity::ItemKey;

use super::declared::declaration;
use super::held::{Entry, Held};
use super::truth::{Fact, Told};
use super::wanted::Wanted;
use super::wanted::facts::wanted;

/// What came of one provider's events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events at the provider. The next five add up to them.
    pub happened: usize,
    /// Held, from a webhook.
    pub delivered: usize,
    /// Held, because we asked.
    pub recovered: usize,
    /// Not held, and a person is shown the loss.
    pub reported: usize,
    /// Not held, and on the declared list.
    pub declared: usize,
    /// Not held as they should be.
    pub missing: usize,
    /// Held or published, and never happened.
    pub extra: usize,
}

/// The whole comparison.
#[derive(Clone, Debug, Default)]
pub struct Judgement {
    /// By provider.
    pub tallies: BTreeMap<String, Tally>,
    /// By what is declared: how many, and why they can't be had.
    pub declared: BTreeMap<&'static str, (usize, &'static str)>,
    /// Each missing event, and what was found instead.
    pub missing: Vec<String>,
    /// Each thing too many.
    pub extra: Vec<String>,
    /// Details that were published more than once under one id, which consumers recognise.
    pub repeated: usize,
    /// By kind: events that came out as they should in one of the odd ways.
    pub odd: BTreeMap<&'static str, usize>,
}

/// The type under which losses stand, as ARCHITECTURE.md has it.
const LOST: &str = "delivery.lost";

enum Found {
    Delivered,
    Recovered,
    Reported,
    Nothing,
}

/// What some event of the truth accounts for.
#[derive(Default)]
struct Accounted {
    entries: BTreeSet<ItemKey>,
    rows: BTreeSet<ItemKey>,
    facts: BTreeSet<ItemKey>,
    published: BTreeSet<String>,
}

/// Compares.
pub fn judge(truth: &[Told], held: &Held) -> Judgement {
    let mut judgement = Judgement::default();
    let mut accounted = Accounted::default();
    for (told, wanted) in truth.iter().zip(wanted(truth)) {
        let found = look(told, &wanted, held, &mut accounted);
        for kind in if found.is_ok() { wanted.oddities(held) } else { Vec::new() } {
            *judgement.odd.entry(kind).or_default() += 1;
        }
        let tally = judgement.tallies.entry(told.provider.clone()).or_default();
        tally.happened += 1;
        match found {
            Ok(Found::Delivered) => tally.delivered += 1,
            Ok(Found::Recovered) => tally.recovered += 1,
            Ok(Found::Reported) => tally.reported += 1,
            Ok(Found::Nothing) => match declaration(told, truth) {
                Some(declared) => {
                    tally.declared += 1;
                    judgement.declared.entry(declared.what).or_insert((0, declared.why)).0 += 1;
                }
                None => {
                    tally.missing += 1;
                    judgement.missing.push(format!("{:?}: no entry (answered {:?})", told.fact, told.answers));
                }
            },
            Err(why) => {
                tally.missing += 1;
                judgement.missing.push(format!("{:?}: {why}", told.fact));
            }
        }
    }
    statuses(truth, held, &mut judgement);
    extras(held, &accounted, &mut judgement);
    judgement.repeated = held.published.values().filter(|copies| copies.len() > 1).count();
    judgement
}

/// Looks for one event: its entries, their rows, its effect and its publication.
fn look(told: &Told, wanted: &Wanted, held: &Held, accounted: &mut Accounted) -> Result<Found, String> {
    let carriers = wanted.carriers(held);
    let pushed = carriers.iter().any(|(key, is_webhook)| *is_webhook && held.entries[key].origin == "push");
    accounted.entries.extend(carriers.iter().map(|(key, _)| key.clone()));
    let loss = wanted.loss.as_ref().and_then(|sk| held.entries.get_key_value(&wanted.row(sk)));
    accounted.entries.extend(loss.map(|(key, _)| key.clone()));
    if carriers.is_empty() || (told.acknowledged && !carriers.iter().any(|(_, is_webhook)| *is_webhook)) {
        return if told.acknowledged {
            Err("answered 2xx, and there is no entry of it".into())
        } else if wanted.loss.is_some() {
            reported(loss.map(|(_, entry)| entry))
        } else {
            Ok(Found::Nothing)
        };
    }
    let beside = carriers.iter().find(|(key, _)| wanted.is_beside(key));
    // What is kept beside the first content has no effect of its own.
    let effects = if beside.is_some() { Vec::new() } else { effects(wanted, held, &carriers, accounted)? };
    if let Some((_, loss)) = loss.filter(|(_, loss)| loss.state != "done") {
        return Err(format!("it is held, and its loss is {} ({})", loss.state, loss.reason));
    }
    let found = if told.acknowledged || pushed { Found::Delivered } else { Found::Recovered };
    if let Some((key, _)) = beside {
        let Entry { state, reason, .. } = &held.entries[key];
        return if state == "ignored" { Ok(found) } else { Err(format!("its second content is {state} ({reason})")) };
    }
    for (key, _) in &carriers {
        let entry = &held.entries[key];
        if entry.state != "done" {
            return Err(format!("its entry is {} ({})", entry.state, entry.reason));
        }
    }
    if wanted.is_overtaken(held) {
        return Ok(found);
    }
    for (sk, content) in &wanted.rows {
        match held.rows.get(&wanted.row(sk)) {
            Some(row) if content.is_in(row) => {}
            Some(row) => return Err(format!("its row {sk} is {row:?} and not {content:?}")),
            None => return Err(format!("its row {sk} is missing")),
        }
    }
    for effect in &effects {
        published(wanted, held, effect)?;
    }
    Ok(found)
}

/// The rows that carry its effect. What belongs to it, whether or not it has to be there, is accounted for.
fn effects(
    wanted: &Wanted,
    held: &Held,
    carriers: &[(ItemKey, bool)],
    accounted: &mut Accounted,
) -> Result<Vec<ItemKey>, String> {
    let mut effects: Vec<ItemKey> = carriers.iter().map(|(key, _)| key.clone()).collect();
    if let Some(sk) = &wanted.fact {
        // A status' effect is its fact, whichever entry brought it.
        effects = vec![wanted.row(sk)];
        accounted.facts.extend(effects.iter().cloned());
        if !held.facts.contains(&effects[0]) {
            return Err(format!("there is no {sk}"));
        }
    }
    let may_hold = wanted.may_hold.iter().map(|sk| (*sk).to_string());
    for sk in wanted.rows.iter().map(|(sk, _)| sk.clone()).chain(may_hold) {
        accounted.rows.insert(wanted.row(&sk));
    }
    accounted.published.extend(effects.iter().map(ItemKey::stable_id));
    if let Some((entry, fact)) = &wanted.again {
        let (entry, fact) = (wanted.row(entry), wanted.row(fact));
        if let Some(again) = held.entries.get(&entry).filter(|again| again.state != "done") {
            return Err(format!("it was listed once more, and that is {} ({})", again.state, again.reason));
        }
        accounted.published.insert(fact.stable_id());
        accounted.entries.insert(entry);
        accounted.facts.insert(fact);
    }
    Ok(effects)
}

/// An effect has to be published, as it has to be, and not in two ways.
fn published(wanted: &Wanted, held: &Held, effect: &ItemKey) -> Result<(), String> {
    let copies = held.published.get(&effect.stable_id()).ok_or("it was not published")?;
    if copies.iter().any(|detail| *detail != copies[0]) {
        return Err("two different details were published under its id".into());
    }
    let summary = &copies[0]["summary"];
    match wanted.summary.iter().find(|(name, said)| summary[*name] != *said) {
        Some((name, said)) => Err(format!("its summary {summary} does not say that {name} is {said}")),
        None => Ok(()),
    }
}

/// What is lost, and known to be, is shown to a person: parked, as what it is.
fn reported(loss: Option<&Entry>) -> Result<Found, String> {
    match loss {
        Some(loss) if loss.state == "parked" && loss.event_type == LOST && loss.origin == "poll" => Ok(Found::Reported),
        Some(loss) => Err(format!("its loss is no parked one: {loss:?}")),
        None => Err("lost, and no loss is reported".into()),
    }
}

/// Each merchant must stand where it stands at the provider.
fn statuses(truth: &[Told], held: &Held, judgement: &mut Judgement) {
    let mut last = BTreeMap::new();
    for told in truth {
        if let Fact::Status { merchant_id, status, .. } = &told.fact {
            last.insert(format!("runpayments#merchant#{merchant_id}"), (&told.provider, status));
        }
    }
    for (subject, (provider, status)) in last {
        let current = held.statuses.get(&subject);
        if current != Some(status) {
            judgement.tallies.entry(provider.clone()).or_default().missing += 1;
            judgement.missing.push(format!("{subject} is {status}, and {current:?} in the ledger"));
        }
    }
}

fn extras(held: &Held, accounted: &Accounted, judgement: &mut Judgement) {
    let entries = held.entries.keys().filter(|key| !accounted.entries.contains(*key));
    let rows = held.rows.keys().filter(|key| !accounted.rows.contains(*key));
    // Where nothing has a status, a fact is what its entry was told once: no effect beside the entry's own.
    let is_its_entrys = |fact: &ItemKey| {
        !held.statuses.contains_key(&fact.pk)
            && held.owners.get(fact).is_some_and(|owner| accounted.entries.contains(owner))
    };
    let facts = held.facts.iter().filter(|key| !accounted.facts.contains(*key) && !is_its_entrys(key));
    let keys = entries.chain(rows).chain(facts).map(|key| (key.pk.clone(), key.to_string()));
    let published = held.published.iter().filter(|(id, _)| !accounted.published.contains(*id));
    let published = published.map(|(_, copies)| {
        let subject = copies[0]["subject"].as_str().unwrap_or_default().to_string();
        (subject, format!("published: {}", copies[0]))
    });
    let all: Vec<(String, String)> = keys.chain(published).collect();
    for (subject, what) in all {
        let provider = subject.split('#').next().unwrap_or_default().to_string();
        judgement.tallies.entry(provider).or_default().extra += 1;
        judgement.extra.push(what);
    }
}
