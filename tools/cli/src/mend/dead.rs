//! `dead`: the messages that nobody could work on. An entry or an expectation is owed whatever becomes of its message; a
//! delivery that could not be stored is nowhere else. No body and no token is shown.

use std::collections::BTreeMap;

use anyhow::Context as _;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};
use clap::{Args, Subcommand};
use hookledger_aws::AwsInbox;
use hookledger_core::model::debt::Debt;
use hookledger_core::model::identity::ItemKey;
use hookledger_core::model::job::Job;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{Clock as _, Desk as _};
use serde_json::{Value, json};

use crate::out::{self, Ended, Format};
use crate::stack::{Stack, why_not};

const COLUMNS: [&str; 7] = ["id", "sent_at", "job", "provider", "subject", "entry", "state"];
/// How long a message that is looked at is nobody else's, in seconds. It is given back at the end.
const HELD_SECS: i32 = 60;
/// Messages of one call, which SQS sets.
const AT_ONCE: i32 = 10;
/// Calls in a row that bring nothing new before the queue is taken to be read: a call asks some of SQS's servers only.
const EMPTY_CALLS: usize = 3;

/// What the command is told.
#[derive(Args)]
pub(crate) struct Dead {
    #[command(subcommand)]
    order: Order,
    /// The most messages looked at.
    #[arg(long, global = true, default_value_t = 1000)]
    limit: usize,
}

#[derive(Subcommand)]
enum Order {
    /// Lists them.
    #[command(after_help = "Example: hookledger dead list")]
    List,
    /// Sends them again to the queue that they came from.
    #[command(after_help = "Example: hookledger dead redrive --yes")]
    Redrive(Which),
    /// Deletes them: those that are named, or all whose entry or expectation does not need them. A delivery that could not be
    /// stored is deleted only where it is named.
    #[command(after_help = "Example: hookledger dead drop --yes")]
    Drop(Which),
}

#[derive(Args)]
struct Which {
    /// Of these messages alone, as `dead list` names them.
    ids: Vec<String>,
    /// Do it. Without it the messages are shown, and nothing is done.
    #[arg(long)]
    yes: bool,
    /// Why, for whoever reads the rows that they point to later.
    #[arg(long, value_name = "TEXT", value_parser = super::why)]
    why: Option<String>,
}

/// The queues of the stack that no provider works for.
struct Queues {
    dead: String,
    rescue: Option<String>,
}

/// A dead letter, held.
struct Letter {
    id: String,
    receipt: String,
    body: String,
    sent_at: Option<UnixMs>,
    job: Option<Job>,
    /// How its row stands; none where there is no row.
    state: Option<String>,
}

/// Lists, sends again, or deletes.
pub(crate) async fn run(stack: &Stack, format: Format, dead: &Dead) -> anyhow::Result<Ended> {
    let inbox = stack.inbox()?;
    let queues = queues(stack).await?;
    let (letters, more) = take(stack, &inbox, &queues.dead, dead.limit).await?;
    let done = act(stack, &inbox, format, &dead.order, (&queues, &letters)).await;
    for letter in &letters {
        // Given back. One that was deleted is not there any more, which is no news.
        let back =
            stack.clients.sqs.change_message_visibility().queue_url(&queues.dead).receipt_handle(&letter.receipt);
        let _ = back.visibility_timeout(0).send().await;
    }
    if more {
        out::note(format!("{} looked at, there may be more: --limit", letters.len()));
    }
    done
}

