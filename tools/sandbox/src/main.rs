//! The providers, simulated on this machine: they send webhooks, answer API calls and go wrong on demand.
//!
//! ```text
//! control API ── send ──> provider's signing and schedule ──> the receiver under test
//! the reconciler or a person ── API call ──> faults ──> provider's API ──> its state
//! ```
//!
//! A simulation, not a mock: it keeps each provider's documented behaviour, retries included, and shares no code with
//! the receiver it is pointed at.

mod config;
mod control;
mod deliveries;
mod dice;
mod faults;
mod hour;
mod json;
mod lock;
mod oauth;
mod odd;
mod paging;
mod post;
mod problem;
mod provider;
mod providers;
mod sandbox;
mod send;
mod serve;
mod shelf;
mod sign;
#[cfg(test)]
mod testing;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::sandbox::{SLOTS, Sandbox};

/// How long requests and deliveries under way may finish after the signal to stop.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Simulates the providers on 127.0.0.1.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The port to listen on; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// A JSON file: where webhooks go, what signs them, how fast time runs.
    #[arg(long)]
    config: Option<PathBuf>,
    /// A file to write the sandbox's URL to once it listens.
    #[arg(long)]
    ready_file: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let patch = match &arguments.config {
        Some(path) => {
            let text = std::fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
            serde_json::from_slice(&text).with_context(|| format!("{} is not a configuration", path.display()))?
        }
        None => config::Patch::default(),
    };
    let sandbox = Sandbox::new(patch).map_err(anyhow::Error::msg)?;
    // Asked for before anything is announced: a signal that comes early must not go unheard.
    let (mut terminated, mut interrupted) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port))).await?;
    let url = format!("http://{}", listener.local_addr()?);
    println!("sandbox listening on {url}");
    if let Some(path) = &arguments.ready_file {
        announce(path, &url).with_context(|| format!("can't write {}", path.display()))?;
    }

    let (stop, mut stopping) = tokio::sync::watch::channel(false);
    let heard = async move {
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    let serving = axum::serve(listener, serve::router(&sandbox)).with_graceful_shutdown(heard);
    let serving = tokio::spawn(serving.into_future());
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    let _ = stop.send(true);
    let _ = tokio::time::timeout(STOP_LIMIT, finish(&sandbox, serving)).await;
    Ok(())
}

/// Renamed into place, so that whoever waits for the file never reads half a URL.
fn announce(path: &Path, url: &str) -> std::io::Result<()> {
    let unfinished = path.with_extension("tmp");
    std::fs::write(&unfinished, url)?;
    std::fs::rename(unfinished, path)
}

/// Ends what waits, and lets what is on the wire come to its end.
async fn finish(sandbox: &Arc<Sandbox>, serving: tokio::task::JoinHandle<std::io::Result<()>>) {
    sandbox.stop_deliveries();
    let _ = sandbox.slots.acquire_many(SLOTS).await;
    let _ = serving.await;
}
