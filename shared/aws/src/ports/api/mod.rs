//! Calls to the providers' APIs: sends what a provider file described, with the credentials it named.

mod deliver;
mod oauth;
mod transport;

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hookledger_core::model::identity::ProviderId;
use hookledger_core::model::provider_call::{self, ApiError, ApiRequest, ApiResponse, Auth, ClientAuth};
use hookledger_core::model::secret::{ProviderSecrets, Secret};
use hookledger_core::ports::{ProviderApi, Secrets};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Method};

pub use deliver::deliver;
use oauth::{Endpoint, Tokens};
use transport::{Call, Transport};

use crate::ports::clock::now;
use crate::start::tls::Tls;

/// What proves a request to be ours.
type Headers = Vec<(HeaderName, HeaderValue)>;

/// The providers' APIs over HTTPS.
pub struct HttpProviderApi<S> {
    transport: Transport,
    secrets: Arc<S>,
    tokens: Tokens,
}

impl<S: Secrets> HttpProviderApi<S> {
    /// A client that takes its credentials from `secrets`.
    pub fn new(secrets: Arc<S>, tls: &Tls) -> Self {
        Self { transport: Transport::new(tls), secrets, tokens: Tokens::default() }
    }

    async fn send(&self, request: &ApiRequest, mut headers: Headers) -> Result<ApiResponse, ApiError> {
        let method = match request.method {
            provider_call::Method::Get => Method::GET,
            provider_call::Method::Post => Method::POST,
            provider_call::Method::Put => Method::PUT,
            provider_call::Method::Patch => Method::PATCH,
        };
        if request.json.is_some() {
            headers.push((CONTENT_TYPE, HeaderValue::from_static("application/json")));
        }
        let body = request.json.as_ref().map(|json| json.bytes().to_vec()).unwrap_or_default();
        self.transport.send(Call { method, url: &request.url, headers, body }).await
    }

    async fn credentials(&self, provider: ProviderId) -> Result<Arc<ProviderSecrets>, ApiError> {
        self.secrets.get(provider).await.map_err(|error| {
            tracing::warn!(provider = provider.0, %error, "no credentials for the provider's API");
            ApiError::SecretUnavailable
        })
    }

    /// Sends the request with credentials of the secret. A 401 or 403 may mean that they were rotated since the secret was
    /// cached, in the middle of a walk perhaps: then it is read again, and the request sent once more if they differ.
    async fn with_credentials(
        &self,
        provider: ProviderId,
        request: &ApiRequest,
        headers: impl Fn(&ProviderSecrets) -> Result<Headers, ApiError>,
    ) -> Result<ApiResponse, ApiError> {
        let sent = headers(&*self.credentials(provider).await?)?;
        let response = self.send(request, sent.clone()).await?;
        if !is_dead(&response) {
            return Ok(response);
        }
        // Too early for another reading, or none to be had: the refusal is the answer.
        let Ok(Some(fresh)) = self.secrets.reread(provider).await else { return Ok(response) };
        match headers(&fresh) {
            Ok(other) if other != sent => self.send(request, other).await,
            _ => Ok(response),
        }
    }

    /// Sends the request with an OAuth token, and once more with a new one if the provider does not accept it.
    async fn with_token(
        &self,
        provider: ProviderId,
        request: &ApiRequest,
        endpoint: Endpoint<'_>,
    ) -> Result<ApiResponse, ApiError> {
        let mut refused: Option<Secret> = None;
        loop {
            let slot = self.tokens.slot(provider, &endpoint);
            // Held over the fetching: of many requests that lack a token, one asks for it and the others wait.
            let mut cached = slot.lock().await;
            let token = match cached.usable(now(), refused.as_ref()) {
                Some(token) => token,
                None => cached.keep(self.fetch_token(provider, endpoint, refused.is_some()).await?, now()),
            };
            drop(cached);
            let response = self.send(request, vec![bearer(&token)?]).await?;
            if !is_dead(&response) || refused.is_some() {
                return Ok(response);
            }
            refused = Some(token);
        }
    }

