//! The inbox as it runs on AWS.

use hookledger_core::model::settings::Timing;
use hookledger_core::ports::Inbox;

use crate::ports::clock::SystemClock;
use crate::ports::ledger::DynamoLedger;
use crate::ports::meter::EmfMeter;
use crate::ports::queue::SqsQueues;
use crate::start::clients::Clients;
use crate::start::env::{Env, EnvError};

/// What every flow needs, on AWS.
pub struct AwsInbox {
    /// The table.
    pub ledger: DynamoLedger,
    /// The work queues, and the rescue queue.
    pub queue: SqsQueues,
    /// Time and chance.
    pub clock: SystemClock,
    /// The counts.
    pub meter: EmfMeter,
    /// The waits and limits.
    pub timing: Timing,
}

impl AwsInbox {
    /// The inbox that the environment describes.
    pub fn new(env: &Env, clients: &Clients) -> Result<Self, EnvError> {
        Ok(Self {
            ledger: DynamoLedger::new(clients.dynamodb.clone(), &env.table, env.timing.retention_days)
                .listing(env.recent),
            queue: SqsQueues::new(clients.sqs.clone(), env.queue_urls()?, env.rescue_url()),
            clock: SystemClock::new(),
            meter: EmfMeter::new(&env.stack),
            timing: env.timing.clone(),
        })
    }
}

impl Inbox for AwsInbox {
    type Ledger = DynamoLedger;
    type Queue = SqsQueues;
    type Clock = SystemClock;
    type Meter = EmfMeter;

    fn ledger(&self) -> &DynamoLedger {
        &self.ledger
    }

    fn queue(&self) -> &SqsQueues {
        &self.queue
    }

    fn clock(&self) -> &SystemClock {
        &self.clock
    }

    fn meter(&self) -> &EmfMeter {
        &self.meter
    }

    fn timing(&self) -> &Timing {
        &self.timing
    }
}
