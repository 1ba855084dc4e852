//! The receiver of Rightfoot's webhooks. All about the provider stands in `shared/core/src/providers/rightfoot.rs`.

use hookledger_aws::lambda_runtime::Error;
use hookledger_aws::serve;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    serve::receiver("rightfoot").await
}
