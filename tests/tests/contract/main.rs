//! The ledger contract, against the ledger in memory and against DynamoDB's adapter on an engine in this process.

/// The ledger that the simulation runs on.
mod memory {
    use hookledger_tests::memory::{MemoryLedger, run};

    fn engine(case: impl AsyncFnOnce(&MemoryLedger)) {
        run(case(&MemoryLedger::default()));
    }

    hookledger_tests::ledger_contract!(super::engine);
}

/// The ledger that ships, on dynoxide: DynamoDB's semantics over SQLite in memory, reached through the real SDK.
mod dynoxide {
    use hookledger_aws::ports::ledger::DynamoLedger;
    use hookledger_tests::dynamo::{RETENTION_DAYS, TABLE, in_process, runtime};

    fn engine(case: impl AsyncFnOnce(&DynamoLedger)) {
        runtime().block_on(async {
            // It ends with the runtime.
            case(&DynamoLedger::new(in_process().await, TABLE, RETENTION_DAYS)).await;
        });
    }

    hookledger_tests::ledger_contract!(super::engine);
}

/// What DynamoDB bills for the adapter's writes.
mod write_units;
