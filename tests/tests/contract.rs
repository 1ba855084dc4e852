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
    use dynoxide::Database;
    use hookledger_aws::dynamo::{DynamoLedger, schema};
    use hookledger_tests::dynamo::{Endpoint, RETENTION_DAYS, runtime};
    use tokio::net::TcpListener;

    fn engine(case: impl AsyncFnOnce(&DynamoLedger)) {
        runtime().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let url = format!("http://{}", listener.local_addr().expect("the port's number"));
            // It ends with the runtime.
            tokio::spawn(dynoxide::server::serve_on(listener, Database::memory().expect("an empty database")));
            let client = Endpoint::open(url).client();
            schema::create_table(&client, "ledger").await.expect("a table");
            case(&DynamoLedger::new(client, "ledger", RETENTION_DAYS)).await;
        });
    }

    hookledger_tests::ledger_contract!(super::engine);
}

/// What DynamoDB bills for the adapter's writes.
#[path = "contract/write_units.rs"]
mod write_units;
