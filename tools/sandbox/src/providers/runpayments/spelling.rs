//! The merchant list's own spellings of statuses, where a fault switch asks for them.

use crate::json::{Fields, raw, text};

/// A row whose status is spelt in one of five ways, as its merchant's id decides: a list does not change its mind.
pub(super) fn spelt(mut row: Fields) -> Fields {
    let id = text(&row, "merchant_id").unwrap_or_default();
    let way = id.bytes().fold(0_u32, |sum, byte| sum.wrapping_add(byte.into())) % 5;
    if let Some(status) = text(&row, "merchant_status") {
        row.insert("merchant_status".to_owned(), raw(&write(&status, way)));
    }
    row
}

fn write(status: &str, way: u32) -> String {
    let words: Vec<&str> = status.split('_').collect();
    match (way, status) {
        (0, _) => words.join(" "),
        (1, _) => words.iter().map(|word| title(word)).collect::<Vec<_>>().join("  "),
        (2, _) => words.join("-").to_uppercase(),
        (3, _) => format!("merchant.{status}"),
        (_, "cancelled") => "Canceled".to_owned(),
        (_, "in_underwriting") => "Underwriting".to_owned(),
        _ => title(status),
    }
}

fn title(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::write;

    #[test]
    fn each_way_differs() {
        let ways: Vec<String> = (0..5).map(|way| write("in_underwriting", way)).collect();
        let expected =
            ["in underwriting", "In  Underwriting", "IN-UNDERWRITING", "merchant.in_underwriting", "Underwriting"];
        assert_eq!(ways, expected);
        assert_eq!((write("cancelled", 4), write("live", 4)), ("Canceled".to_owned(), "Live".to_owned()));
    }
}
