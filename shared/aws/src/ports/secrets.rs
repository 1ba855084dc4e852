//! Secrets from AWS Secrets Manager, cached.
//!
//! Only the current version is read: several live secrets are entries of one document, by decision, not by accident of
//! versions. The cache has a lifetime; a mismatch may ask for one early reading, so that a rotation loses nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_secretsmanager::Client;
use hookledger_core::model::identity::ProviderId;
use hookledger_core::model::secret::{NamedSecret, ProviderSecrets, Secret};
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{Secrets, SecretsError};
use tokio::sync::Mutex;

use crate::ports::clock::now;
use crate::start::aws_error::Failure;
use crate::start::env::Env;

/// The longest wait between two early readings. Forged deliveries ask for one each; this is what they may cost.
const REREAD_SECS: u64 = 30;
/// How old secrets may get while Secrets Manager is down. Verifying with last hour's secrets loses nothing and lets
/// nobody in who was not let in before; beyond an hour a revocation would be ignored for too long.
pub const STALE_SECS: u64 = 3600;
/// The wait after a failed reading, so that an outage doesn't cost every delivery a timeout.
const RETRY_SECS: u64 = 5;

/// Secrets Manager, with one cached document for each provider.
pub struct SecretsManager {
    client: Client,
    ttl_secs: u64,
    // One lock for each provider: of many that find its secrets too old at once, one reads and the others wait for it.
    slots: BTreeMap<String, Mutex<Slot>>,
}

struct Slot {
    arn: String,
    cache: Cache,
}

/// What is known of one secret, and when it may be asked for again. Times are the wall clock's: a process may be frozen
/// for hours between two requests, and not every machine counts that as monotonic time.
#[derive(Default)]
struct Cache {
    value: Option<(Arc<ProviderSecrets>, UnixMs)>,
    reread_at: Option<UnixMs>,
    failed_at: Option<UnixMs>,
}

impl Cache {
    /// The cached secrets, if they are at most `secs` old.
    fn within(&self, secs: u64, now: UnixMs) -> Option<Arc<ProviderSecrets>> {
        let (value, read_at) = self.value.as_ref()?;
        (now < read_at.plus_secs(secs)).then(|| value.clone())
    }

    /// Whether an early reading is allowed, and if so that it happens now.
    fn may_reread(&mut self, ttl_secs: u64, now: UnixMs) -> bool {
        let allowed = self.reread_at.is_none_or(|at| now >= at.plus_secs(ttl_secs.min(REREAD_SECS)));
        if allowed {
            self.reread_at = Some(now);
        }
        allowed
    }

    fn failed_just_now(&self, now: UnixMs) -> bool {
        self.failed_at.is_some_and(|at| now < at.plus_secs(RETRY_SECS))
    }
}

impl SecretsManager {
    /// The secrets that this function's environment names.
    pub fn from_env(env: &Env, client: Client) -> Self {
        Self::new(client, env.secret_arns(), env.secrets_ttl_secs)
    }

    /// The secrets with these ARNs, by provider name, each cached for `ttl_secs`.
    pub fn new(client: Client, arns: BTreeMap<String, String>, ttl_secs: u64) -> Self {
        let slot = |arn| Mutex::new(Slot { arn, cache: Cache::default() });
        Self { client, ttl_secs, slots: arns.into_iter().map(|(name, arn)| (name, slot(arn))).collect() }
    }

    fn slot(&self, provider: ProviderId) -> Result<&Mutex<Slot>, SecretsError> {
        self.slots.get(provider.0).ok_or(SecretsError("this function is given no secret for the provider"))
    }

    async fn read(&self, provider: ProviderId, slot: &mut Slot) -> Result<Arc<ProviderSecrets>, Failure> {
        let outcome = self.fetch(&slot.arn).await;
        match &outcome {
            Ok(secrets) => {
                for (list, least, NamedSecret { id, .. }) in secrets.too_short() {
                    let why = "it is too short";
                    tracing::warn!(provider = provider.0, list, id, least, why, "a secret is not used");
                }
                slot.cache.value = Some((secrets.clone(), now()));
                slot.cache.failed_at = None;
            }
            Err(_) => slot.cache.failed_at = Some(now()),
        }
        outcome
    }

    /// A provider's document as it stands now, past the cache.
    pub async fn document(&self, provider: ProviderId) -> Result<Secret, SecretsError> {
        let slot = self.slot(provider)?.lock().await;
        self.text(&slot.arn).await.map_err(|failure| SecretsError(failure.words()))
    }

