//! `up`, `down` and `status`: the local stack in the background.

use crate::build::Code;
use crate::process::processes::Record;
use crate::process::progress::Timings;
use crate::project::Project;
use crate::stack::health::{Health, health};
use crate::stack::lock::Lock;
use crate::stack::setup;
use anyhow::{Context, Result};
use serde_json::Value;
use std::fs;

pub(crate) fn up(project: &Project, code: Code) -> Result<u8> {
    if health(project)? == Health::Healthy {
        println!("The local stack is up already (`cargo xtask down` ends it).\n\n{}", urls(project)?);
        return Ok(0);
    }
    let _lock = Lock::take(project)?;
    let mut timings = Timings::default();
    setup::prepare(project, code, &mut timings)?;
    setup::bring_up(project, code, &mut timings)?;
    println!("\nThe local stack is up; `cargo xtask down` ends it.\n\n{}", urls(project)?);
    println!("Where the time went:\n{}", timings.table());
    Ok(0)
}

pub(crate) fn down(project: &Project) -> Result<u8> {
    let _lock = Lock::take(project)?;
    let record = Record::load(project)?;
    if record.services.is_empty() {
        println!("The local stack is down already.");
        return Ok(0);
    }
    let ended = setup::take_down(project, &record)?;
    println!("The local stack is down; {ended} processes ended.");
    Ok(0)
}

pub(crate) fn status(project: &Project) -> Result<u8> {
    match health(project)? {
        Health::Healthy => {
            println!("The local stack is up and healthy.\n\n{}", urls(project)?);
            return Ok(0);
        }
        Health::Down => println!("The local stack is down; `cargo xtask up` starts it."),
        Health::Broken(why) => println!("The local stack is broken: {why}. `cargo xtask up` starts it anew."),
    }
    for service in Record::load(project)?.services {
        let state = if service.is_alive() { "alive" } else { "dead" };
        println!("  {} (pid {}, port {}): {state}", service.name, service.pid, service.port);
    }
    Ok(1)
}

/// What a person can try, out of `stack.json`.
pub(crate) fn urls(project: &Project) -> Result<String> {
    let file = project.local().join("stack.json");
    let text = fs::read_to_string(&file).with_context(|| format!("{} can't be read", file.display()))?;
    let stack: Value = serde_json::from_str(&text)?;
    Ok(listing(&stack, &project.shown(&file)))
}

fn listing(stack: &Value, file: &str) -> String {
    let text = |name: &str| stack.get(name).and_then(Value::as_str).unwrap_or("?").to_owned();
    let mut lines = vec!["  webhooks".to_owned()];
    for (provider, url) in stack.get("webhooks").and_then(Value::as_object).into_iter().flatten() {
        lines.push(format!("    {provider:<12} POST {}", url.as_str().unwrap_or("?")));
    }
    let sandbox = text("sandbox_url");
    lines.push(format!(
        "  expectations     PUT {}/<provider>/<reference>   (signed for execute-api with the key in stack.json)",
        text("expectations_url")
    ));
    lines.push(format!("  sandbox          {sandbox}/control/deliveries   what the simulated providers have sent"));
    lines.push(format!("  AWS              {}   region {}", text("endpoint"), text("region")));
    lines.push(format!("  all of it        {file}"));
    lines.push(String::new());
    lines.push("  For example, let a simulated provider deliver something genuine:".to_owned());
    lines.push(format!(
        "    curl -s {sandbox}/control/send -H 'content-type: application/json' \\\n      \
         -d '{{\"provider\":\"fynapse\",\"body\":\"{{\\\"event_id\\\":\\\"by-hand\\\",\\\"type\\\":\\\"balance.extracted\\\",\\\"data\\\":1}}\"}}'"
    ));
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn listing_names_every_webhook() {
        let stack = json!({"webhooks": {"one": "http://127.0.0.1:1/a", "two": "http://127.0.0.1:1/b"}, "sandbox_url": "http://127.0.0.1:2"});
        let text = listing(&stack, "target/local/stack.json");
        for expected in ["POST http://127.0.0.1:1/a", "POST http://127.0.0.1:1/b", "http://127.0.0.1:2/control/send"] {
            assert!(text.contains(expected), "{text}");
        }
    }
}