async fn act(
    stack: &Stack,
    inbox: &AwsInbox,
    format: Format,
    order: &Order,
    (queues, all): (&Queues, &[Letter]),
) -> anyhow::Result<Ended> {
    let (Order::Redrive(which) | Order::Drop(which)) = order else {
        format.rows(&COLUMNS, &all.iter().map(Letter::shown).collect::<Vec<_>>(), None);
        out::note(format!("{} dead letters", all.len()));
        if let Some(rescue) = &queues.rescue {
            out::note(format!("about {} deliveries wait on the rescue queue", depth(stack, rescue).await?));
        }
        return Ok(Ended::Well);
    };
    let drops = matches!(order, Order::Drop(_));
    let letters: Vec<&Letter> = all
        .iter()
        .filter(
            |letter| if which.ids.is_empty() { !drops || letter.is_spare() } else { which.ids.contains(&letter.id) },
        )
        .collect();
    if letters.is_empty() {
        out::note(format!("none of the {} dead letters fits", all.len()));
        return Ok(Ended::NotFound);
    }
    if !which.yes {
        format.rows(&COLUMNS, &letters.iter().map(|letter| letter.shown()).collect::<Vec<_>>(), None);
        let lost = letters.iter().filter(|letter| drops && matches!(letter.job, Some(Job::Rescue { .. }))).count();
        if lost > 0 {
            out::note(format!("{lost} of them are deliveries that are kept nowhere else"));
        }
        out::note(format!("Nothing was done: --yes {} these", if drops { "deletes" } else { "sends" }));
        return Ok(Ended::Well);
    }
    let by = stack.order(which.why.clone()).await?;
    let what = if drops { "dead drop" } else { "dead redrive" };
    let (mut rows, mut failed) = (Vec::new(), 0);
    for letter in letters {
        let done = async {
            // First, so that no message goes without a trace. Where it points to no row, there is none.
            if let Some(key) = letter.key() {
                inbox.ledger.mark(key, &by.act(what, inbox.clock.now())).await?;
            }
            match drops {
                true => delete(stack, queues, letter).await.map(|()| "deleted"),
                false => redrive(stack, queues, letter).await.map(|()| "sent again"),
            }
        };
        let outcome = done.await;
        failed += usize::from(outcome.is_err());
        let words = outcome.map_or_else(|error| format!("{error:#}"), ToString::to_string);
        rows.push(json!({ "id": letter.id, "job": letter.kind(), "outcome": words }));
    }
    format.rows(&["id", "job", "outcome"], &rows, None);
    out::note(format!("{} done, {failed} failed", rows.len() - failed));
    Ok(Ended::of_several(rows.len(), failed, 0))
}

/// The dead-letter queue is where a work queue's messages end; whose messages end there too, and is no work queue, is the
/// rescue queue.
async fn queues(stack: &Stack) -> anyhow::Result<Queues> {
    let urls = stack.env.queue_urls()?;
    let work = urls.values().next().context("this stack has no queue")?;
    let arn = attribute(stack, work, QueueAttributeName::RedrivePolicy, "deadLetterTargetArn").await?;
    let arn = arn.as_ref().and_then(Value::as_str).context("the work queue has no dead-letter queue")?;
    let dead = url_of(stack, arn).await?;
    let sources = attribute(stack, &dead, QueueAttributeName::RedriveAllowPolicy, "sourceQueueArns").await?;
    let names: Vec<&str> = urls.values().filter_map(|url| url.rsplit('/').next()).collect();
    let is_rescue = |arn: &&str| arn.rsplit(':').next().is_some_and(|name| !names.contains(&name));
    let sources = sources.as_ref().and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let rescue = match sources.iter().filter_map(Value::as_str).find(is_rescue) {
        Some(arn) => Some(url_of(stack, arn).await?),
        None => None,
    };
    Ok(Queues { dead, rescue })
}

/// A field of a queue's attribute that holds JSON.
async fn attribute(stack: &Stack, url: &str, name: QueueAttributeName, field: &str) -> anyhow::Result<Option<Value>> {
    let asked = stack.clients.sqs.get_queue_attributes().queue_url(url).attribute_names(name.clone()).send().await;
    let attributes = asked.map_err(|error| anyhow::anyhow!("{}", why_not(&error)))?.attributes.unwrap_or_default();
    let policy: Option<Value> = attributes.get(&name).and_then(|text| serde_json::from_str(text).ok());
    Ok(policy.and_then(|mut policy| policy.get_mut(field).map(Value::take)))
}

async fn url_of(stack: &Stack, arn: &str) -> anyhow::Result<String> {
    let name = arn.rsplit(':').next().unwrap_or_default();
    let asked = stack.clients.sqs.get_queue_url().queue_name(name).send().await;
    let url = asked.map_err(|error| anyhow::anyhow!("{}", why_not(&error)))?.queue_url;
    url.with_context(|| format!("there is no queue {name}"))
}

/// How many messages about wait on the dead-letter queue and on the rescue queue.
pub(crate) async fn waiting(stack: &Stack) -> anyhow::Result<(u64, u64)> {
    let queues = queues(stack).await?;
    let rescue = match &queues.rescue {
        Some(url) => depth(stack, url).await?,
        None => 0,
    };
    Ok((depth(stack, &queues.dead).await?, rescue))
}

async fn depth(stack: &Stack, url: &str) -> anyhow::Result<u64> {
    let name = QueueAttributeName::ApproximateNumberOfMessages;
    let asked = stack.clients.sqs.get_queue_attributes().queue_url(url).attribute_names(name.clone()).send().await;
    let attributes = asked.map_err(|error| anyhow::anyhow!("{}", why_not(&error)))?.attributes.unwrap_or_default();
    attributes.get(&name).and_then(|text| text.parse().ok()).context("the queue does not say how many wait")
}

