//! The ledger contract, against DynamoDB's adapter on the local stack's engine. Runs only by name, with a stack up:
//!
//! ```sh
//! cargo xtask up
//! cargo test -p hookledger-tests --test contract_ministack
//! ```
//!
//! Every case creates a table of its own and deletes it, whether it passes or fails.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;

use hookledger_aws::ports::ledger::{DynamoLedger, schema};
use hookledger_tests::dynamo::{Endpoint, RETENTION_DAYS, runtime};

/// Names another stack's description than the one in `target/local`.
const STACK_VARIABLE: &str = "HOOKLEDGER_STACK_JSON";

fn engine(case: impl AsyncFnOnce(&DynamoLedger)) {
    let client = endpoint().client();
    let table = format!("ledger-contract-{}", random_suffix());
    let runtime = runtime();
    runtime.block_on(schema::create_table(&client, &table)).expect("the stack creates a table");
    let ledger = DynamoLedger::new(client.clone(), &table, RETENTION_DAYS);
    let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(case(&ledger))));
    let deleted = runtime.block_on(client.delete_table().table_name(&table).send());
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
    deleted.expect("the stack deletes the table");
}

/// The engine that the stack's description names.
fn endpoint() -> Endpoint {
    let path = std::env::var_os(STACK_VARIABLE).map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/local/stack.json")),
        PathBuf::from,
    );
    let json = std::fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("no stack is described at {}: {error}. Start one with `cargo xtask up`.", path.display())
    });
    let stack: serde_json::Value = serde_json::from_str(&json).expect("the stack's description is JSON");
    let text = |name: &str| {
        stack[name].as_str().unwrap_or_else(|| panic!("{name} is missing in {}", path.display())).to_string()
    };
    Endpoint {
        url: text("endpoint"),
        region: text("region"),
        access_key_id: text("access_key_id"),
        secret_access_key: text("secret_access_key"),
    }
}

/// Keeps the tables of runs and cases apart.
fn random_suffix() -> String {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("random bytes");
    hex::encode(bytes)
}

hookledger_tests::ledger_contract!(super::engine);
