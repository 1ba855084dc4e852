//! Where the command's lines go out: the one place that writes to a terminal.
//!
//! Much of what is shown was written by others: a provider's reason, a reference, an answer. A terminal obeys what it
//! finds in a text; so what it could obey is shown escaped, whoever wrote it, and never sent. A lint keeps every other
//! way of printing out of this package (`clippy.toml`).

use std::fmt::Display;
use std::io::{ErrorKind, Write};

/// Prints one line.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub(crate) fn line(text: impl Display) {
    // Nobody reads on, as with `| head`: there is no one left to tell.
    write(&mut std::io::stdout().lock(), &text.to_string());
}

/// Prints one line about what went wrong.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub(crate) fn error(text: impl Display) {
    write(&mut std::io::stderr().lock(), &text.to_string());
}

fn write(to: &mut impl Write, text: &str) {
    if let Err(error) = writeln!(to, "{}", inert(text)).and_then(|()| to.flush())
        && error.kind() != ErrorKind::BrokenPipe
    {
        std::process::exit(1);
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

/// Control characters (C0, DEL, C1), and what turns the order of reading round or breaks a line.
fn is_obeyed(c: char) -> bool {
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
            let mut out = Vec::new();
            write(&mut out, text);
            assert_eq!(String::from_utf8(out).unwrap(), format!("{expected}\n"));
        }
        for c in ('\0'..='\u{10ffff}').filter(|c| c.is_control()) {
            assert!(is_obeyed(c), "{c:?}");
        }
    }
}
