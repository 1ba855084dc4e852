//! What AWS said of the calls that failed, for the person who may have to mend a policy: action, resource, region, reason.
//!
//! What the flows are told of a failure is a few fixed words, since a function's log must not quote what was sent. A person's
//! terminal may show more, but nothing of a row either: of an answer its code, and its message where that is about a right or
//! a name.

use std::sync::{Mutex, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, SharedInterceptor, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::DateTime;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use aws_smithy_types::date_time::Format;
use hookledger_aws::ports::clock::SystemClock;
use hookledger_aws::start::clients::Clients;
use hookledger_core::ports::Clock as _;
use serde_json::Value;

/// Different failures that are told.
const MAX_TOLD: usize = 3;
/// A condition that does not hold is an answer, not a failure.
const CONDITION: &str = "ConditionalCheckFailedException";
/// Answers whose message is about a right or a name, never about what was sent.
const ABOUT_RIGHTS: [&str; 9] = [
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "ResourceNotFoundException",
    "AWS.SimpleQueueService.NonExistentQueue",
    "QueueDoesNotExist",
];

/// What time it was at AWS by its last answer, and here then: seconds since 1970.
static CLOCK: Mutex<Option<(i64, i64)>> = Mutex::new(None);

static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// What was said, each once.
pub(crate) fn all() -> Vec<String> {
    SAID.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// What was said since the last time, each once.
pub(crate) fn take() -> Vec<String> {
    std::mem::take(&mut *SAID.lock().unwrap_or_else(PoisonError::into_inner))
}

/// What time it was at AWS by its last answer, and here then, in seconds since 1970.
pub(crate) fn clock() -> Option<(i64, i64)> {
    *CLOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The same clients, listened to.
pub(crate) fn listened_to(mut clients: Clients, region: &str) -> Clients {
    let listener = SharedInterceptor::new(Listener { region: region.to_string() });
    let config = clients.config();
    let dynamodb = aws_sdk_dynamodb::config::Builder::from(config).interceptor(listener.clone());
    let sqs = aws_sdk_sqs::config::Builder::from(config).interceptor(listener.clone());
    let secrets = aws_sdk_secretsmanager::config::Builder::from(config).interceptor(listener);
    clients.dynamodb = aws_sdk_dynamodb::Client::from_conf(dynamodb.build());
    clients.sqs = aws_sdk_sqs::Client::from_conf(sqs.build());
    clients.secrets = aws_sdk_secretsmanager::Client::from_conf(secrets.build());
    clients
}

/// Which table, queue or secret a call is about.
#[derive(Debug)]
struct Resource(String);

impl Storable for Resource {
    type Storer = StoreReplace<Self>;
}

#[derive(Debug)]
struct Listener {
    region: String,
}

#[dyn_dispatch_hint]
impl Intercept for Listener {
    fn name(&self) -> &'static str {
        "what AWS said"
    }

    fn read_after_serialization(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // Taken now: once it is sent, it is gone.
        let asked = context.request().body().bytes().and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok());
        if let Some(name) = asked.as_ref().and_then(resource) {
            config.interceptor_state().store_put(Resource(name));
        }
        Ok(())
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().and_then(|response| response.headers().get("date"));
        if let Some(date) = date.and_then(|text| DateTime::from_str(text, Format::HttpDate).ok()) {
            let times = (date.secs(), SystemClock::new().now().secs());
            *CLOCK.lock().unwrap_or_else(PoisonError::into_inner) = Some(times);
        }
        if !matches!(context.output_or_error(), Some(Err(_))) {
            return Ok(());
        }
        let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
        let answer = context.response().map(|response| response.body().bytes().and_then(json).unwrap_or_default());
        let Some(why) = answer.map_or_else(|| Some("no answer".to_string()), |answer| reason(&answer)) else {
            return Ok(());
        };
        let action = config.load::<Metadata>().map(|call| action(call.service(), call.name())).unwrap_or_default();
        let of = config.load::<Resource>().map(|Resource(name)| format!(" of {name}")).unwrap_or_default();
        let text = format!("{action}{of} in {}: {why}", self.region);
        let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() < MAX_TOLD && !said.contains(&text) {
            said.push(text);
        }
        Ok(())
    }
}

/// As a policy names it.
fn action(service: &str, operation: &str) -> String {
    format!("{}:{operation}", service.to_ascii_lowercase().replace(' ', ""))
}

/// Which table, queue or secret was asked.
fn resource(asked: &Value) -> Option<String> {
    let named = ["TableName", "QueueUrl", "QueueName", "SecretId"].iter().find_map(|name| asked.get(name)?.as_str());
    let batch = || asked.get("RequestItems")?.as_object()?.keys().next().map(String::as_str);
    named.or_else(batch).map(ToString::to_string)
}

/// The answer's code, and its message where that is safe; none where it is no failure.
fn reason(answer: &Value) -> Option<String> {
    let text = |names: [&str; 2]| names.iter().find_map(|name| answer.get(name)?.as_str());
    let code = text(["__type", "code"]).unwrap_or("the service failed");
    let code = code.rsplit('#').next().unwrap_or(code);
    if code == CONDITION {
        return None;
    }
    let message = text(["message", "Message"]).filter(|_| ABOUT_RIGHTS.contains(&code));
    Some(message.map_or_else(|| code.to_string(), |message| format!("{code}: {message}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_message_is_told_where_it_is_about_a_right() {
        let denied = "User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: dynamodb:UpdateItem";
        let rows = [
            (
                json!({"__type": "com.amazonaws.dynamodb.v20120810#AccessDeniedException", "Message": denied}),
                Some(format!("AccessDeniedException: {denied}")),
            ),
            (
                json!({"__type": "com.amazon.coral.validate#ValidationException", "message": "the value 000-12-3456"}),
                Some("ValidationException".into()),
            ),
            (json!({"__type": "x#ConditionalCheckFailedException", "message": "m"}), None),
            (json!(null), Some("the service failed".into())),
        ];
        for (answer, expected) in rows {
            assert_eq!(reason(&answer), expected, "{answer}");
        }
        assert_eq!(resource(&json!({"RequestItems": {"ledger": {}}})).as_deref(), Some("ledger"));
        assert_eq!(resource(&json!({"QueueUrl": "https://q"})).as_deref(), Some("https://q"));
        assert_eq!(action("Secrets Manager", "GetSecretValue"), "secretsmanager:GetSecretValue");
    }
}
