//! How a text gets into a page: every expression of every template goes through here (`askama.toml`), so none can be
//! forgotten.

use std::fmt::{Result, Write};

use askama::filters::Escaper;

use crate::out::is_obeyed;

/// Neither markup, nor what steers the reading: control characters are shown written out, as on a terminal.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Inert;

impl Escaper for Inert {
    fn write_escaped_str<W: Write>(&self, mut page: W, text: &str) -> Result {
        for c in text.chars() {
            match c {
                '<' => page.write_str("&lt;")?,
                '>' => page.write_str("&gt;")?,
                '&' => page.write_str("&amp;")?,
                '"' => page.write_str("&quot;")?,
                '\'' => page.write_str("&#39;")?,
                c if is_obeyed(c) => write!(page, "{}", c.escape_unicode())?,
                c => page.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_markup_nor_control_characters_get_through() {
        let rows = [
            ("plain åäö 日本", "plain åäö 日本"),
            ("<script>\"'&", "&lt;script&gt;&quot;&#39;&amp;"),
            ("\u{1b}[31m\u{202e}\0\n", r"\u{1b}[31m\u{202e}\u{0}\u{a}"),
        ];
        for (text, expected) in rows {
            let mut page = String::new();
            Inert.write_escaped_str(&mut page, text).unwrap();
            assert_eq!(page, expected);
        }
    }
}
