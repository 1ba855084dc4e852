//! `stack.json`: what clients read to find the stack.

use crate::process::processes::Record;
use crate::project::Project;
use crate::providers::{Proof, secret, webhook_path};
use crate::stack::deploy::Deployed;
use crate::stack::names::{ADMINISTRATOR, REGION, TIME_SCALE, endpoint};
use crate::stack::secrets::{self, Proofs};
use anyhow::{Context, Result};
use hookledger_kit::ALL;
use serde_json::{Map, Value, json};

/// What clients read to find the stack.
pub(crate) fn stack_file(
    project: &Project,
    record: &Record,
    stack: &str,
    deployed: &Deployed,
    proofs: &Proofs,
) -> Result<Value> {
    let port_of = |name| record.service(name).map_or(0, |service| service.port);
    let emulator = endpoint(port_of("ministack"));
    let api = deployed.output("ApiId")?;
    let api_url = format!("{emulator}/_aws/execute-api/{api}/$default");
    let mut functions = Map::new();
    for name in project.functions()? {
        functions.insert(name.clone(), json!(deployed.output_of(&name, "FunctionName")?));
    }
    let (mut webhooks, mut secrets, mut queues) = (Map::new(), Map::new(), Map::new());
    for provider in ALL {
        let proof = proofs.get(provider.name).map(String::as_str).unwrap_or_default();
        webhooks.insert(provider.name.to_owned(), json!(format!("{api_url}{}", webhook_path(provider, proof))));
        queues.insert(provider.name.to_owned(), json!(deployed.output_of(provider.name, "QueueUrl")?));
        secrets.insert(provider.name.to_owned(), json!(deployed.output_of(provider.name, "SecretArn")?));
    }
    let each = |value: &dyn Fn(&crate::process::processes::Service) -> Value| -> Map<String, Value> {
        record.services.iter().map(|service| (service.name.clone(), value(service))).collect()
    };
    Ok(json!({
        "endpoint": emulator,
        "region": REGION,
        "access_key_id": ADMINISTRATOR.0,
        "secret_access_key": ADMINISTRATOR.1,
        "stack_name": stack,
        "api_url": api_url,
        "webhooks": webhooks,
        "signing_secrets": secrets::of_kind(proofs, Proof::Signature),
        "url_tokens": secrets::of_kind(proofs, Proof::UrlToken),
        "expectations_url": format!("{api_url}/expectations"),
        "table": deployed.output("TableName")?,
        "queue_urls": queues,
        "rescue_queue_url": deployed.output("RescueQueueUrl")?,
        "dead_letter_queue_url": deployed.output("DeadLetterQueueUrl")?,
        "policies": {
            "read": deployed.output("OperatorReadPolicyArn")?,
            "mend": deployed.output("OperatorMendPolicyArn")?,
            "set_up": deployed.output("OperatorSetUpPolicyArn")?,
        },
        "bus": deployed.output("BusName")?,
        "functions": functions,
        "secrets": secrets,
        "sandbox_url": endpoint(port_of("sandbox")),
        "time_scale": TIME_SCALE,
        "pids": each(&|service| json!(service.pid)),
        "xtask": std::env::current_exe()?,
        "logs": each(&|service| json!(project.shown(&project.log(&service.name)))),
    }))
}

/// The value of each provider's secret, by ARN.
pub(crate) fn secret_values(stack: &Value, proofs: &Proofs) -> Result<Value> {
    let mut values = Map::new();
    for provider in ALL {
        let arn = stack.get("secrets").and_then(|secrets| secrets.get(provider.name)).and_then(Value::as_str);
        let arn = arn.with_context(|| format!("{} has no secret", provider.name))?;
        let proof = proofs.get(provider.name).map(String::as_str).unwrap_or_default();
        values.insert(arn.to_owned(), secret(provider, proof));
    }
    Ok(Value::Object(values))
}
