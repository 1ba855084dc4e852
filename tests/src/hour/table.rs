//! What was seen, as a table.

use std::collections::BTreeMap;
use std::fmt;

use super::Played;
use super::judge::Tally;

/// Missing and extra things that are printed; the others are counted.
const SHOWN: usize = 20;

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answers = || self.truth.iter().flat_map(|told| &told.answers);
        let taken = answers().filter(|status| matches!(status, Some(200..300))).count();
        let [announcing, playing, waiting] = self.took.map(|took| took.as_secs_f64());
        writeln!(f, "seed {}, plan {}: {} events", self.seed, self.digest, self.truth.len())?;
        writeln!(
            f,
            "{} requests arrived, {taken} were answered 2xx; announcing beforehand {announcing:.0} s, the hour {playing:.0} s, \
             until quiet {waiting:.0} s",
            answers().count()
        )?;
        write!(f, "calls of the providers' APIs that failed:")?;
        for (provider, statuses) in &self.failed_calls {
            let statuses: Vec<String> = statuses.iter().map(|(status, count)| format!("{count} × {status}")).collect();
            write!(f, " {provider} {};", statuses.join(", "))?;
        }
        writeln!(f)?;
        let mut odd: BTreeMap<&str, u64> = BTreeMap::new();
        for (kind, count) in self.odd_answers.values().flatten() {
            *odd.entry(kind).or_default() += count;
        }
        let odd: Vec<String> = odd.into_iter().map(|(kind, count)| format!("{count} × {kind}")).collect();
        writeln!(f, "odd answers: {}", odd.join(", "))?;
        line(
            f,
            "",
            ["happened", "delivered", "recovered by asking", "reported lost", "declared lost", "missing", "extra"],
        )?;
        let mut sum = Tally::default();
        for (provider, tally) in &self.judgement.tallies {
            row(f, provider, tally)?;
            sum.happened += tally.happened;
            sum.delivered += tally.delivered;
            sum.recovered += tally.recovered;
            sum.reported += tally.reported;
            sum.declared += tally.declared;
            sum.missing += tally.missing;
            sum.extra += tally.extra;
        }
        row(f, "all", &sum)?;
        for (what, (count, why)) in &self.judgement.declared {
            writeln!(f, "declared lost: {count} × {what}: {why}")?;
        }
        let odd: Vec<String> = self.judgement.odd.iter().map(|(kind, count)| format!("{count} × {kind}")).collect();
        writeln!(f, "odd events, and right: {}", odd.join(", "))?;
        if self.judgement.repeated > 0 {
            writeln!(f, "{} details were published more than once, under one id each", self.judgement.repeated)?;
        }
        if let Some(waited_for) = &self.waited_for {
            writeln!(f, "waited for last: {waited_for}")?;
        }
        if let Some(under_way) = &self.under_way {
            writeln!(f, "NOT QUIET when the time was over: {under_way}")?;
        }
        for (name, things) in [("MISSING", &self.judgement.missing), ("EXTRA", &self.judgement.extra)] {
            for thing in things.iter().take(SHOWN) {
                writeln!(f, "{name}: {thing}")?;
            }
            if things.len() > SHOWN {
                writeln!(f, "{name}: and {} more", things.len() - SHOWN)?;
            }
        }
        Ok(())
    }
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, tally: &Tally) -> fmt::Result {
    let Tally { happened, delivered, recovered, reported, declared, missing, extra } = tally;
    line(f, name, [happened, delivered, recovered, reported, declared, missing, extra])
}

fn line<T: fmt::Display>(f: &mut fmt::Formatter<'_>, name: &str, cells: [T; 7]) -> fmt::Result {
    let [a, b, c, d, e, g, h] = cells;
    writeln!(f, "  {name:<12} {a:>9} {b:>10} {c:>20} {d:>14} {e:>14} {g:>8} {h:>6}")
}
