//! The stack on this machine, from outside: what `cargo xtask up` wrote down of it, the ways to call it, and the ways
//! to look into it.

mod deliver;
mod http;
mod logs;
mod observe;
mod outcome;
mod role;
mod sandbox;
mod second;
mod stack;
mod table;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hookledger_aws::ports::ledger::DynamoLedger;
use hookledger_aws::start::clients::Clients;
use hookledger_aws::start::env::AwsEnv;
use hookledger_core::model::debt::Expectation;
use hookledger_core::model::entry::{Entry, State};
use hookledger_core::model::fact::Status;
use hookledger_core::model::identity::{ItemKey, Subject};
use hookledger_core::model::secret::Secret;
use hookledger_core::ports::{Entries, Expectations, Quarantine, Results};
use hookledger_core::providers::ALL;
use serde_json::{Value, json};

use crate::dynamo::tls;

pub use http::{Answered, Http, Post};
pub use observe::Observer;
pub use outcome::Outcome;
pub use sandbox::{Attempt, Sandbox};
pub use stack::Stack;

/// How long anything on the local stack may take to come about.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked for meanwhile.
const GLANCE: Duration = Duration::from_millis(250);
/// Longer than a function of this stack goes on with a secret it has read (`SecretsTtlSecs`, 5 here).
const SECRETS_FORGOTTEN_AFTER: Duration = Duration::from_secs(6);

/// The running local stack.
pub struct Local {
    /// What is written down of it.
    pub stack: Stack,
    /// Plain and signed HTTP.
    pub http: Http,
    /// The providers.
    pub sandbox: Sandbox,
    /// The ledger, read directly.
    pub ledger: DynamoLedger,
    /// What is published.
    pub observer: Observer,
    clients: Clients,
}

impl Local {
    /// Finds the running stack and starts listening on its event bus.
    pub async fn attach() -> Outcome<Self> {
        Self::attach_to(Stack::load()?).await
    }

    async fn attach_to(stack: Stack) -> Outcome<Self> {
        let http = Http::new(&stack);
        let aws = AwsEnv {
            region: stack.region.clone(),
            access_key_id: stack.access_key_id.clone(),
            secret_access_key: Secret::new(&stack.secret_access_key),
            session_token: None,
            endpoint_url: Some(stack.endpoint.clone()),
        };
        let clients = Clients::new(&aws, &tls());
        let observer = Observer::attach(&clients, &stack).await?;
        let ledger = DynamoLedger::new(clients.dynamodb.clone(), &stack.table, 400);
        let sandbox = Sandbox::new(http.clone(), &stack.sandbox_url);
        Ok(Self { stack, http, sandbox, ledger, observer, clients })
    }

    /// Runs the reconciler now, instead of at the next full minute.
    pub async fn reconcile(&self) -> Outcome<Value> {
        let name = self.stack.function("reconciler")?;
        let path = format!("/2015-03-31/functions/{name}/invocations");
        let answered = self.http.aws("lambda", "POST", &path, &[], b"{}".to_vec()).await?;
        answered.json()
    }

    /// Calls the expectations API, signed as IAM asks.
    pub async fn expect(&self, method: &str, provider: &str, reference: &str) -> Outcome<Answered> {
        let url = format!("{}/{provider}/{reference}", self.stack.expectations_url);
        self.http.signed("execute-api", method, &url, &[], Vec::new()).await
    }

    /// Denies a function an action, until [`Local::allow`]: the port behind it is down for that function alone.
    pub async fn deny(&self, function: &str, action: &str) -> Outcome<()> {
        let statement = json!({ "Effect": "Deny", "Action": action, "Resource": "*" });
        let document = json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string();
        self.role_policy(function, "PutRolePolicy", Some(&document)).await
    }

    /// Lets a function's role do more, until [`Local::allow`].
    pub async fn grant(&self, function: &str, actions: &[&str]) -> Outcome<()> {
        let statement = json!({ "Effect": "Allow", "Action": actions, "Resource": "*" });
        let document = json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string();
        self.role_policy(function, "PutRolePolicy", Some(&document)).await
    }

    /// Takes back what [`Local::deny`] or [`Local::grant`] did.
    pub async fn allow(&self, function: &str) -> Outcome<()> {
        self.role_policy(function, "DeleteRolePolicy", None).await
    }

