//! The world of the flow tests, with the ledger that ships in it.

use aws_sdk_dynamodb::Client;
use hookledger_aws::ports::ledger::DynamoLedger;
use hookledger_core::model::settings::Timing;
use hookledger_core::ports::Inbox;

use crate::dynamo::{RETENTION_DAYS, TABLE};
use crate::memory::{FixedClock, MemoryQueue, RecordingMeter};
use crate::town::Town;

/// A town whose ledger is the adapter, over a real engine.
pub struct OnDynamo {
    /// Everything else, in memory.
    pub town: Town,
    ledger: DynamoLedger,
}

impl OnDynamo {
    /// A town over a table that is there.
    pub fn over(client: &Client, town: Town) -> Self {
        Self { town, ledger: DynamoLedger::new(client.clone(), TABLE, RETENTION_DAYS) }
    }
}

impl Inbox for OnDynamo {
    type Ledger = DynamoLedger;
    type Queue = MemoryQueue;
    type Clock = FixedClock;
    type Meter = RecordingMeter;

    fn ledger(&self) -> &DynamoLedger {
        &self.ledger
    }

    fn queue(&self) -> &MemoryQueue {
        &self.town.inbox.queue
    }

    fn clock(&self) -> &FixedClock {
        &self.town.inbox.clock
    }

    fn meter(&self) -> &RecordingMeter {
        &self.town.inbox.meter
    }

    fn timing(&self) -> &Timing {
        &self.town.inbox.timing
    }
}
