//! Takes in what an application waits for. The flow is `shared/core/src/expect.rs`.

use hookledger_aws::lambda_runtime::Error;
use hookledger_aws::serve;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    serve::expectations().await
}