    async fn role_policy(&self, function: &str, action: &str, document: Option<&str>) -> Outcome<()> {
        let arn = self.role_arn(function).await?;
        let role_name = arn.rsplit('/').next().unwrap_or_default();
        let mut form = format!("Action={action}&Version=2010-05-08&RoleName={role_name}&PolicyName=broken-for-a-test");
        if let Some(document) = document {
            form.push_str(&format!("&PolicyDocument={}", http::encoded(document)));
        }
        let header = [("content-type", "application/x-www-form-urlencoded")];
        self.http.aws("iam", "POST", "/", &header, form.into_bytes()).await?.expect(200).map(drop)
    }

    /// Puts any text on a provider's work queue.
    pub async fn send_message(&self, provider: &str, body: &str) -> Outcome<()> {
        let call = self.clients.sqs.send_message().queue_url(self.queue_url(provider)?).message_body(body);
        call.send().await.map(drop).map_err(|error| format!("{error:?}"))
    }

    fn queue_url(&self, provider: &str) -> Outcome<&str> {
        let url = self.stack.queue_urls.get(provider).map(String::as_str);
        url.ok_or_else(|| format!("{provider} has no queue"))
    }

    fn queues(&self) -> impl Iterator<Item = &String> {
        self.stack.queue_urls.values().chain([&self.stack.rescue_queue_url])
    }

    /// How many messages the work queues and the rescue queue hold: waiting, delayed, or in work.
    pub async fn depth(&self) -> Outcome<u64> {
        Ok(self.depths().await?.into_values().sum())
    }

    /// How many it holds that wait or are in work. Those that are delayed are for a later time.
    pub async fn depth_now(&self) -> Outcome<u64> {
        let depths = self.depths().await?;
        Ok(depths.into_iter().filter(|(name, _)| !name.ends_with("Delayed")).map(|(_, count)| count).sum())
    }

    /// How many messages one provider's queue holds that wait or are in work; those that are delayed, if asked for.
    pub async fn depth_of(&self, provider: &str, delayed: bool) -> Outcome<u64> {
        let depths = self.depths_of([self.queue_url(provider)?]).await?;
        Ok(depths.into_iter().filter(|(name, _)| delayed || !name.ends_with("Delayed")).map(|(_, count)| count).sum())
    }

    async fn depths(&self) -> Outcome<BTreeMap<String, u64>> {
        self.depths_of(self.queues().map(String::as_str)).await
    }

