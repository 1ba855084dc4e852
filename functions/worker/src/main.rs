//! Does the work that admitted events call for. The flow is `shared/core/src/flows/work.rs`.

use hookledger_aws::lambda_runtime::Error;
use hookledger_aws::serve;

fn main() -> Result<(), Error> {
    serve::run(serve::worker())
}
