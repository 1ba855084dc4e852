//! Signature headers, read and not yet believed.

use crate::model::signature::bytes::{Bytes, Encoding};
use crate::model::signature::refusal::Refusal;
use crate::model::time::UnixMs;

pub(super) struct SignedAt<'a> {
    /// The digits as sent: they are what was signed.
    pub(super) text: &'a str,
    pub(super) at: UnixMs,
}

/// The most `v1` tags looked at: one for each secret of a rotation, with room.
const MAX_TAGS: usize = 8;

/// Reads `t=<digits>,v1=<hex>[,v1=<hex>…]`. Unknown `key=value` fields are passed over, and so is a tag that can't be read
/// beside one that can: it matches nothing. A second `t` is malformed, since it could not be said which one was signed.
pub(super) fn timestamped_header(value: Option<&str>) -> Result<(SignedAt<'_>, Vec<Bytes<'_>>), Refusal> {
    let value = value.ok_or(Refusal::MissingSignature)?;
    let mut signed_at = None;
    let mut tags = Vec::new();
    for field in value.split(',') {
        match field.trim().split_once('=') {
            Some(("t", text)) if signed_at.is_none() && text.bytes().all(|b| b.is_ascii_digit()) => {
                let secs = text.parse().map_err(|_| Refusal::MalformedSignature)?;
                signed_at = Some(SignedAt { text, at: UnixMs::from_secs(secs) });
            }
            Some(("v1", tag)) if tags.len() < MAX_TAGS => tags.extend(Encoding::Hex.decode(tag)),
            Some((key, _)) if key != "t" => {}
            _ => return Err(Refusal::MalformedSignature),
        }
    }
    match signed_at {
        Some(signed_at) if !tags.is_empty() => Ok((signed_at, tags)),
        _ => Err(Refusal::MalformedSignature),
    }
}

/// Reads `v1,<base64> v1,<base64>…` and the timestamp beside it. Tags of other versions are passed over: they are made
/// with other keys.
pub(super) fn standard_headers<'a>(
    timestamp: Option<&'a str>,
    signature: Option<&'a str>,
) -> Result<(SignedAt<'a>, Vec<Bytes<'a>>), Refusal> {
    let (text, value) = timestamp.zip(signature).ok_or(Refusal::MissingSignature)?;
    let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let secs = digits.and_then(|text| text.parse().ok()).ok_or(Refusal::MalformedSignature)?;
    let tags = value.split(' ').filter_map(|tag| tag.strip_prefix("v1,"));
    let tags: Vec<Bytes<'_>> = tags.filter_map(|tag| Encoding::Base64.decode(tag)).take(MAX_TAGS).collect();
    if tags.is_empty() {
        return Err(Refusal::MalformedSignature);
    }
    Ok((SignedAt { text, at: UnixMs::from_secs(secs) }, tags))
}
