//! What a person does about what waits for one. Each act is written down in its row: who, when, what and why.

pub(crate) mod bulk;
pub(crate) mod close;
pub(crate) mod dead;
pub(crate) mod erase;
pub(crate) mod replay;

/// The longest reason of a person, in characters: a row keeps it for ever.
const MAX_WHY: usize = 500;

/// A person's reason, as it is typed.
pub(crate) fn why(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("write why, in a few words".into()),
        text if text.chars().count() > MAX_WHY => Err(format!("at most {MAX_WHY} characters")),
        text => Ok(text.to_string()),
    }
}
