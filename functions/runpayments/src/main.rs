//! The receiver of Run Payments' webhooks. All about the provider stands in
//! `shared/core/src/providers/runpayments/mod.rs`.

use hookledger_aws::lambda_runtime::Error;
use hookledger_aws::serve;

fn main() -> Result<(), Error> {
    serve::run(serve::receiver("runpayments"))
}
