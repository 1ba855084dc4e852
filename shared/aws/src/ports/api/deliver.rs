//! A delivery to a stack's own URL, as a provider makes one: for a person who tries the way in. No function sends any.

use hookledger_core::model::provider_call::{ApiError, ApiResponse};
use hookledger_core::model::secret::Secret;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Method};

use super::transport::{Call, Transport};
use crate::start::tls::Tls;

/// Posts a body to the URL with these headers, and brings the answer, whatever its status.
pub async fn deliver(
    tls: &Tls,
    url: &str,
    headers: &[(String, Secret)],
    body: Vec<u8>,
) -> Result<ApiResponse, ApiError> {
    let mut sent = vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| ApiError::BadRequest)?;
        let mut value = HeaderValue::from_str(value.reveal()).map_err(|_| ApiError::BadRequest)?;
        value.set_sensitive(true);
        sent.push((name, value));
    }
    Transport::new(tls).send(Call { method: Method::POST, url, headers: sent, body }).await
}
