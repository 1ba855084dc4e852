//! The columns of a line of CSV, as RFC 4180 quotes them.

/// What a line's columns can't be told by.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Quote {
    /// The line ends inside of it.
    Open,
    /// There is more behind it than the end of its column.
    Stray,
}

/// The columns of one record.
pub(super) fn columns_of(line: &str, delimiter: char) -> Result<Vec<String>, Quote> {
    let mut found = Vec::new();
    let mut left = line;
    loop {
        let (column, behind) = match left.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let (column, behind) = left.split_at(left.find(delimiter).unwrap_or(left.len()));
                (column.to_string(), behind)
            }
        };
        found.push(column);
        match behind.strip_prefix(delimiter) {
            Some(next) => left = next,
            None if behind.is_empty() => return Ok(found),
            None => return Err(Quote::Stray),
        }
    }
}

/// What stands between the quotes, and what is behind the closing one. Two quotes are one.
fn unquoted(text: &str) -> Result<(String, &str), Quote> {
    let (mut column, mut left) = (String::new(), text);
    loop {
        let (before, behind) = left.split_once('"').ok_or(Quote::Open)?;
        column.push_str(before);
        match behind.strip_prefix('"') {
            Some(next) => {
                column.push('"');
                left = next;
            }
            None => return Ok((column, behind)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_separators_and_quotes() {
        let rows: [(&str, Result<&[&str], Quote>); 9] = [
            ("", Ok(&[""])),
            (",", Ok(&["", ""])),
            ("a,b", Ok(&["a", "b"])),
            ("\"a,b\",c", Ok(&["a,b", "c"])),
            ("\"\"\"a\"\"\",\"\"", Ok(&["\"a\"", ""])),
            ("5\" pipe,b", Ok(&["5\" pipe", "b"])),
            ("\"a", Err(Quote::Open)),
            ("\"a\"\"", Err(Quote::Open)),
            ("\"a\"b", Err(Quote::Stray)),
        ];
        for (line, expected) in rows {
            let found = columns_of(line, ',');
            assert_eq!(
                found.as_ref().map(|found| found.iter().map(String::as_str).collect()),
                expected.as_ref().map(|e| e.to_vec()),
                "{line}"
            );
        }
    }
}
