//! The AWS clients, built once for each process by hand.
//!
//! **Rationale.** `aws-config` would look for credentials in files, profiles and metadata services. On Lambda they are
//! in the environment, and nowhere else they are wanted; without it a function is smaller and starts sooner.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::config::{IdentityCache, StalledStreamProtectionConfig};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;

use crate::start::aws_error::Failure;
use crate::start::aws_http::http_client;
use crate::start::env::{AwsEnv, Env, EnvError};
use crate::start::tls::Tls;

/// One try, connection included. The slowest call of the happy path takes tens of milliseconds.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// A call with its retries. A receiver makes three in turn (secret, put, send) and has 10 s for its answer.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(3);
/// The first try and one more: a broken connection or a throttled moment is passed over, and what lasts longer is the
/// ledger's to retry, which remembers what it does.
const ATTEMPTS: u32 = 2;
/// The wait before the second try is drawn up to this.
const RETRY_WAIT: Duration = Duration::from_millis(100);

/// The clients of the services. They share one HTTP client and its connections.
#[derive(Clone, Debug)]
pub struct Clients {
    /// The table.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// The queue.
    pub sqs: aws_sdk_sqs::Client,
    /// The secrets.
    pub secrets: aws_sdk_secretsmanager::Client,
    config: SdkConfig,
}

impl Clients {
    /// Builds the clients for the credentials and region in the environment.
    pub fn from_env(env: &Env) -> Result<Self, EnvError> {
        Ok(Self::new(&env.aws()?, &env.tls()?))
    }

    /// Builds the clients.
    pub fn new(aws: &AwsEnv, tls: &Tls) -> Self {
        Self::of(sdk_config(aws, tls))
    }

    /// Builds the clients from a configuration that was made elsewhere: the command line has credentials of its own.
    pub fn of(config: SdkConfig) -> Self {
        Self {
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            sqs: aws_sdk_sqs::Client::new(&config),
            secrets: aws_sdk_secretsmanager::Client::new(&config),
            config,
        }
    }

    /// What they are built from, for a client of another service.
    pub fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// A client of the bus. Only the worker publishes; a receiver that never calls this does not carry its code.
    pub fn events(&self) -> aws_sdk_eventbridge::Client {
        aws_sdk_eventbridge::Client::new(&self.config)
    }

    /// Opens a connection to the table and one to the queue with one cheap call each, and does at the same time what
    /// else this function has to reach. Done while the function starts, so that no provider waits for a TLS handshake.
    ///
    /// A call that is not permitted opens its connection all the same, and no failure here keeps a function from
    /// starting: what fails now is tried again, and told, when it is needed.
    pub async fn connect<T>(&self, env: &Env, also: impl Future<Output = T>) {
        let table = async {
            let key = |text: &str| aws_sdk_dynamodb::types::AttributeValue::S(text.into());
            let call = self.dynamodb.get_item().table_name(&env.table).key("pk", key(&env.empty_partition()));
            log("dynamodb", call.key("sk", key("connect")).send().await.err().as_ref().map(Failure::of));
        };
        let queue = async {
            // One connection serves them all: they share their host.
            if let Some(url) = env.queue_urls().ok().and_then(|urls| urls.into_values().next()) {
                log("sqs", self.sqs.get_queue_attributes().queue_url(url).send().await.err().as_ref().map(Failure::of));
            }
        };
        tokio::join!(table, queue, also);
    }

    /// Opens a connection to the secrets, for a function that does not know yet whose it will need.
    pub async fn connect_secrets(&self, env: &Env) {
        if let Some(arn) = env.secret_arns().into_values().next() {
            let call = self.secrets.get_secret_value().secret_id(arn);
            log("secretsmanager", call.send().await.err().as_ref().map(Failure::of));
        }
    }
}

/// Says that a service could not be reached while the function started.
pub(crate) fn log(service: &'static str, failure: Option<Failure>) {
    match failure {
        Some(Failure::Unavailable(words)) => tracing::warn!(service, words, "no connection yet"),
        // The service answered, so the connection stands, and that was all that was wanted.
        Some(Failure::Refused(_)) | None => {}
    }
}

fn sdk_config(aws: &AwsEnv, tls: &Tls) -> SdkConfig {
    let token = aws.session_token.as_ref().map(|token| token.reveal().to_string());
    // Without an end: Lambda replaces the process before the credentials in its environment run out.
    let credentials = Credentials::new(&aws.access_key_id, aws.secret_access_key.reveal(), token, None, "environment");
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    let retry = RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_initial_backoff(RETRY_WAIT)
        .with_max_backoff(RETRY_WAIT);
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(aws.region.clone()))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        // Nothing to cache: the credentials are at hand.
        .identity_cache(IdentityCache::no_cache())
        .http_client(http_client(tls))
        // An answer is read whole within its attempt, so whatever stalls ends with it.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .timeout_config(timeouts)
        .retry_config(retry);
    if let Some(url) = &aws.endpoint_url {
        config = config.endpoint_url(url);
    }
    config.build()
}
