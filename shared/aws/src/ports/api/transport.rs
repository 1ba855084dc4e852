//! One HTTP exchange: bounded in time and in size, without redirects.

use std::time::Duration;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use bytes::Bytes;
use hookledger_core::model::provider_call::{ApiError, ApiResponse, MAX_ANSWER_BYTES};
use http::header::{ACCEPT, ACCEPT_ENCODING, DATE, HeaderName, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};

use crate::ports::clock::now;
use crate::start::tls::{Pool, Tls};

/// A connection to a provider, TLS not included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// A whole exchange, from the name's resolution to the last byte of the answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How we introduce ourselves.
const AGENT: &str = concat!("hookledger/", env!("CARGO_PKG_VERSION"));

/// One request.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    pub(super) url: &'a str,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Vec<u8>,
}

/// The connections to all providers.
pub(super) struct Transport(Pool<Full<Bytes>>);

impl Transport {
    pub(super) fn new(tls: &Tls) -> Self {
        Self(tls.pool(CONNECT_TIMEOUT))
    }

    /// Sends a request and reads its answer, whatever the status.
    pub(super) async fn send(&self, call: Call<'_>) -> Result<ApiResponse, ApiError> {
        let mut request = Request::builder()
            .method(call.method)
            .uri(checked(call.url)?)
            .body(Full::new(Bytes::from(call.body)))
            .map_err(|_| ApiError::BadRequest)?;
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        // Who names no encoding leaves the choice to the server (RFC 9110, 12.5.3), and we undo none.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        headers.extend(call.headers);
        tokio::time::timeout(CALL_TIMEOUT, self.exchange(request)).await.map_err(|_| ApiError::TimedOut)?
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<ApiResponse, ApiError> {
        let response = self.0.request(request).await.map_err(|error| {
            tracing::warn!(connecting = error.is_connect(), "a provider's API could not be reached");
            ApiError::Unreachable
        })?;
        let (head, body) = response.into_parts();
        // Counted while reading: a length header may be absent, or wrong.
        let body = Limited::new(body, MAX_ANSWER_BYTES)
            .collect()
            .await
            .map_err(|error| if error.is::<LengthLimitError>() { ApiError::TooLarge } else { ApiError::Unreachable })?;
        Ok(ApiResponse {
            status: head.status.as_u16(),
            retry_after_secs: retry_after(&head.headers, now().secs()),
            body: body.to_bytes().to_vec(),
        })
    }
}

/// https, or http to this machine: a credential must not cross a network in the clear.
fn checked(url: &str) -> Result<Uri, ApiError> {
    let uri: Uri = url.parse().map_err(|_| ApiError::BadRequest)?;
    let loopback = matches!(uri.host(), Some("127.0.0.1" | "localhost" | "[::1]"));
    match uri.scheme_str() {
        Some("https") if uri.host().is_some() => Ok(uri),
        Some("http") if loopback => Ok(uri),
        _ => Err(ApiError::BadRequest),
    }
}

/// `Retry-After`, as a number of seconds or as a date (RFC 9110, 10.2.3); with decimals too, which are none of the RFC's
/// and sent all the same. Anything else counts as absent. A date is the provider's, so it is measured by the provider's own
/// clock where the answer carries it: two clocks need not agree. Without that, ours has to do.
fn retry_after(headers: &HeaderMap, now_secs: i64) -> Option<u64> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    seconds(text).or_else(|| {
        let answered_at = headers.get(DATE).and_then(|date| http_date(date.to_str().ok()?)).unwrap_or(now_secs);
        u64::try_from(http_date(text)?.saturating_sub(answered_at).max(0)).ok()
    })
}

/// A number of seconds, rounded up. No sign, no exponent, nothing around it.
fn seconds(text: &str) -> Option<u64> {
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    if !is_number(whole) || !is_number(part) {
        return None;
    }
    whole.parse::<u64>().ok()?.checked_add(u64::from(part.bytes().any(|digit| digit != b'0')))
}

/// Seconds since 1970 of a date as HTTP writes it.
fn http_date(text: &str) -> Option<i64> {
    DateTime::from_str(text.trim(), Format::HttpDate).ok().map(|at| at.secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_do_not_travel_in_the_clear() {
        for url in ["https://api.example.com/v1?x=1", "http://127.0.0.1:4000/x", "http://localhost/x", "http://[::1]/x"]
        {
            assert!(checked(url).is_ok(), "{url}");
        }
        let refused = [
            "http://api.example.com/",
            "http://127.0.0.1.example.com/",
            "ftp://h/",
            "/relative",
            "",
            "h:80",
            "https://",
        ];
        for url in refused {
            assert_eq!(checked(url), Err(ApiError::BadRequest), "{url}");
        }
    }

    #[test]
    fn retry_after_is_a_number_or_a_date() {
        const NOON: &str = "Sun, 22 Nov 2026 12:00:00 GMT";
        const NOON_SECS: i64 = 1_795_348_800;
        let rows = [
            ("120", None, Some(120)),
            (" 7 ", None, Some(7)),
            ("0", None, Some(0)),
            ("1.5", None, Some(2)),
            ("\t59.01 ", None, Some(60)),
            ("2.0", None, Some(2)),
            ("0.0", None, Some(0)),
            ("-1", None, None),
            ("-1.5", None, None),
            ("+5", None, None),
            ("1e3", None, None),
            ("1.", None, None),
            (".5", None, None),
            ("1.5.2", None, None),
            ("1,5", None, None),
            ("5 seconds", None, None),
            ("inf", None, None),
            ("NaN", None, None),
            ("99999999999999999999", None, None),
            ("", None, None),
            ("tomorrow", Some(NOON), None),
            ("Sun, 22 Nov 2026 12:10:00 GMT", None, Some(600)),
            (" Sun, 22 Nov 2026 12:10:00 GMT ", None, Some(600)),
            ("Sun, 22 Nov 2026 12:10:00 GMT", Some("Sun, 22 Nov 2026 12:09:30 GMT"), Some(30)),
            ("Sun, 22 Nov 2026 12:10:00 GMT", Some("today"), Some(600)),
            ("Fri, 31 Dec 1999 23:59:59 GMT", Some(NOON), Some(0)),
        ];
        for (text, date, expected) in rows {
            let mut headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]);
            headers.extend(date.map(|date| (DATE, HeaderValue::from_static(date))));
            assert_eq!(retry_after(&headers, NOON_SECS), expected, "{text:?}, answered at {date:?}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), NOON_SECS), None);
    }
}
