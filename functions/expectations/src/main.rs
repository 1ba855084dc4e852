//! Takes in what an application waits for. The flow is `shared/core/src/flows/expectations.rs`.

use hookledger_aws::lambda_runtime::Error;
use hookledger_aws::serve;

fn main() -> Result<(), Error> {
    serve::run(serve::expectations())
}
