//! The lines of a file of references: CSV with a header, or JSON lines. Each line is judged by itself, so that one which
//! can't be read costs none of the others.

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use serde_json::Value;

use super::columns::{Quote, columns_of};

/// The column, or the field, that is read.
const REFERENCE: &str = "reference";
/// If there is one and it names a provider, it must be the one that is meant.
const PROVIDER: &str = "provider";
/// What may stand between the columns: the first of them under which the header has its column.
const DELIMITERS: [char; 3] = [',', ';', '\t'];
/// Over how many lines a quoted field may go.
const MAX_JOINED: usize = 100;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    Csv,
    Jsonl,
}

/// A line, and the reference in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// As an editor counts it, from 1.
    pub(super) number: usize,
    pub(super) reference: Result<String, Flaw>,
}

/// Why a line can't be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    /// Which part of it; none: all of it.
    pub(super) field: Option<&'static str>,
    /// What it must be.
    pub(super) rule: String,
}

impl Flaw {
    fn of(field: Option<&'static str>, rule: impl Into<String>) -> Self {
        Self { field, rule: rule.into() }
    }
}

/// Which references are meant for whom.
#[derive(Clone, Copy)]
pub(super) struct Meant<'a> {
    /// The provider.
    pub(super) provider: &'a str,
    /// All that there are.
    pub(super) all: &'a [&'a str],
}

impl Meant<'_> {
    fn check(self, named: Option<&str>) -> Result<(), Flaw> {
        match named {
            Some(named) if named != self.provider && self.all.contains(&named) => Err(Flaw::of(
                Some(PROVIDER),
                format!("must be {}, for which the command is; it is {named}", self.provider),
            )),
            _ => Ok(()),
        }
    }
}

/// Reads all lines. Fails where it is no such file at all.
pub(super) fn read(bytes: &[u8], form: Option<Form>, meant: Meant<'_>) -> anyhow::Result<Vec<Line>> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        bail!("it is UTF-16: save it as UTF-8");
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let all: Vec<(usize, Result<&str, Flaw>)> = bytes
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .map(|line| std::str::from_utf8(line).map_err(|_| Flaw::of(None, "must be UTF-8")))
        .zip(1..)
        .map(|(line, number)| (number, line))
        .collect();
    let is_blank = |line: &Result<&str, Flaw>| line.as_ref().is_ok_and(|line| line.trim().is_empty());
    let Some(first) = all.iter().position(|(_, line)| !is_blank(line)) else { return Ok(Vec::new()) };
    let all = all.get(first..).unwrap_or_default();
    if all.first().is_some_and(|(_, line)| matches!(line, Ok(line) if line.trim().starts_with('['))) {
        bail!("it is a JSON array: put each of its objects on a line of its own, as `jq -c '.[]'` does");
    }
    let starts_an_object =
        all.first().is_some_and(|(_, line)| matches!(line, Ok(line) if line.trim().starts_with('{')));
    let form = form.unwrap_or(if starts_an_object { Form::Jsonl } else { Form::Csv });
    match form {
        Form::Jsonl => Ok(all
            .iter()
            .filter(|(_, line)| !is_blank(line))
            .map(|(number, line)| Line { number: *number, reference: of_json(line, meant) })
            .collect()),
        Form::Csv => of_csv(all, meant),
    }
}

fn of_json(line: &Result<&str, Flaw>, meant: Meant<'_>) -> Result<String, Flaw> {
    let text = line.as_ref().map_err(|flaw| Flaw::of(flaw.field, flaw.rule.clone()))?;
    let shape = r#"must be one JSON object, such as {"reference":"batch-7"}"#;
    let Ok(Value::Object(fields)) = serde_json::from_str(text) else { return Err(Flaw::of(None, shape)) };
    meant.check(fields.get(PROVIDER).and_then(Value::as_str))?;
    match fields.get(REFERENCE) {
        Some(Value::String(reference)) => Ok(reference.clone()),
        None => Err(Flaw::of(Some(REFERENCE), "must be there")),
        Some(other) => {
            let is = match other {
                Value::Null => "null",
                Value::Bool(_) => "true or false",
                Value::Number(_) => "a number: put it into quotes",
                _ => "neither text nor number",
            };
            Err(Flaw::of(Some(REFERENCE), format!("must be text; it is {is}")))
        }
    }
}