    async fn depths_of<'u>(&self, urls: impl IntoIterator<Item = &'u str>) -> Outcome<BTreeMap<String, u64>> {
        use aws_sdk_sqs::types::QueueAttributeName::All;
        let mut depths: BTreeMap<String, u64> = BTreeMap::new();
        for url in urls {
            let call = self.clients.sqs.get_queue_attributes().queue_url(url).attribute_names(All);
            let attributes = call.send().await.map_err(|error| format!("{error:?}"))?;
            let counts = attributes.attributes().into_iter().flatten();
            for (name, count) in counts.filter(|(name, _)| name.as_str().starts_with("ApproximateNumberOfMessages")) {
                *depths.entry(name.as_str().to_string()).or_default() += count.parse::<u64>().unwrap_or_default();
            }
        }
        Ok(depths)
    }

    /// Sets how long a message in work stays hidden, in seconds.
    pub async fn set_visibility(&self, secs: u32) -> Outcome<()> {
        use aws_sdk_sqs::types::QueueAttributeName::VisibilityTimeout;
        for url in self.queues() {
            let call = self.clients.sqs.set_queue_attributes().queue_url(url);
            let set = call.attributes(VisibilityTimeout, secs.to_string()).send().await;
            set.map_err(|error| format!("{error:?}"))?;
        }
        Ok(())
    }

    /// Puts a message on the dead-letter queue.
    pub async fn dead_letter(&self, body: &str) -> Outcome<()> {
        let call = self.clients.sqs.send_message().queue_url(&self.stack.dead_letter_queue_url).message_body(body);
        call.send().await.map(drop).map_err(|error| format!("{error:?}"))
    }

    /// Takes what is on the dead-letter queue.
    pub async fn dead_letters(&self) -> Outcome<Vec<String>> {
        let url = &self.stack.dead_letter_queue_url;
        let received = self.clients.sqs.receive_message().queue_url(url).max_number_of_messages(10).send().await;
        let mut bodies = Vec::new();
        for message in received.map_err(|error| format!("{error:?}"))?.messages() {
            let handle = message.receipt_handle().unwrap_or_default();
            let deletion = self.clients.sqs.delete_message().queue_url(url).receipt_handle(handle);
            deletion.send().await.map_err(|error| format!("{error:?}"))?;
            bodies.push(message.body().unwrap_or_default().to_string());
        }
        Ok(bodies)
    }

    /// A provider's secret document.
    pub async fn secret(&self, provider: &str) -> Outcome<String> {
        let call = self.clients.secrets.get_secret_value().secret_id(self.secret_arn(provider)?).send().await;
        Ok(call.map_err(|error| format!("{error:?}"))?.secret_string().unwrap_or_default().to_string())
    }

    /// Replaces a provider's secret document.
    pub async fn put_secret(&self, provider: &str, document: &str) -> Outcome<()> {
        let call = self.clients.secrets.put_secret_value().secret_id(self.secret_arn(provider)?);
        call.secret_string(document).send().await.map(drop).map_err(|error| format!("{error:?}"))
    }

    /// Leaves a secret as it was, for the next test: no function knows what stood there in between any more.
    pub async fn put_secret_back(&self, provider: &str, document: &str) -> Outcome<()> {
        self.put_secret(provider, document).await?;
        tokio::time::sleep(SECRETS_FORGOTTEN_AFTER).await;
        Ok(())
    }

    fn secret_arn(&self, provider: &str) -> Outcome<&str> {
        let arn = self.stack.secrets.get(provider).map(String::as_str);
        arn.ok_or_else(|| format!("stack.json names no secret of {provider}"))
    }

    /// Reads an entry.
    pub async fn entry(&self, key: &ItemKey) -> Outcome<Option<Entry>> {
        let read = self.ledger.entry(key).await.map_err(|error| error.to_string())?;
        Ok(read.map(|(entry, _)| entry))
    }

    /// Reads an expectation.
    pub async fn expectation(&self, key: &ItemKey) -> Outcome<Option<Expectation>> {
        self.ledger.expectation(key).await.map_err(|error| error.to_string())
    }

    /// Reads a subject's current status.
    pub async fn status(&self, subject: &Subject) -> Outcome<Option<Status>> {
        self.ledger.status(subject).await.map_err(|error| error.to_string())
    }

    /// The keys of a subject's rows that start so.
    pub async fn rows(&self, subject: &Subject, prefix: &str) -> Outcome<Vec<String>> {
        let story = self.ledger.story(subject.as_str()).await.map_err(|error| error.to_string())?;
        Ok(story.into_iter().map(|line| line.key.sk).filter(|sk| sk.starts_with(prefix)).collect())
    }

    /// Refusals kept today for a provider.
    pub async fn refusals(&self, provider: &str) -> Outcome<usize> {
        let now = hookledger_core::ports::Clock::now(&hookledger_aws::ports::clock::SystemClock::new());
        let provider = ALL.iter().map(|definition| definition.id).find(|id| id.0 == provider);
        let provider = provider.ok_or("no such provider")?;
        let kept = self.ledger.kept(provider, &now.day(), None, 1000).await;
        kept.map(|kept| kept.len()).map_err(|error| error.to_string())
    }

    /// Waits until this entry is in this state.
    pub async fn until_state(&self, key: &ItemKey, state: State) -> Outcome<Entry> {
        let what = format!("{key} to be {}", state.as_str());
        until(&what, async || {
            let entry = self.entry(key).await?;
            match entry {
                Some(entry) if entry.state == state => Ok(Ok(entry)),
                Some(entry) => {
                    Ok(Err(format!("it is {} ({})", entry.state.as_str(), entry.reason.unwrap_or_default())))
                }
                None => Ok(Err("there is no such entry".into())),
            }
        })
        .await
    }
}

/// Waits for something to come about. The look answers `Ok(Ok(…))` once it has, `Ok(Err(what is seen instead))` until
/// then, and `Err` if waiting on makes no sense.
pub async fn until<T>(what: &str, look: impl AsyncFn() -> Outcome<Result<T, String>>) -> Outcome<T> {
    let started = Instant::now();
    loop {
        match look().await? {
            Ok(seen) => return Ok(seen),
            Err(instead) if started.elapsed() > PATIENCE => {
                return Err(format!("waited {} s for {what}; {instead}", PATIENCE.as_secs()));
            }
            Err(_) => tokio::time::sleep(GLANCE).await,
        }
    }
}
