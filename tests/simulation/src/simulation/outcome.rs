//! What came of one seed, and the sum over many.

/// What came of one seed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// Port calls made.
    pub port_calls: u64,
    /// Invocations killed, those that ran into their time limit included.
    pub kills: u64,
    /// True events that wait for a person at the end.
    pub parked: u64,
    /// Entries at the end.
    pub entries: u64,
    /// How often the providers' circuits moved: opened, probed, closed.
    pub circuit_moves: u64,
    /// Messages that AWS did not hand over, because a worker's own messages had followed each other for too long.
    pub cut: u64,
    /// Deliveries that were rescued while there was no table.
    pub rescued: u64,
    /// The most calls to a provider's API that one post of an attacker's caused: answered, and met by trouble.
    pub most_calls: (u64, u64),
    /// What went wrong: the invariant's name, and what broke it.
    pub violations: Vec<(&'static str, String)>,
    /// What happened, a line for each event; empty unless asked for.
    pub history: Vec<String>,
}

/// The sum over many seeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Seeds run.
    pub seeds: u64,
    /// Port calls made.
    pub port_calls: u64,
    /// Invocations killed.
    pub kills: u64,
    /// Violations found.
    pub violations: u64,
    /// Entries written.
    pub entries: u64,
    /// Entries that waited for a person at the end.
    pub parked: u64,
    /// How often circuits moved.
    pub circuit_moves: u64,
    /// Messages that AWS did not hand over.
    pub cut: u64,
    /// Deliveries that were rescued.
    pub rescued: u64,
    /// The most calls that one post caused.
    pub most_calls: (u64, u64),
}

impl Totals {
    /// Adds one seed.
    pub fn add(&mut self, outcome: &Outcome) {
        self.seeds += 1;
        self.port_calls += outcome.port_calls;
        self.kills += outcome.kills;
        self.violations += outcome.violations.len() as u64;
        self.entries += outcome.entries;
        self.parked += outcome.parked;
        self.circuit_moves += outcome.circuit_moves;
        self.cut += outcome.cut;
        self.rescued += outcome.rescued;
        let (answered, troubled) = outcome.most_calls;
        self.most_calls = (self.most_calls.0.max(answered), self.most_calls.1.max(troubled));
    }
}

impl std::fmt::Display for Totals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { seeds, port_calls, kills, violations, .. } = self;
        write!(f, "{seeds} seeds, {port_calls} port calls, {kills} kills, {violations} violations")
    }
}