    /// Replaces a provider's document. For the operator's command alone: no function is permitted to.
    pub async fn put(&self, provider: ProviderId, document: &Secret) -> Result<(), SecretsError> {
        let mut slot = self.slot(provider)?.lock().await;
        let call = self.client.put_secret_value().secret_id(&slot.arn).secret_string(document.reveal());
        call.send().await.map_err(|error| SecretsError(Failure::of(&error).words()))?;
        slot.cache.value = None;
        Ok(())
    }

    async fn fetch(&self, arn: &str) -> Result<Arc<ProviderSecrets>, Failure> {
        let document = self.text(arn).await?;
        let secrets = ProviderSecrets::parse(document.reveal()).map_err(|error| {
            tracing::error!(%error, "a secret was changed to something unusable");
            Failure::Unavailable("the secret document is not usable")
        })?;
        Ok(Arc::new(secrets))
    }

    async fn text(&self, arn: &str) -> Result<Secret, Failure> {
        let call = self.client.get_secret_value().secret_id(arn).version_stage("AWSCURRENT");
        let output = call.send().await.map_err(|error| Failure::of(&error))?;
        output.secret_string().map(Secret::new).ok_or(Failure::Refused("the secret is not a text"))
    }
}

impl Secrets for SecretsManager {
    async fn get(&self, provider: ProviderId) -> Result<Arc<ProviderSecrets>, SecretsError> {
        let mut slot = self.slot(provider)?.lock().await;
        if let Some(fresh) = slot.cache.within(self.ttl_secs, now()) {
            return Ok(fresh);
        }
        let failure = if slot.cache.failed_just_now(now()) {
            Failure::Unavailable("a reading failed just now")
        } else {
            match self.read(provider, &mut slot).await {
                Ok(secrets) => return Ok(secrets),
                Err(failure) => failure,
            }
        };
        let stale = match failure {
            Failure::Unavailable(_) => slot.cache.within(self.ttl_secs.max(STALE_SECS), now()),
            // Taken away from us is not the same as out of reach: what may not be read may not be used.
            Failure::Refused(_) => {
                slot.cache.value = None;
                None
            }
        };
        let words = failure.words();
        if stale.is_some() {
            tracing::warn!(provider = provider.0, words, "secrets could not be read: the last ones are used");
        }
        stale.ok_or(SecretsError(words))
    }

    async fn reread(&self, provider: ProviderId) -> Result<Option<Arc<ProviderSecrets>>, SecretsError> {
        let mut slot = self.slot(provider)?.lock().await;
        if !slot.cache.may_reread(self.ttl_secs, now()) {
            return Ok(None);
        }
        self.read(provider, &mut slot).await.map(Some).map_err(|failure| SecretsError(failure.words()))
    }
}

#[cfg(test)]
mod tests {
    use hookledger_core::model::secret::live;

    use super::*;
    use crate::start::logs::tests::Lines;
    use crate::start::scripted::{answer, clients, server};

    const PROVIDER: ProviderId = ProviderId("fynapse");

