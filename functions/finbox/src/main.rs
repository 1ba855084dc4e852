//! The receiver of FinBox BankConnect's webhooks. All about the provider stands in
//! `shared/core/src/providers/finbox/mod.rs`.

use hookledger_aws::lambda_runtime::Error;
use hookledger_aws::serve;

fn main() -> Result<(), Error> {
    serve::run(serve::receiver("finbox"))
}
