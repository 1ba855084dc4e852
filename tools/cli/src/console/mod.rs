//! `hookledger console`: the operator's page, on 127.0.0.1 alone. It asks and acts with the functions of the commands, so a
//! page and its command never differ.
//!
//! ```text
//! guard   who is let in            home events subject find      what came in
//! state   what requests share      parked acts                   what waits for a person, and what they do
//! frame   what pages share         refused reverify              what was not let in, and to verify it again
//! escape  how a text gets in       owed expectations merchants providers doctor
//! jobs    acts that go on, and     chart lines timeline path     how it is drawn
//! act     the page of each
//! ```
//!
//! A page is a module and a template. No page needs the script, and none loads anything from elsewhere.

mod act;
mod acts;
mod chart;
mod doctor;
mod escape;
mod events;
mod expectations;
mod find;
mod frame;
mod guard;
mod home;
mod jobs;
mod lines;
mod merchants;
mod owed;
mod parked;
mod path;
mod providers;
mod refused;
mod reverify;
mod state;
mod subject;
mod timeline;

use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::CONTENT_TYPE;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use clap::Args;
use tokio::net::TcpListener;

use self::frame::no_such_page;
use self::state::Console;
use crate::out::{self, Ended};
use crate::stack::Stack;

/// The longest form that is taken: a reason, and the CSRF token.
const MAX_FORM_BYTES: usize = 16 * 1024;

/// How to serve it.
#[derive(Args)]
pub(crate) struct Order {
    /// The port of 127.0.0.1; 0 takes one that is free.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Let it replay, close, and verify again what was refused. Without it, it only shows.
    #[arg(long)]
    write: bool,
}

/// Serves it until ctrl-c.
pub(crate) async fn run(stack: Stack, order: &Order) -> anyhow::Result<Ended> {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, order.port)).await;
    let listener = bound.with_context(|| format!("127.0.0.1:{} can't be listened on", order.port))?;
    let port = listener.local_addr()?.port();
    let (console, token) = Console::new(stack, order.write, port)?;
    out::line(format!("http://127.0.0.1:{port}/?token={token}"));
    out::note("this URL lets one browser of this machine in, once; ctrl-c ends the console");
    let console = Arc::new(console);
    let served = axum::serve(listener, router(console.clone()));
    let running = console.clone();
    let interrupted = async move {
        // What is under way is done first.
        let _ = tokio::signal::ctrl_c().await;
        running.jobs.end_all().await;
    };
    served.with_graceful_shutdown(interrupted).await?;
    // One that was ordered in the meantime.
    console.jobs.end_all().await;
    Ok(Ended::Well)
}

fn router(console: Arc<Console>) -> Router {
    Router::new()
        .route("/", get(home::page))
        .route("/events", get(events::page))
        .route("/subject", get(subject::page))
        .route("/find", get(find::page))
        .route("/parked", get(parked::page))
        .route("/parked/plan", get(parked::plan))
        .route("/parked/replay", post(acts::replay))
        .route("/parked/close", post(acts::close))
        .route("/act", get(act::page))
        .route("/act/outcomes", get(act::outcomes))
        .route("/act/stop", post(act::stop))
        .route("/refused", get(refused::page))
        .route("/refused/plan", get(reverify::plan))
        .route("/refused/reverify", post(reverify::reverify))
        .route("/owed", get(owed::page))
        .route("/expectations", get(expectations::page))
        .route("/providers", get(providers::page))
        .route("/merchants", get(merchants::page))
        .route("/doctor", get(doctor::page).post(doctor::ask))
        .route("/static/console.css", asset("text/css", include_str!("../../assets/console.css")))
        .route("/static/console.js", asset("text/javascript", include_str!("../../assets/console.js")))
        .fallback(missing)
        .layer(from_fn_with_state(console.clone(), guard::guard))
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
        .with_state(console)
}

async fn missing(State(console): State<Arc<Console>>) -> Response {
    no_such_page(&console)
}

/// A file that is compiled in. There is no other, whatever a path says.
fn asset(kind: &'static str, text: &'static str) -> MethodRouter<Arc<Console>> {
    get(move || async move { ([(CONTENT_TYPE, kind)], text) })
}
