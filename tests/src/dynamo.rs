//! Reaching a DynamoDB engine that is not AWS.

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Region};
use dynoxide::Database;
use hookledger_aws::ports::ledger::schema;
use hookledger_aws::start::aws_http::http_client;
use hookledger_aws::start::tls::Tls;
use tokio::net::TcpListener;

/// The retention that the ledgers of the tests are given, in days.
pub const RETENTION_DAYS: u64 = 400;

/// Where an engine listens, and whom it lets in.
#[derive(Clone)]
pub struct Endpoint {
    /// Its URL.
    pub url: String,
    /// Its region.
    pub region: String,
    /// The access key's id.
    pub access_key_id: String,
    /// The access key's secret.
    pub secret_access_key: String,
}

impl Endpoint {
    /// An engine that looks at no credentials.
    pub fn open(url: String) -> Self {
        let any = || "test".to_string();
        Self { url, region: "us-east-1".into(), access_key_id: any(), secret_access_key: any() }
    }

    /// A client that tries once and waits as long as it takes.
    ///
    /// **Rationale.** With a retry, a slow machine could turn the winner of a race into its own duplicate: the first
    /// try wins, its answer comes late, and the second loses to it. Here every answer is that of the one write.
    pub fn client(&self) -> Client {
        let credentials = Credentials::new(&self.access_key_id, &self.secret_access_key, None, None, "tests");
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(&self.url)
            .region(Region::new(self.region.clone()))
            .credentials_provider(credentials)
            .http_client(http_client(&tls()))
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::disabled());
        Client::from_conf(config.build())
    }
}

/// The table of [`in_process`].
pub const TABLE: &str = "ledger";

/// A client of an engine of its own, in this process, with an empty table.
pub async fn in_process() -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("the port's number"));
    tokio::spawn(dynoxide::server::serve_on(listener, Database::memory().expect("an empty database")));
    let client = Endpoint::open(url).client();
    schema::create_table(&client, TABLE).await.expect("a table");
    client
}

/// Trusts whom everybody trusts.
pub fn tls() -> Tls {
    Tls::new(None).expect("root certificates")
}

/// A runtime of one thread, for one test.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}
