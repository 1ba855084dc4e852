//! The floor under every receiver: the same two calls to AWS, with constant inputs. What it costs is the price of
//! AWS's own client, set up as its documentation sets it up.

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

/// As long as the reference event.
const BODY: &str = include_str!("reference-body.json");

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let env = |name: &str| std::env::var(name).map_err(|_| format!("environment variable {name} is not set"));
    let credentials = Credentials::new(env("AWS_ACCESS_KEY_ID")?, env("AWS_SECRET_ACCESS_KEY")?, None, None, "floor");
    let region = Region::new(env("AWS_REGION")?);
    let (endpoint, table, queue) =
        (env("AWS_ENDPOINT_URL")?, env("HOOKLEDGER_TABLE")?, env("HOOKLEDGER_QUEUE_RUNPAYMENTS")?);
    let http =
        aws_smithy_http_client::Builder::new().tls_provider(tls::Provider::Rustls(CryptoMode::Ring)).build_https();
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(region.clone())
        .endpoint_url(&endpoint)
        .credentials_provider(credentials.clone())
        .http_client(http.clone())
        .build();
    let dynamodb = aws_sdk_dynamodb::Client::from_conf(config);
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(region)
        .endpoint_url(&endpoint)
        .credentials_provider(credentials)
        .http_client(http)
        .build();
    let sqs = aws_sdk_sqs::Client::from_conf(config);
    let (dynamodb, sqs, table, queue) = (&dynamodb, &sqs, table.as_str(), queue.as_str());
    run(service_fn(async |_: LambdaEvent<Value>| {
        let text = |text: &str| AttributeValue::S(text.into());
        let put = dynamodb.put_item().table_name(table).item("pk", text("floor")).item("sk", text("floor"));
        put.item("body", text(BODY)).send().await?;
        sqs.send_message().queue_url(queue).message_body(BODY).send().await?;
        Ok::<_, Error>(json!({ "statusCode": 200, "body": "{}" }))
    }))
    .await
}
