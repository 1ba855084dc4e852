//! The project's own commands: `cargo xtask <command>`.
//!
//! ```text
//! main ─ run ───┐
//!      ├ stack ─┴ setup: venv ─ build ─ sandbox ─ ministack ─ deploy ─ secrets
//!      ├ preflight       (asks an AWS account what is in the way of a first deployment)
//!      ├ package         (ship: builds the functions as they ship; then checks them and packs them with the template)
//!      ├ hour            (brings the stack up for random hours)
//!      ├ crash           (brings the stack up to break it under load)
//!      ├ restart         (stops the emulator and starts it again)
//!      ├ provider new    (begins a provider, and lists what it lacks)
//!      ├ second          (deploys a second stack beside the one that is up, or deletes it)
//!      ├ simulate        (builds and runs the simulation)
//!      ├ catch-up        (builds and runs the measurement)
//!      ├ bench-core      (builds the core path as it ships, and measures it)
//!      ├ skew            (builds and runs the count of events on partitions)
//!      ├ fuzz            (builds and runs the fuzz targets)
//!      ├ bench, cost     (ship: builds the functions as they ship; measures them; what a million events cost)
//!      ├ test            (brings the stack up for the end-to-end suite; browser: the operator's page in chromium)
//!      └ check           fmt clippy doc layering inventory abilities threats links profile template supply-chain
//! ```
//!
//! Every child runs in a process group of its own, under a time limit, so that nothing hangs and nothing is left
//! behind.

mod bench;
mod browser;
mod build;
mod catch_up;
mod check;
mod crash;
mod fuzz;
mod hour;
mod http;
mod measure;
mod package;
mod preflight;
mod previous;
mod process;
mod project;
mod provider;
mod providers;
mod run;
mod ship;
mod simulate;
mod stack;
mod test;
mod venv;

use build::Code;
use clap::{Parser, Subcommand};
use process::job;
use stack::{commands, ministack, second};
use std::process::ExitCode;

/// The exit code a shell gives a command that ctrl-c ended.
const INTERRUPTED: u8 = 130;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "The project's own commands")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Set up the local stack, play the story on it, and stay up until ctrl-c
    Run {
        /// Stop as soon as the story has been played; the exit code is the story's
        #[arg(long)]
        once: bool,
        /// Run what `package` makes for this machine's processor, deployed from its own template
        #[arg(long)]
        packaged: bool,
        /// Have the sandbox send its forged deliveries as genuine ones, to see the story fail
        #[arg(long)]
        no_forging: bool,
    },
    /// Bring the local stack up in the background
    Up {
        /// Run what `package` makes for this machine's processor, deployed from its own template
        #[arg(long)]
        packaged: bool,
    },
    /// End the local stack that `up` started
    Down,
    /// Say whether the local stack is up and healthy (exit code 0 only then)
    Status,
    /// Stop the emulator of the stack that is up, and start it again with what it saved
    Restart,
    /// Make a folder that the SAM CLI alone can deploy: the functions as they ship, checked, and their template
    Package {
        /// The processor that the functions will run on
        #[arg(long, value_enum, default_value_t = ship::Arch::Arm64)]
        arch: ship::Arch,
    },
    /// Look at an AWS account before the first deployment: limits, rights, what is in the way. Changes nothing
    Preflight(preflight::Account),
    /// A second stack on the emulator of the stack that is up, to delete and to make again
    Second {
        #[command(subcommand)]
        act: second::Act,
    },
    /// Begin a provider
    Provider {
        #[command(subcommand)]
        act: provider::Act,
    },
    /// Run the tests
    Test {
        #[arg(value_enum, default_value_t = test::Suite::All)]
        suite: test::Suite,
    },
    /// Play random hours of all four providers on the local stack, and compare the ledger with what happened
    Hour(hour::Hours),
    /// Kill functions, restart the emulator and refuse the table on the local stack, under load, and compare
    Crash(crash::Crashes),
    /// Run the flows in a simulated world that goes wrong everywhere, over many seeds
    Simulate(simulate::Seeds),
    /// Measure how soon the reconciler catches up with many debts, for several numbers of runs a minute
    CatchUp(catch_up::Wanted),
    /// Measure what the core path costs: from a delivery's bytes to the put, beside its floor
    BenchCore,
    /// Count how evenly events fall onto the partitions of table and indexes
    Skew,
    /// Feed everything that reads what others write with inputs nobody should send
    Fuzz(fuzz::Fuzz),
    /// Measure the functions as they ship, beside the least they could take and beside Python and Node.js
    Bench(bench::Wanted),
    /// Say what a million events cost (exit code 1 above the target); with `--events N` what a month of N does
    Cost {
        /// `--events N`, and for a hundred of them `--again`, `--refused`, `--found`; `--kept-days`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        asked: Vec<String>,
    },
    /// Run the checks that need no stack
    Check {
        /// One check alone; all of them when left out
        #[arg(value_enum)]
        part: Option<check::Part>,
    },
}

fn main() -> ExitCode {
    let outcome = job::listen_for_interrupts().and_then(|()| dispatch(Cli::parse().command));
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(if job::interrupted() { INTERRUPTED } else { 1 })
        }
    }
}

fn dispatch(command: Command) -> anyhow::Result<u8> {
    let project = project::Project::find()?;
    match command {
        Command::Run { once, packaged, no_forging } => run::run(&project, Code::of(packaged), once, no_forging),
        Command::Up { packaged } => commands::up(&project, Code::of(packaged)),
        Command::Down => commands::down(&project),
        Command::Status => commands::status(&project),
        Command::Restart => ministack::restart(&project),
        Command::Preflight(account) => preflight::run(&project, &account),
        Command::Second { act } => second::run(&project, &act),
        Command::Provider { act } => provider::run(&project, &act),
        Command::Package { arch } => package::run(&project, arch),
        Command::Test { suite } => test::run(&project, suite),
        Command::Hour(hours) => hour::run(&project, &hours),
        Command::Crash(crashes) => crash::run(&project, &crashes),
        Command::Simulate(seeds) => simulate::run(&project, &seeds),
        Command::CatchUp(wanted) => catch_up::run(&project, &wanted),
        Command::BenchCore => measure::core_path(&project),
        Command::Skew => measure::skew(&project),
        Command::Fuzz(fuzz) => fuzz::run(&project, &fuzz),
        Command::Bench(wanted) => bench::run(&project, &wanted),
        Command::Cost { asked } => bench::cost(&project, &asked),
        Command::Check { part } => check::run(&project, part),
    }
}
