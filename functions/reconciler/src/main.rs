//! Pays every debt that is due. The flow is `shared/core/src/flows/reconcile.rs`.

use hookledger_aws::lambda_runtime::Error;
use hookledger_aws::serve;

fn main() -> Result<(), Error> {
    serve::run(serve::reconciler())
}
