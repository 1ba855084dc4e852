//! Calls to the providers' APIs: sends what a provider file described, with the credentials it named.

mod oauth;
mod transport;

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hookledger_core::api::{ApiError, ApiRequest, ApiResponse, Auth, ClientAuth};
use hookledger_core::identity::ProviderId;
use hookledger_core::ports::{ProviderApi, Secrets};
use hookledger_core::secret::{ProviderSecrets, Secret};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Method};

use oauth::Tokens;
pub use transport::TransportError;
use transport::{Call, Transport};

use crate::telemetry::now;

/// The credentials of an OAuth client in a secret's `api` object.
const CLIENT_ID: &str = "client_id";
const CLIENT_SECRET: &str = "client_secret";

/// The providers' APIs over HTTPS.
pub struct HttpProviderApi<S> {
    transport: Transport,
    secrets: Arc<S>,
    tokens: Tokens,
}

impl<S: Secrets> HttpProviderApi<S> {
    /// A client that takes its credentials from `secrets`. Fails if the machine has no root certificates.
    pub fn new(secrets: Arc<S>) -> Result<Self, TransportError> {
        Ok(Self { transport: Transport::new()?, secrets, tokens: Tokens::default() })
    }

    async fn get(&self, url: &str, headers: Vec<(HeaderName, HeaderValue)>) -> Result<ApiResponse, ApiError> {
        self.transport.send(Call { method: Method::GET, url, headers, body: String::new() }).await
    }

    async fn credentials(&self, provider: ProviderId) -> Result<Arc<ProviderSecrets>, ApiError> {
        // Out of reach is passing, and so is a credential that is not filled in yet: the work stays owed either way.
        self.secrets.get(provider).await.map_err(|error| {
            tracing::warn!(provider = provider.0, %error, "no credentials for the provider's API");
            ApiError::NoCredentials
        })
    }

    /// Sends the request with an OAuth token, and once more with a new one if the provider does not accept it.
    async fn with_token(
        &self,
        provider: ProviderId,
        url: &str,
        token_url: &str,
        style: ClientAuth,
    ) -> Result<ApiResponse, ApiError> {
        let mut refused: Option<Secret> = None;
        loop {
            let slot = self.tokens.slot(provider, token_url, style);
            // Held over the fetching: of many requests that lack a token, one asks for it and the others wait.
            let mut cached = slot.lock().await;
            let token = match cached.usable(now(), refused.as_ref()) {
                Some(token) => token,
                None => cached.keep(self.fetch_token(provider, token_url, style).await?, now()),
            };
            drop(cached);
            let response = self.get(url, vec![bearer(&token)?]).await?;
            if response.status != 401 || refused.is_some() {
                return Ok(response);
            }
            refused = Some(token);
        }
    }

    async fn fetch_token(
        &self,
        provider: ProviderId,
        token_url: &str,
        style: ClientAuth,
    ) -> Result<oauth::Issued, ApiError> {
        let secrets = self.credentials(provider).await?;
        let refused = match self.ask_token(&secrets, token_url, style).await {
            Err(ApiError::TokenRefused) => ApiError::TokenRefused,
            other => return other,
        };
        // The client may have been rotated since its secret was cached.
        match self.secrets.reread(provider).await {
            Ok(Some(fresh)) => self.ask_token(&fresh, token_url, style).await,
            _ => Err(refused),
        }
    }

    async fn ask_token(
        &self,
        secrets: &ProviderSecrets,
        token_url: &str,
        style: ClientAuth,
    ) -> Result<oauth::Issued, ApiError> {
        let (id, secret) = (credential(secrets, CLIENT_ID)?, credential(secrets, CLIENT_SECRET)?);
        let mut headers = vec![(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))];
        if style == ClientAuth::Basic {
            headers.push((AUTHORIZATION, basic(id, secret)?));
        }
        let body = oauth::form(style, id, secret);
        let response = self.transport.send(Call { method: Method::POST, url: token_url, headers, body }).await?;
        oauth::issued(&response)
    }
}

impl<S: Secrets> ProviderApi for HttpProviderApi<S> {
    async fn call(&self, provider: ProviderId, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
        match &request.auth {
            Auth::Bearer { credential: name } => {
                let secrets = self.credentials(provider).await?;
                self.get(&request.url, vec![bearer(credential(&secrets, name)?)?]).await
            }
            Auth::Headers(pairs) => {
                let secrets = self.credentials(provider).await?;
                let header = |(name, from): &(&'static str, &'static str)| {
                    let name = HeaderName::try_from(*name).map_err(|_| ApiError::BadRequest)?;
                    Ok((name, sensitive(credential(&secrets, from)?.reveal())?))
                };
                let headers: Result<Vec<_>, ApiError> = pairs.iter().map(header).collect();
                self.get(&request.url, headers?).await
            }
            Auth::ClientCredentials { token_url, style } => {
                self.with_token(provider, &request.url, token_url, *style).await
            }
        }
    }
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