    fn secret(id: &str) -> String {
        let document = format!(r#"{{"signing_secrets":[{{"id":"{id}","value":"v"}}]}}"#);
        answer("200 OK", &serde_json::json!({ "Name": "n", "SecretString": document }).to_string())
    }

    fn failing(status: &str, kind: &str) -> String {
        answer(status, &format!(r#"{{"__type":"{kind}"}}"#))
    }

    async fn manager(ttl_secs: u64, answers: Vec<String>) -> (SecretsManager, tokio::task::JoinHandle<Vec<String>>) {
        let (url, asked) = server(answers).await;
        let arns = BTreeMap::from([(PROVIDER.0.to_string(), "arn:1".to_string())]);
        (SecretsManager::new(clients(url).secrets, arns, ttl_secs), asked)
    }

    fn id(secrets: &ProviderSecrets) -> &str {
        &secrets.signing_secrets[0].id
    }

    #[tokio::test]
    async fn the_current_version_is_read_once_and_once_more_after_a_rotation() {
        let (manager, asked) = manager(300, vec![secret("old"), secret("new")]).await;
        for _ in 0..3 {
            assert_eq!(id(&manager.get(PROVIDER).await.unwrap()), "old");
        }
        assert_eq!(id(&manager.reread(PROVIDER).await.unwrap().unwrap()), "new");
        assert!(manager.reread(PROVIDER).await.unwrap().is_none());
        assert_eq!(id(&manager.get(PROVIDER).await.unwrap()), "new");
        for request in asked.await.unwrap() {
            assert!(request.contains(r#""VersionStage":"AWSCURRENT""#), "{request}");
        }
    }

    #[tokio::test]
    async fn an_outage_or_a_broken_document_leaves_the_last_secrets_in_use() {
        let broken = answer("200 OK", r#"{"Name":"n","SecretString":"hunter2"}"#);
        // Two answers for the outage: the client tries twice.
        let down = || failing("500 Internal Server Error", "InternalServiceError");
        for answers in [vec![secret("last"), down(), down()], vec![secret("last"), broken]] {
            let (manager, asked) = manager(0, answers).await;
            for _ in 0..3 {
                assert_eq!(id(&manager.get(PROVIDER).await.unwrap()), "last");
            }
            // The failed reading is not repeated at every delivery, or the script would be too short for it.
            asked.await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_secret_that_was_taken_away_is_not_used() {
        let denied = failing("400 Bad Request", "AccessDeniedException");
        let (manager, _asked) = manager(0, vec![secret("last"), denied]).await;
        assert!(manager.get(PROVIDER).await.is_ok());
        assert_eq!(manager.get(PROVIDER).await.err(), Some(SecretsError("no permission")));
        assert!(manager.get(PROVIDER).await.is_err());
        assert!(manager.get(ProviderId("another")).await.is_err());
    }

    #[tokio::test]
    async fn a_secret_that_is_too_short_is_named_in_the_log_without_its_value() {
        let (lines, document) = (Lines::default(), r#"{"signing_secrets":[{"id":"2026-11","value":"hunter2"}]}"#);
        let _guard = lines.listen("info");
        let stored = answer("200 OK", &serde_json::json!({ "Name": "n", "SecretString": document }).to_string());
        let (manager, _asked) = manager(300, vec![stored]).await;
        let secrets = manager.get(PROVIDER).await.unwrap();
        assert_eq!(live(&secrets.signing_secrets, now()).count(), 0);
        let text = lines.text();
        let told: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        let fields = ["level", "message", "why", "provider", "list", "id"].map(|name| told[name].as_str().unwrap());
        let expected = ["WARN", "a secret is not used", "it is too short", "fynapse", "signing_secrets", "2026-11"];
        assert_eq!((fields, told["least"].as_u64()), (expected, Some(16)));
        assert!(!text.contains("hunter2"), "{text}");
    }

    fn cache(read_at: i64) -> Cache {
        Cache { value: Some((Arc::default(), UnixMs::from_secs(read_at))), ..Cache::default() }
    }

    #[test]
    fn a_cached_secret_ends_with_its_lifetime() {
        let cache = cache(1_000);
        assert!(cache.within(300, UnixMs::from_secs(1_299)).is_some());
        assert!(cache.within(300, UnixMs::from_secs(1_300)).is_none());
        assert!(cache.within(STALE_SECS, UnixMs::from_secs(1_000 + 3_599)).is_some());
        assert!(cache.within(STALE_SECS, UnixMs::from_secs(1_000 + 3_600)).is_none());
    }

    #[tokio::test]
    async fn a_document_that_was_put_is_what_is_read_next() {
        let put = answer("200 OK", r#"{"ARN":"arn:1","Name":"n","VersionId":"v"}"#);
        let (manager, asked) = manager(300, vec![secret("old"), secret("old"), put, secret("new")]).await;
        assert_eq!(id(&manager.get(PROVIDER).await.unwrap()), "old");
        let document = manager.document(PROVIDER).await.unwrap();
        assert!(document.reveal().contains("old"));
        manager.put(PROVIDER, &document).await.unwrap();
        assert_eq!(id(&manager.get(PROVIDER).await.unwrap()), "new");
        let asked = asked.await.unwrap();
        assert!(asked[2].contains("PutSecretValue") && asked[2].contains("ClientRequestToken"), "{}", asked[2]);
        // A second try of the same call is known by its token and makes no second version.
        let nobody = SecretsManager::new(manager.client.clone(), BTreeMap::new(), 300);
        assert!(nobody.put(PROVIDER, &document).await.is_err());
    }

    #[test]
    fn forged_deliveries_cannot_make_us_read_all_the_time() {
        for (ttl_secs, wait_secs) in [(300, 30), (2, 2)] {
            let mut cache = cache(0);
            assert!(cache.may_reread(ttl_secs, UnixMs::from_secs(100)));
            assert!(!cache.may_reread(ttl_secs, UnixMs::from_secs(99 + wait_secs)));
            assert!(cache.may_reread(ttl_secs, UnixMs::from_secs(100 + wait_secs)));
        }
    }

    #[test]
    fn an_outage_is_not_asked_about_at_every_delivery() {
        let cache = Cache { failed_at: Some(UnixMs::from_secs(100)), ..Cache::default() };
        assert!(cache.failed_just_now(UnixMs::from_secs(104)));
        assert!(!cache.failed_just_now(UnixMs::from_secs(105)));
    }
}
