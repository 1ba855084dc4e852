//! Where Fynapse's API is, and with which credentials it is asked.

use crate::model::provider_call::{Auth, ClientAuth, Method, OAuthClient};
use crate::model::settings::{Lookup, SettingError, base_url, text as setting};

use super::shape::Shape;

/// Fynapse's API: one host for each customer, so there is no default, and without it neither audit nor set-up.
pub(super) struct Api {
    pub(super) base_url: String,
    pub(super) audit: Shape,
    pub(super) update: Method,
}

pub(super) const NO_API: &str = "set FYNAPSE_API_BASE_URL, your Fynapse instance, to turn it on";

impl Api {
    pub(super) fn read(lookup: Lookup<'_>) -> Result<Option<Self>, SettingError> {
        let base_url = base_url(lookup, "FYNAPSE_API_BASE_URL", "")?;
        let (audit, update) = (Shape::read(lookup)?, update_method(lookup)?);
        Ok((!base_url.is_empty()).then_some(Self { base_url, audit, update }))
    }

    /// Everything about deliveries is below one path.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}/api/v1/event-deliveries/{path}", self.base_url)
    }

    pub(super) fn auth(&self) -> Auth {
        let token_url = format!("{}/auth/token", self.base_url);
        Auth::ClientCredentials { token_url, style: ClientAuth::Form, client: OAuthClient::ONLY }
    }
}

/// How a subscription is updated, `FYNAPSE_UPDATE_METHOD`: put or patch. The default is a guess.
pub(super) fn update_method(lookup: Lookup<'_>) -> Result<Method, SettingError> {
    match setting(lookup, "FYNAPSE_UPDATE_METHOD", "put").as_str() {
        "put" => Ok(Method::Put),
        "patch" => Ok(Method::Patch),
        _ => Err(SettingError::new("FYNAPSE_UPDATE_METHOD", "must be put or patch")),
    }
}