fn of_csv(all: &[(usize, Result<&str, Flaw>)], meant: Meant<'_>) -> anyhow::Result<Vec<Line>> {
    let Some((head, mut rest)) = all.split_first() else { return Ok(Vec::new()) };
    let header = head.1.as_ref().map_err(|flaw| anyhow::anyhow!("line {}, the header, {}", head.0, flaw.rule))?;
    let columns = |delimiter: char| {
        let columns = columns_of(header, delimiter).ok()?;
        let at = |wanted: &str| columns.iter().position(|name| name.trim().eq_ignore_ascii_case(wanted));
        Some((delimiter, columns.len(), at(REFERENCE)?, at(PROVIDER)))
    };
    let (delimiter, count, reference, provider) = DELIMITERS.into_iter().find_map(columns).with_context(|| {
        format!(
            "line {}, the header, has no column `reference`; it is {:?}. JSON lines begin with {{; --form says which it is",
            head.0,
            header.chars().take(80).collect::<String>()
        )
    })?;
    let judge = |found: Vec<String>| {
        if found.len() != count {
            let rule = format!("must have the {count} columns of the header; it has {}", found.len());
            return Err(Flaw::of(None, rule));
        }
        meant.check(provider.and_then(|at| found.get(at)).map(String::as_str))?;
        found.into_iter().nth(reference).ok_or_else(|| Flaw::of(Some(REFERENCE), "must be there"))
    };
    let mut lines = Vec::new();
    while let Some(((number, line), mut behind)) = rest.split_first() {
        let judged = match line {
            Ok(line) if line.trim().is_empty() => {
                rest = behind;
                continue;
            }
            Ok(line) => match columns_of(line, delimiter) {
                Ok(found) => judge(found),
                Err(Quote::Stray) => Err(Flaw::of(None, "must have nothing but a separator behind a closing quote")),
                Err(Quote::Open) => match joined(line, behind, delimiter, reference) {
                    Some((found, used)) => {
                        behind = behind.get(used..).unwrap_or_default();
                        judge(found)
                    }
                    None => Err(Flaw::of(None, "must close the quote that it opens")),
                },
            },
            Err(flaw) => Err(Flaw::of(flaw.field, flaw.rule.clone())),
        };
        lines.push(Line { number: *number, reference: judged });
        rest = behind;
    }
    Ok(lines)
}

