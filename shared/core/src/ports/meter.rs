//! What is counted.

use crate::model::identity::ProviderId;

macro_rules! metrics {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What is counted. The names are those of the published metrics.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Metric {
            $($(#[$doc])* $name,)*
        }

        impl Metric {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The published name.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

metrics! {
    /// A verified, new event was written.
    DeliveriesReceived,
    /// An event was first seen by asking the provider: its webhook is late, or lost.
    EventsFound,
    /// Of those, its webhook came after all.
    EventsLate,
    /// Not let in.
    DeliveriesRefused,
    /// Known already.
    DeliveriesDuplicate,
    /// Verified, but not readable: parked or rejected.
    DeliveriesUnreadable,
    /// No live secret, or the secret could not be read.
    Unconfigured,
    /// Settled.
    EntriesSettled,
    /// How long a pushed event took from its receipt to that, in milliseconds.
    SettleMs,
    /// Given to a person.
    EntriesParked,
    /// Entries that wait for a person now.
    EntriesWaiting,
    /// An attempt failed and will be made again, or its message could not be sent.
    WorkFailed,
    /// A completion never came, in time, by any way.
    ExpectationsExpired,
    /// The age of the oldest debt that was due, in seconds.
    OldestDebtSecs,
    /// A reconciler run ended.
    ReconcilerRuns,
    /// Debts found due.
    DebtsDue,
    /// A read or write of the table failed.
    StoreUnavailable,
    /// Providers whose circuit is open.
    CircuitsOpen,
    /// A delivery was put on the queue because the store was down.
    Rescued,
    /// A provider's audit shows a delivery that never reached us.
    DeliveriesLost,
    /// A request below `/webhooks/` that is no delivery: another method, or no provider's path.
    RequestsUnrouted,
    /// Another content came under an identity that is known: the first stands, the other is kept beside it.
    DeliveriesConflicting,
    /// Of a type that is not known here: kept, and nothing is done for it.
    DeliveriesIgnored,
    /// Rows of a provider's answer that could not be read.
    RowsUnreadable,
}

/// Where counts go.
pub trait Meter {
    /// Counts `value` of `metric`, for one provider or for all.
    fn count(&self, metric: Metric, provider: Option<ProviderId>, value: u64);
}
