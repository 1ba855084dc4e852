//! Where the command's lines go out: the one place that writes to a terminal. What was asked for goes to standard output,
//! all that is said about it to standard error.
//!
//! Much of what is shown was written by others: a provider's reason, a reference, an answer. A terminal obeys what it
//! finds in a text; so what it could obey is shown escaped, whoever wrote it, and never sent. A lint keeps every other
//! way of printing out of this package (`clippy.toml`).

use std::fmt::Display;
use std::io::{ErrorKind, IsTerminal as _, Write};

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use serde_json::{Value, json};

/// How a command ends that did what it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Well = 0,
    Failed = 1,
    Usage = 2,
    NotFound = 3,
    NeedsAPerson = 4,
    InPart = 5,
}

impl Ended {
    /// How an order over several ends of which so many failed; `missing` of those because there was nothing to act on.
    pub(crate) fn of_several(all: usize, failed: usize, missing: usize) -> Self {
        match failed {
            0 => Self::Well,
            _ if missing == all => Self::NotFound,
            _ if failed == all => Self::Failed,
            _ => Self::InPart,
        }
    }
}

/// What was typed can't be done as it is typed: a time that is none, a provider that there is not.
#[derive(Debug)]
struct Usage(String);

impl Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// An error of whoever typed it: the command ends with 2.
pub(crate) fn typed_wrongly(text: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Usage(text.into()))
}

/// How a command ends that came to this error.
pub(crate) fn ended_by(error: &anyhow::Error) -> Ended {
    if error.chain().any(|cause| cause.is::<Usage>()) { Ended::Usage } else { Ended::Failed }
}

/// The form of what goes to standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For eyes: it may change.
    #[default]
    Table,
    /// One document, for programs: `{"version":1,"rows":[…],"more":…}`.
    Json,
    /// A row on each line, for programs.
    Jsonl,
}

/// The version of the JSON form, at the top of each document, and of each thing that is shown alone. A field may be added; one that goes, or means another thing, makes it the next.
const VERSION: u32 = 1;

impl Format {
    /// Shows rows, of which the table has these columns. `more`: how to see those that are left out.
    pub(crate) fn rows(self, columns: &[&str], rows: &[Value], more: Option<&str>) {
        match self {
            Self::Table if rows.is_empty() => {}
            Self::Table => table(columns, rows).lines().for_each(|row| line(row.trim_end())),
            Self::Json => json_line(&json!({ "version": VERSION, "rows": rows, "more": more })),
            Self::Jsonl => rows.iter().for_each(json_line),
        }
        if let Some(more) = more {
            note(more);
        }
    }

    /// Shows the fields of one thing.
    pub(crate) fn fields(self, thing: &Value) {
        if self != Self::Table {
            let mut thing = thing.clone();
            if let Some(fields) = thing.as_object_mut() {
                fields.insert("version".into(), VERSION.into());
            }
            return json_line(&thing);
        }
        for (name, value) in thing.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            line(format!("{name:<14}  {}", cell(value)));
        }
    }
}