/// A record whose quoted field goes on over the next lines, and how many of them. A reference never does: a line that has
/// its quote open there is at fault alone.
fn joined(
    line: &str,
    behind: &[(usize, Result<&str, Flaw>)],
    delimiter: char,
    reference: usize,
) -> Option<(Vec<String>, usize)> {
    let mut record = line.to_string();
    for (used, (_, next)) in behind.iter().take(MAX_JOINED).enumerate() {
        record.push('\n');
        record.push_str(next.as_ref().ok()?);
        match columns_of(&record, delimiter) {
            Ok(found) if found.get(reference).is_none_or(|text| text.contains('\n')) => return None,
            Ok(found) => return Some((found, used.saturating_add(1))),
            Err(Quote::Open) => {}
            Err(Quote::Stray) => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEANT: Meant<'_> = Meant { provider: "rightfoot", all: &["rightfoot", "finbox"] };

    /// The references by line; of a line at fault its field and its rule.
    fn told(text: &str) -> Vec<(usize, String)> {
        let lines = read(text.as_bytes(), None, MEANT).unwrap();
        let words = |flaw: Flaw| format!("! {} {}", flaw.field.unwrap_or("line"), flaw.rule);
        lines.into_iter().map(|line| (line.number, line.reference.unwrap_or_else(words))).collect()
    }

    fn is(text: &str, expected: &[(usize, &str)]) {
        let told = told(text);
        let fits = |(told, expected): (&(usize, String), &(usize, &str))| {
            told.0 == expected.0 && (told.1 == expected.1 || told.1.starts_with('!') && told.1.contains(expected.1))
        };
        assert!(told.len() == expected.len() && told.iter().zip(expected).all(fits), "{text:?}: {told:?}");
    }

    #[test]
    fn csv_is_read_as_it_is_exported() {
        is("reference\nb1\nb2\n", &[(2, "b1"), (3, "b2")]);
        is("\u{feff}Amount;Reference\r\n1,5;b1\r\n\r\n2;it's #2\r\n", &[(2, "b1"), (4, "it's #2")]);
        is("a\treference\n1\tb 1\n", &[(2, "b 1")]);
        is("reference,note\n\"a,\"\"b\"\"\",x\nb\"2,\n", &[(2, "a,\"b\""), (3, "b\"2")]);
        is("reference,note\nb1,\"two\nlines\"\nb2,x\n", &[(2, "b1"), (4, "b2")]);
        is("reference\n b1 \n", &[(2, " b1 ")]);
    }

    #[test]
    fn a_line_at_fault_costs_no_other() {
        is("reference,note\nb1\nb2,x\nb3,x,y\nb4,\n", &[(2, "it has 1"), (3, "b2"), (4, "it has 3"), (5, "b4")]);
        is("reference,note\n\"b1,x\nb2,y\n\"b3\",z\n", &[(2, "close the quote"), (3, "b2"), (4, "b3")]);
        is("reference\n\"b1\nb2\nb3\"\n", &[(2, "close the quote"), (3, "b2"), (4, "b3\"")]);
        is("reference\n\"b1\"x\nb2\n", &[(2, "closing quote"), (3, "b2")]);
        is("provider,reference\nfinbox,l1\nrightfoot,b1\nAcme,b2\n", &[(2, "provider must be"), (3, "b1"), (4, "b2")]);
        let bytes = b"reference\nb\xff1\nb2\n";
        let lines = read(bytes, None, MEANT).unwrap();
        assert!(lines[0].reference.as_ref().unwrap_err().rule.contains("UTF-8"));
        assert_eq!(lines[1].reference.as_deref(), Ok("b2"));
    }

    #[test]
    fn json_lines_are_read_or_named() {
        let text = "{\"reference\":\"b1\",\"more\":1}\nnone\n{\"reference\":7}\n\n{}\n[\"b\"]\n{\"reference\":\"b\\u0041\"}\n\
                    {\"reference\":\"l\",\"provider\":\"finbox\"}\n{\"reference\":null}";
        let expected = [
            (1, "b1"),
            (2, "one JSON object"),
            (3, "reference must be text; it is a number"),
            (5, "reference must be there"),
            (6, "one JSON object"),
            (7, "bA"),
            (8, "provider must be rightfoot"),
            (9, "it is null"),
        ];
        is(text, &expected);
    }

    #[test]
    fn a_file_that_is_none_is_refused_whole() {
        let error = |bytes: &[u8], form| read(bytes, form, MEANT).unwrap_err().to_string();
        assert!(error(b"batch,amount\nb1,2\n", None).contains("no column `reference`"));
        assert!(error(b"{\"reference\":\"b\"}\n", Some(Form::Csv)).contains("no column `reference`"));
        assert!(error(b"\xff\xfer\0", None).contains("UTF-16"));
        assert!(error(b"\xff\nb1\n", None).contains("UTF-8"));
        assert!(error(b"[{\"reference\":\"b1\"}]", None).contains("JSON array"));
        for empty in ["", "\n\n", "reference\n", "\u{feff}"] {
            is(empty, &[]);
        }
    }
}
