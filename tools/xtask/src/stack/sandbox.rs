//! Starts the simulated providers and tells them where to deliver.

use crate::http;
use crate::process::job;
use crate::process::processes::Service;
use crate::project::Project;
use crate::providers::Proof;
use crate::stack::names::TIME_SCALE;
use crate::stack::secrets::{self, Proofs};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::fs;
use std::time::{Duration, Instant};

const READY_LIMIT: Duration = Duration::from_secs(30);
/// A fixed seed: two runs of the story see the same simulated providers.
const SEED: u64 = 1;

/// Starts the sandbox on a port of its choice. Its targets follow once the API has a URL.
pub(crate) fn start(project: &Project, proofs: &Proofs) -> Result<Service> {
    let program = project.binary("sandbox");
    let config = project.local().join("sandbox.json");
    let ready = project.local().join("sandbox-ready");
    let _ = fs::remove_file(&ready);
    let signing = secrets::of_kind(proofs, Proof::Signature);
    let settings = json!({ "signing_secrets": signing, "time_scale": TIME_SCALE, "seed": SEED });
    crate::stack::pids::write_private(&config, &settings)?;
    let mut command = project.command(&program);
    command.args(["--port", "0", "--config"]).arg(&config).arg("--ready-file").arg(&ready);
    let log = project.log("sandbox");
    let mut service = Service::start("sandbox", 0, command, &log)?;
    let started = Instant::now();
    loop {
        if let Some(port) = fs::read_to_string(&ready).ok().as_deref().and_then(port_of) {
            service.port = port;
            return Ok(service);
        }
        if !service.is_alive() || started.elapsed() > READY_LIMIT {
            let left = crate::process::processes::Record { services: vec![service], ..Default::default() };
            left.end(project)?;
            bail!("the sandbox did not become ready{}", job::tail_of(&log));
        }
        job::pause(Duration::from_millis(50))?;
    }
}

/// Tells a running sandbox the webhook URLs.
pub(crate) fn set_targets(port: u16, webhooks: &Value) -> Result<()> {
    let body = json!({ "targets": webhooks }).to_string();
    let answer = http::ask(port, "PUT", "/control/config", &body, Duration::from_secs(10))
        .context("the sandbox does not take its configuration")?;
    if !(200..300).contains(&answer.status) {
        bail!("the sandbox refused its configuration: {} {}", answer.status, answer.body);
    }
    Ok(())
}

fn port_of(url: &str) -> Option<u16> {
    url.trim().strip_prefix("http://127.0.0.1:")?.trim_end_matches('/').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_file() {
        assert_eq!(port_of("http://127.0.0.1:4711\n"), Some(4711));
        assert_eq!(port_of("http://127.0.0.1:47"), Some(47));
        assert_eq!(port_of(""), None, "not written to its end yet");
    }
}