fn table(columns: &[&str], rows: &[Value]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(columns.iter().map(|name| name.to_uppercase()));
    if let Some(width) = width() {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    for row in rows {
        // Escaped here too: a line break in a cell would make a row of it.
        table.add_row(columns.iter().map(|name| inert(&cell(row.get(*name).unwrap_or(&Value::Null)))));
    }
    table.to_string()
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The columns of the terminal. Into a pipe nothing is cut or broken.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
fn width() -> Option<u16> {
    let terminal = std::io::stdout();
    if !terminal.is_terminal() {
        return None;
    }
    rustix::termios::tcgetwinsize(terminal).ok().map(|size| size.ws_col).filter(|columns| *columns > 0)
}

#[expect(clippy::disallowed_methods, reason = "this is the place")]
fn json_line(document: &Value) {
    write(&mut std::io::stdout().lock(), &on_one_line(document));
}

/// A document on one line. What a terminal obeys stands in its strings alone, and is escaped as JSON has it.
pub(crate) fn on_one_line(document: &Value) -> String {
    let mut shown = String::new();
    for c in document.to_string().chars() {
        let mut units = [0; 2];
        match is_obeyed(c) {
            true => c.encode_utf16(&mut units).iter().for_each(|unit| shown.push_str(&format!("\\u{unit:04x}"))),
            false => shown.push(c),
        }
    }
    shown
}

/// One document, whatever form was asked for: it has no other.
pub(crate) fn document(document: &Value) {
    json_line(document);
}

/// Prints one line.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub(crate) fn line(text: impl Display) {
    write(&mut std::io::stdout().lock(), &inert(&text.to_string()));
}

/// Prints one row as it comes, when nobody knows how wide the next ones are.
pub(crate) fn cells(cells: &[Value]) {
    let cells: Vec<String> = cells.iter().map(cell).collect();
    line(cells.join("  ").trim_end());
}

/// Whether somebody may still read standard output. A pipe whose reader is gone tells so only when it is written to; who
/// waits for hours for something to write asks.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub(crate) fn is_read() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let out = std::io::stdout();
    let mut asked = [PollFd::new(&out, PollFlags::empty())];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let gone = |asked: &PollFd<'_>| asked.revents().intersects(PollFlags::ERR | PollFlags::NVAL);
    !matches!(poll(&mut asked, Some(&now)), Ok(found) if found > 0) || !asked.iter().any(gone)
}

/// Bytes as they are, for a person who asked for them and for nothing else.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub(crate) fn bytes(body: &[u8]) {
    let mut out = std::io::stdout().lock();
    if out.is_terminal() {
        // A terminal obeys what it finds there, and a person does not see that it did.
        return ended(writeln!(out, "{}", inert(&String::from_utf8_lossy(body))));
    }
    ended(out.write_all(body).and_then(|()| out.flush()));
}

/// A text of our own, with its lines as they are: nothing in it was written by others.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub(crate) fn ours(text: &str) {
    let mut out = std::io::stdout().lock();
    ended(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// Prints one line about what was shown, or done.
pub(crate) fn note(text: impl Display) {
    error(text);
}

/// Prints one line about what went wrong.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub(crate) fn error(text: impl Display) {
    // That nobody reads this is no reason to stop, or to end in another way.
    let _ = writeln!(std::io::stderr().lock(), "{}", inert(&text.to_string()));
}

fn write(to: &mut impl Write, text: &str) {
    ended(writeln!(to, "{text}").and_then(|()| to.flush()));
}

/// Where nobody reads on, as with `| head`, there is no one left to tell, and nothing more to do.
fn ended(written: std::io::Result<()>) {
    match written {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        Err(_) => std::process::exit(1),
    }
}

/// The text with all that a terminal acts on written out as `\u{1b}`.
fn inert(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_obeyed(c) { shown.extend(c.escape_unicode()) } else { shown.push(c) }
    }
    shown
}

/// Control characters (C0, DEL, C1), and what turns the order of reading round or breaks a line. A page shows them escaped too.
pub(crate) fn is_obeyed(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_written_out() {
        let rows = [
            ("plain, åäö 日本 🦀 \\u{1b}", "plain, åäö 日本 🦀 \\u{1b}"),
            ("\u{1b}[31m", r"\u{1b}[31m"),
            ("\u{9b}31m\u{7f}\0\u{7}", r"\u{9b}31m\u{7f}\u{0}\u{7}"),
            ("a\r\nb\tc", r"a\u{d}\u{a}b\u{9}c"),
            ("\u{202e}gpj.exe\u{2069}\u{200f}\u{61c}", r"\u{202e}gpj.exe\u{2069}\u{200f}\u{61c}"),
            ("\u{2028}\u{2029}", r"\u{2028}\u{2029}"),
        ];
        for (text, expected) in rows {
            assert_eq!(inert(text), expected);
        }
        for c in ('\0'..='\u{10ffff}').filter(|c| c.is_control()) {
            assert!(is_obeyed(c), "{c:?}");
        }
    }
}
