//! Parts of URLs.

/// What stands in a URL behind this, up to the end of the part.
pub(crate) fn behind<'a>(url: &'a str, before: &str) -> Option<&'a str> {
    url.split_once(before)?.1.split(['/', '&', '?']).next()
}

/// A part of a URL as it was before it was escaped.
pub(crate) fn decoded(part: &str) -> String {
    let mut pieces = part.split('%');
    let first = pieces.next().unwrap_or_default().to_string();
    pieces.fold(first, |text, piece| {
        let code = piece.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()).unwrap_or(b'?');
        text + &char::from(code).to_string() + piece.get(2..).unwrap_or_default()
    })
}