/// Takes the queue's messages to look at, and says whether there may be more.
async fn take(stack: &Stack, inbox: &AwsInbox, url: &str, limit: usize) -> anyhow::Result<(Vec<Letter>, bool)> {
    let mut found: BTreeMap<String, Letter> = BTreeMap::new();
    let mut empty = 0;
    while empty < EMPTY_CALLS && found.len() < limit {
        let call = stack.clients.sqs.receive_message().queue_url(url).max_number_of_messages(AT_ONCE);
        let call = call.message_system_attribute_names(MessageSystemAttributeName::SentTimestamp);
        let answer = call.visibility_timeout(HELD_SECS).send().await;
        let messages = answer.map_err(|error| anyhow::anyhow!("{}", why_not(&error)))?.messages.unwrap_or_default();
        let before = found.len();
        found.extend(messages.into_iter().filter_map(Letter::of).map(|letter| (letter.id.clone(), letter)));
        empty = if found.len() == before { empty + 1 } else { 0 };
    }
    let mut letters: Vec<Letter> = found.into_values().collect();
    letters.sort_by_key(|letter| std::cmp::Reverse(letter.sent_at));
    let keys: Vec<ItemKey> = letters.iter().filter_map(|letter| letter.key().cloned()).collect();
    let known = inbox.ledger.look_at(&keys).await?;
    for letter in &mut letters {
        letter.state = letter.key().and_then(|key| known.get(key)).map(|row| match row {
            Ok(Debt::Entry(entry)) => entry.state.as_str().to_string(),
            Ok(Debt::Expectation(expectation)) => expectation.state.as_str().to_string(),
            Ok(Debt::Listing(_)) => "a list".to_string(),
            Err(error) => error.to_string(),
        });
    }
    let more = letters.len() >= limit;
    Ok((letters, more))
}

/// Sends a message to where it came from, and deletes it then: a kill in between doubles it, which does no harm.
async fn redrive(stack: &Stack, queues: &Queues, letter: &Letter) -> anyhow::Result<()> {
    let url = match &letter.job {
        None => anyhow::bail!("it is no job of this version: `dead drop {}` deletes it", letter.id),
        Some(Job::Rescue { .. }) => queues.rescue.clone().context("this stack has no rescue queue")?,
        Some(job) => {
            let urls = stack.env.queue_urls()?;
            urls.get(job.provider()).cloned().with_context(|| format!("{} has no queue here", job.provider()))?
        }
    };
    let sent = stack.clients.sqs.send_message().queue_url(url).message_body(&letter.body).send().await;
    sent.map_err(|error| anyhow::anyhow!("{}", why_not(&error)))?;
    delete(stack, queues, letter).await
}

async fn delete(stack: &Stack, queues: &Queues, letter: &Letter) -> anyhow::Result<()> {
    let call = stack.clients.sqs.delete_message().queue_url(&queues.dead).receipt_handle(&letter.receipt);
    call.send().await.map(drop).map_err(|error| anyhow::anyhow!("{}", why_not(&error)))
}

impl Letter {
    fn of(message: Message) -> Option<Self> {
        let sent = message.attributes.as_ref()?.get(&MessageSystemAttributeName::SentTimestamp);
        let sent_at = sent.and_then(|text| text.parse().ok()).map(UnixMs);
        let body = message.body?;
        let job = Job::parse(&body).ok();
        Some(Self { id: message.message_id?, receipt: message.receipt_handle?, body, sent_at, job, state: None })
    }

    /// The row it points to.
    fn key(&self) -> Option<&ItemKey> {
        match self.job.as_ref()? {
            Job::Entry { key, .. } | Job::Poll { key, .. } => Some(key),
            Job::Rescue { .. } => None,
        }
    }

    fn kind(&self) -> &'static str {
        match self.job {
            Some(Job::Entry { .. }) => "entry",
            Some(Job::Poll { .. }) => "poll",
            Some(Job::Rescue { .. }) => "delivery",
            None => "no job",
        }
    }

    /// Whether nothing is lost with it: what it points to is owed by its row, or is settled.
    fn is_spare(&self) -> bool {
        self.key().is_some()
    }

    fn shown(&self) -> Value {
        let key = self.key();
        json!({
            "id": self.id,
            "sent_at": self.sent_at.map(|at| at.to_string()),
            "job": self.kind(),
            "provider": self.job.as_ref().map(Job::provider),
            "subject": key.map(|key| &key.pk),
            "entry": key.map(|key| &key.sk),
            "state": self.state,
            "bytes": self.body.len(),
        })
    }
}
