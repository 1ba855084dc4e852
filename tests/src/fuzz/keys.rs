//! What holds for every key and every URL that is made of other people's text.

use hookledger_core::model::identity::{ItemKey, ProviderId};
use hookledger_core::model::provider_call::ApiRequest;

/// DynamoDB's limits.
const MAX_PK_BYTES: usize = 2048;
const MAX_SK_BYTES: usize = 1024;
/// The longest part that stands in a key as itself.
const MAX_PART_BYTES: usize = 180;

/// A subject is `<provider>#<kind>#<id>`, and no id makes it another one's: each part is the one way to write its text.
pub(super) fn assert_subject(pk: &str, provider: ProviderId) {
    assert!(pk.len() <= MAX_PK_BYTES, "a partition key of {} bytes", pk.len());
    let parts: Vec<&str> = pk.split('#').collect();
    assert!(parts.len() == 3, "a partition key of {} parts", parts.len());
    assert!(parts[0] == provider.0, "a partition key of another provider");
    parts.iter().for_each(|part| assert_part(part));
}

/// A sort key: `<word>#<part>…`, or a word alone.
pub(super) fn assert_sort_key(sk: &str, words: &[&str]) {
    assert!(!sk.is_empty() && sk.len() <= MAX_SK_BYTES, "a sort key of {} bytes", sk.len());
    let (word, parts) = sk.split_once('#').map_or((sk, None), |(word, parts)| (word, Some(parts)));
    assert!(words.contains(&word), "a sort key of an unknown kind");
    parts.into_iter().flat_map(|parts| parts.split('#')).for_each(assert_part);
}

/// The key of an event.
pub(super) fn assert_event(key: &ItemKey, provider: ProviderId) {
    assert_subject(&key.pk, provider);
    assert_sort_key(&key.sk, &["event"]);
    assert!(key.sk.len() > "event#".len(), "an identity without a part");
}

/// Printable ASCII, no separator, and no second way to write the same: two texts never meet in one part.
fn assert_part(part: &str) {
    if let Some(digest) = part.strip_prefix('~') {
        let hex = digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        assert!(digest.len() == 64 && hex, "a digest that is none");
        return;
    }
    assert!(part.len() <= MAX_PART_BYTES, "a part of {} bytes", part.len());
    let mut bytes = part.bytes();
    while let Some(byte) = bytes.next() {
        assert!((0x21..0x7f).contains(&byte) && byte != b'~', "a byte in a key that is not escaped: {byte:#x}");
        if byte == b'%' {
            let digits: Vec<u8> = bytes.by_ref().take(2).collect();
            let code = std::str::from_utf8(&digits).ok().and_then(|text| u8::from_str_radix(text, 16).ok());
            let code = code.unwrap_or_else(|| panic!("an escape that is none"));
            let needed = matches!(code, b'#' | b'%' | b'~' | 0..=b' ' | 0x7f..=0xff);
            assert!(needed && digits == format!("{code:02X}").into_bytes(), "a second way to write the same text");
        }
    }
}

/// A URL stays on its host and in its path, whatever ids are in it.
pub(super) fn assert_request(request: &ApiRequest) {
    let url = &request.url;
    assert!(url.bytes().all(|byte| (0x21..0x7f).contains(&byte)), "a URL with a byte that is not escaped");
    let parsed: http::Uri = url.parse().unwrap_or_else(|_| panic!("a URL that is none"));
    assert!(parsed.scheme_str() == Some("https"), "a URL that is not https");
    let host = parsed.host().unwrap_or_default();
    assert!(hookledger_kit::ALL.iter().any(|kit| host == kit.host), "a URL of a host that is no provider's");
    assert!(!url.contains('#'), "a URL with a fragment");
    assert!(!parsed.path().split('/').any(|segment| matches!(segment, "." | "..")), "a path that leaves its place");
}
