//! `hookledger`: what a person asks of the ledger, what they may tell it (try again, look again at what was refused), and
//! the set-up of the providers' side.
//!
//! ```text
//! see      status events find show story owed parked refused stats export
//! mend     replay close dead erase, refused reverify              stack  which stack, and how it is reached
//! announce expect put get cancel list import                     help   completions, man
//! set up   doctor, secret, send, <provider> …, submit, listen
//! ```
//!
//! What was asked for goes to standard output, as a table or as JSON; everything else to standard error. Bodies are shown
//! only where they are asked for, secrets never.

mod announce;
mod console;
mod doctor;
mod document;
mod manual;
mod mend;
mod out;
mod refused;
mod said;
mod samples;
mod see;
mod secret;
mod send;
mod setup;
mod stack;
mod submit;
mod when;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use hookledger_core::providers::Providers;

use crate::out::{Ended, Format};
use crate::stack::{Stack, Where};

/// Looks into the ledger, and mends what waits for a person.
#[derive(Parser)]
#[command(
    name = "hookledger",
    version,
    after_help = "Examples: hookledger --stack hookledger status\n          \
                  hookledger --stack hookledger find batch-7 -o json\n\n\
                  Exit codes: 0 well, 1 failed, 2 typed wrongly, 3 not found, 4 something needs a person, 5 done in part"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    place: Where,
    /// The form of what is shown.
    #[arg(short, long, global = true, value_enum, default_value_t)]
    output: Format,
}

#[derive(Subcommand)]
enum Command {
    /// Is it well, and what waits for me? Ends with 4 where something needs a person.
    #[command(after_help = "Example: hookledger --stack hookledger status -o json")]
    Status,
    /// Lists what came in, the latest first.
    #[command(
        after_help = "Examples: hookledger events --provider finbox --state parked --since 2h\n          hookledger events --follow -o jsonl"
    )]
    Events(see::events::Order),
    /// Looks for an id, as the provider writes it, among all kinds of subjects.
    #[command(after_help = "Example: hookledger find batch-7")]
    Find {
        /// The id of a batch, a merchant, an entity, a link, an event.
        id: String,
    },
    /// Tells all that is known about a subject.
    #[command(after_help = "Example: hookledger story rightfoot#batch#b1")]
    Story {
        /// The subject: the partition key, as `find` and the lists show it.
        subject: String,
    },
    /// Shows one entry: how it came, how it stands, what was published.
    #[command(after_help = "Example: hookledger show rightfoot#batch#b1 event#BALANCE_BATCH_COMPLETED#b1")]
    Show(see::show::Which),
    /// Everything that is kept about a subject, with bodies and documents, as one JSON document. That you took it is
    /// written down.
    #[command(after_help = "Example: hookledger export 'finbox#entity#e1' --why 'auditor, case 12' > e1.json")]
    Export {
        /// The subject: the partition key, as `find` and the lists show it.
        subject: String,
        /// Why, for whoever asks later.
        #[arg(long, value_name = "TEXT", value_parser = mend::why)]
        why: Option<String>,
    },
    /// Lists what is to be done, and when: entries, expectations, lists.
    #[command(after_help = "Example: hookledger owed --provider finbox --late")]
    Owed(see::owed::Which),
    /// Lists what waits for a person, and why: parked entries, and expectations that expired.
    #[command(after_help = "Example: hookledger parked --provider rightfoot --reason 'answered 422'")]
    Parked {
        #[command(flatten)]
        which: see::parked::Which,
        /// The most rows shown.
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Lists the deliveries that were refused on a UTC day, of one provider or of all, and sums them up; or verifies them
    /// again. Bodies and headers stay hidden.
    #[command(after_help = "Example: hookledger refused finbox --day 2026-11-27")]
    Refused(refused::Refused),
    /// Counts what came in, what was found by asking, what was refused, and how long it took.
    #[command(after_help = "Example: hookledger stats --since 7d --by day")]
    Stats(see::stats::Wanted),
    /// Opens parked entries again and sends their work: one, or all that a filter finds.
    #[command(after_help = "Example: hookledger replay --provider rightfoot --reason 'answered 422' --yes --wait 60")]
    Replay(mend::replay::Order),
    /// Ends what waits for a person, entries and expired expectations: nothing is to be done for it.
    #[command(
        after_help = "Example: hookledger close --provider fynapse --type delivery.lost --why 'asked them: never was' --yes"
    )]
    Close(mend::close::Order),
    /// Erases a subject: its rows, bodies and documents. The identity of each event stays, so that no redelivery brings it
    /// back.
    #[command(after_help = "Example: hookledger erase 'finbox#entity#e1' --why 'asked to be forgotten, case 12' --yes")]
    Erase(mend::erase::Order),
    /// Lists the messages that nobody could work on, sends them again, or deletes them.
    #[command(after_help = "Example: hookledger dead redrive --yes")]
    Dead(mend::dead::Dead),
    /// Announces what is waited for, and shows how it stands.
    #[command(after_help = "Example: hookledger expect list --late")]
    Expect(announce::Expect),
    /// Serves the operator's page on this machine: the lists, each subject's story, and with --write
    /// replay, close, and a second look at what was refused.
    #[command(after_help = "Example: hookledger --stack hookledger console --write")]
    Console(console::Order),
    /// Looks whether what was set up can work.
    #[command(after_help = "Example: hookledger doctor")]
    Doctor(doctor::Doctor),
    /// Lists the secrets that prove deliveries, with their last use; adds one, or gives one an end.
    #[command(after_help = "Example: hookledger secret list")]
    Secret(secret::Secrets),
    /// Sends an event to the stack's own URL, signed as its provider signs: is the way in open, and shut to what is forged?
    ///
    /// The entry's row says that you sent it (`show`, `story`). What is published of it does not: consumers of the bus take it
    /// as real. Ends with 4 where --wait sees it parked, with 5 where its work is not done in time.
    #[command(after_help = "Example: hookledger send fynapse balance-extracted --wait")]
    Send(send::Sending),
    /// Sends a request to a provider and expects what it starts; `hookledger rightfoot submit FILE` is the same.
    #[command(after_help = "Example: hookledger submit rightfoot authorizers.json")]
    Submit(submit::Submit),
    /// Receives requests on this machine and shows them: what does a provider's test button send?
    ///
    /// The provider reaches it through a tunnel of yours. Shown are method, path (a token in it is masked), size and the names
    /// of the headers; bodies only with --body. Nothing is verified and nothing kept. Needs no stack.
    #[command(after_help = "Example: hookledger listen --port 8080 --count 1")]
    Listen(setup::listen::Listen),
    /// Prints the completions of a shell.
    #[command(
        after_help = "Example: hookledger completions bash > ~/.local/share/bash-completion/completions/hookledger"
    )]
    Completions(manual::Completions),
    /// Prints the manual, or writes a page of each command into a folder.
    #[command(after_help = "Example: hookledger man ~/.local/share/man/man1")]
    Man(manual::Man),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let ended = run().await.unwrap_or_else(|error| {
        out::error(format!("error: {error:#}"));
        out::ended_by(&error)
    });
    if ended != Ended::Well {
        said::all().iter().for_each(out::error);
    }
    ExitCode::from(ended as u8)
}