    /// Asks for a token; if the last one was not accepted, with credentials that are read again where that is allowed: a
    /// client that was replaced may still be given tokens that open nothing.
    async fn fetch_token(
        &self,
        provider: ProviderId,
        endpoint: Endpoint<'_>,
        was_refused: bool,
    ) -> Result<oauth::Issued, ApiError> {
        let fresh = if was_refused { self.secrets.reread(provider).await.ok().flatten() } else { None };
        let secrets = match fresh {
            Some(fresh) => fresh,
            None => self.credentials(provider).await?,
        };
        let refused = match self.ask_token(&secrets, endpoint).await {
            Err(error @ (ApiError::TokenRefused | ApiError::TokenTrouble | ApiError::NoCredentials)) => error,
            other => return other,
        };
        // The client may have been rotated, or filled in, since its secret was cached.
        match self.secrets.reread(provider).await {
            Ok(Some(fresh)) => self.ask_token(&fresh, endpoint).await,
            _ => Err(refused),
        }
    }

    async fn ask_token(&self, secrets: &ProviderSecrets, endpoint: Endpoint<'_>) -> Result<oauth::Issued, ApiError> {
        let Endpoint { url, style, client } = endpoint;
        let (id, secret) = (credential(secrets, client.id)?, credential(secrets, client.secret)?);
        let mut headers = vec![(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))];
        if style == ClientAuth::Basic {
            headers.push((AUTHORIZATION, basic(id, secret)?));
        }
        let body = oauth::form(style, id, secret).into_bytes();
        let response = self.transport.send(Call { method: Method::POST, url, headers, body }).await?;
        oauth::issued(&response)
    }
}

impl<S: Secrets> ProviderApi for HttpProviderApi<S> {
    /// From the cache, as a rule.
    async fn is_used(&self, provider: ProviderId) -> bool {
        self.secrets.get(provider).await.map_or(true, |secrets| !secrets.is_empty())
    }

    async fn call(&self, provider: ProviderId, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
        match &request.auth {
            Auth::Bearer { credential: name } => {
                let headers = |secrets: &ProviderSecrets| Ok(vec![bearer(credential(secrets, name)?)?]);
                self.with_credentials(provider, request, headers).await
            }
            Auth::Headers(pairs) => {
                let header = |secrets: &ProviderSecrets, name: &str, from: &str| {
                    let name = HeaderName::try_from(name).map_err(|_| ApiError::BadRequest)?;
                    Ok((name, sensitive(credential(secrets, from)?.reveal())?))
                };
                let headers =
                    |secrets: &ProviderSecrets| pairs.iter().map(|(name, from)| header(secrets, name, from)).collect();
                self.with_credentials(provider, request, headers).await
            }
            Auth::ClientCredentials { token_url, style, client } => {
                self.with_token(provider, request, Endpoint { url: token_url, style: *style, client: *client }).await
            }
        }
    }
}

/// Whether what a request was sent with is not, or no longer, accepted. Some providers say so by 403.
fn is_dead(response: &ApiResponse) -> bool {
    matches!(response.status, 401 | 403)
}

fn credential<'a>(secrets: &'a ProviderSecrets, name: &str) -> Result<&'a Secret, ApiError> {
    secrets.api.get(name).filter(|secret| !secret.reveal().is_empty()).ok_or(ApiError::NoCredentials)
}

/// A header's value that `Debug` does not print. A credential with a line break in it is no credential.
fn sensitive(text: &str) -> Result<HeaderValue, ApiError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| ApiError::NoCredentials)?;
    value.set_sensitive(true);
    Ok(value)
}

fn bearer(token: &Secret) -> Result<(HeaderName, HeaderValue), ApiError> {
    Ok((AUTHORIZATION, sensitive(&format!("Bearer {}", token.reveal()))?))
}

/// RFC 7617. RFC 6749 (2.3.1) wants both halves form-encoded first; what issues such credentials uses characters for
/// which that changes nothing, and servers that don't decode are more common than ones that do.
fn basic(id: &Secret, secret: &Secret) -> Result<HeaderValue, ApiError> {
    let pair = format!("{}:{}", id.reveal(), secret.reveal());
    sensitive(&format!("Basic {}", BASE64_STANDARD.encode(pair)))
}

#[cfg(test)]
mod tests;