async fn run() -> anyhow::Result<Ended> {
    // For the names of the providers and of all their set-up commands, whatever the stack is told.
    let built_in = Providers::read(&|name| name.ends_with("_API_BASE_URL").then(|| "https://unset.invalid".into()));
    let typed = submit::reordered(std::env::args_os().collect());
    let whole = setup::add_to(Arguments::command(), &built_in);
    let matches = whole.clone().get_matches_from(typed);
    if let Some((name, matches)) = setup::of_provider(&built_in, &matches) {
        let stack = Stack::find(&Where::from_arg_matches(matches)?).await?;
        out::note(&stack.title);
        let output = matches.get_one("output").copied().unwrap_or_default();
        return setup::run(&stack, output, name, matches).await.map(|()| Ended::Well);
    }
    let Arguments { command, place, output } = Arguments::from_arg_matches(&matches)?;
    match &command {
        Command::Listen(order) => return setup::listen::run(output, order).await,
        Command::Completions(order) => return manual::completions(whole, order),
        Command::Man(order) => return manual::man(whole, order),
        _ => {}
    }
    let stack = Stack::find(&place).await?;
    // Whatever is shown, it is of this stack.
    out::note(&stack.title);
    match command {
        Command::Status => see::status::run(&stack, output).await,
        Command::Events(order) if order.follow => {
            see::follow::follow(&stack, output, &order).await.map(|()| Ended::Well)
        }
        Command::Events(order) => see::events::run(&stack, output, &order).await.map(|()| Ended::Well),
        Command::Find { id } => see::find::run(&stack, output, &id).await,
        Command::Story { subject } => see::story::run(&stack, output, &subject).await,
        Command::Show(which) => see::show::run(&stack, output, &which).await,
        Command::Export { subject, why } => see::export::run(&stack, &subject, why).await,
        Command::Owed(which) => see::owed::run(&stack, output, &which).await.map(|()| Ended::Well),
        Command::Parked { which, limit } => see::parked::run(&stack, output, &which, limit).await.map(|()| Ended::Well),
        Command::Refused(order) => refused::run(&stack, output, &order).await,
        Command::Stats(wanted) => see::stats::run(&stack, output, &wanted).await.map(|()| Ended::Well),
        Command::Replay(order) => mend::replay::run(&stack, output, &order).await,
        Command::Close(order) => mend::close::run(&stack, output, &order).await,
        Command::Erase(order) => mend::erase::run(&stack, output, &order).await,
        Command::Dead(order) => mend::dead::run(&stack, output, &order).await,
        Command::Send(order) => send::run(&stack, output, &order).await,
        Command::Submit(order) => submit::submit(&stack, output, &order).await.map(|()| Ended::Well),
        Command::Expect(order) => announce::run(&stack, output, &order).await,
        Command::Secret(order) => secret::run(&stack, output, &order).await,
        Command::Doctor(order) => doctor::run(&stack, output, &order).await,
        Command::Console(order) => console::run(stack, &order).await,
        Command::Listen(_) | Command::Completions(_) | Command::Man(_) => Ok(Ended::Well),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        let providers = Providers::read(&|_| None);
        setup::add_to(Arguments::command(), &providers).debug_assert();
    }

    #[test]
    fn each_command_has_an_example_that_can_be_typed() {
        fn look(command: &clap::Command, examples: &mut Vec<String>) {
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let lacks_one = command.get_about().is_some_and(|about| !about.to_string().starts_with("Has no"));
            assert!(after.contains("Example") || !lacks_one, "{} has no example", command.get_name());
            examples
                .extend(after.lines().filter_map(|line| line.split_once("hookledger ")).map(|(_, typed)| typed.into()));
            command.get_subcommands().for_each(|command| look(command, examples));
        }
        let providers =
            Providers::read(&|name| name.ends_with("_API_BASE_URL").then(|| "https://unset.invalid".into()));
        let (whole, mut examples) = (setup::add_to(Arguments::command(), &providers), Vec::new());
        look(&whole, &mut examples);
        assert!(examples.len() > 25, "{examples:?}");
        for example in examples {
            let typed = example.split(" > ").next().unwrap_or_default();
            // What stands between quotes is one word.
            let words = typed
                .split('\'')
                .zip([false, true].into_iter().cycle())
                .flat_map(|(part, is_quoted)| if is_quoted { vec![part] } else { part.split_whitespace().collect() });
            let words = std::iter::once("hookledger").chain(words);
            assert!(whole.clone().try_get_matches_from(words).is_ok(), "{example}");
        }
    }

    /// What the guides tell a person to type can be typed.
    #[test]
    fn the_commands_in_the_guides_can_be_typed() {
        let guides = [
            ("runbook", include_str!("../../../docs/runbook.md")),
            ("operate", include_str!("../../../docs/operate.md")),
            ("announcing", include_str!("../../../docs/announcing.md")),
            ("guides", include_str!("../../../docs/guides.md")),
        ];
        let providers =
            Providers::read(&|name| name.ends_with("_API_BASE_URL").then(|| "https://unset.invalid".into()));
        let whole = setup::add_to(Arguments::command(), &providers);
        let mut typed = 0;
        for (guide, text) in guides {
            let quoted = text.split('`').skip(1).step_by(2).filter_map(|code| code.strip_prefix("hookledger "));
            let prompts = text.lines().filter_map(|line| {
                line.split_once("hookledger ").filter(|(before, _)| before.starts_with("$ ") || before.is_empty())
            });
            for line in quoted.chain(prompts.map(|(_, rest)| rest)) {
                let line = line.split(" #").next().unwrap_or_default().split(" > ").next().unwrap_or_default();
                if line.contains('…') || line.contains('\n') || line.starts_with("· ") {
                    continue;
                }
                // What a person puts in for a word in angle brackets.
                let mut words: Vec<String> = Vec::new();
                for (part, is_quoted) in line.split('\'').zip([false, true].into_iter().cycle()) {
                    match is_quoted {
                        true => words.push(part.into()),
                        false => words.extend(placed(part).split_whitespace().map(String::from)),
                    }
                }
                let words: Vec<&str> = std::iter::once("hookledger").chain(words.iter().map(String::as_str)).collect();
                let typed_words = submit::reordered(words.iter().map(Into::into).collect());
                let read = whole.clone().try_get_matches_from(typed_words);
                // A text may speak of a command by its name alone.
                let is_name = words.iter().all(|word| word.chars().all(|c| c.is_ascii_lowercase()));
                assert!(read.is_ok() || is_name && is_incomplete(&read), "{guide}: {line}: {}", read.unwrap_err());
                typed += 1;
            }
        }
        assert!(typed > 60, "{typed}");
    }

    fn is_incomplete(read: &Result<clap::ArgMatches, clap::Error>) -> bool {
        use clap::error::ErrorKind::{
            DisplayHelpOnMissingArgumentOrSubcommand, MissingRequiredArgument, MissingSubcommand,
        };
        let kinds = [DisplayHelpOnMissingArgumentOrSubcommand, MissingRequiredArgument, MissingSubcommand];
        read.as_ref().is_err_and(|error| kinds.contains(&error.kind()))
    }

    /// The text with `rightfoot` for `<provider>` and a word for all else in angle brackets.
    fn placed(text: &str) -> String {
        let mut parts = text.split('<');
        let mut placed = parts.next().unwrap_or_default().to_string();
        for part in parts {
            let (name, rest) = part.split_once('>').unwrap_or((part, ""));
            let word = match name {
                "provider" => "rightfoot",
                "list" => "url_tokens",
                _ => "word",
            };
            placed.push_str(word);
            placed.push_str(rest);
        }
        placed
    }
}
