//! The findings of `hookledger doctor`. It asks outward, at each provider's own address, so it asks only when it is told to: by
//! a form, which no other site can send. It changes nothing, so it needs no `--write`.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::frame::{Failure, Frame, html, status, tried_for};
use super::state::Console;
use crate::doctor::{Doctor, Finding, look, named};

const PATH: &str = "/doctor";
/// A provider that does not answer takes ten seconds, and they are asked one after the other.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Template)]
#[template(path = "doctor.html")]
struct DoctorPage {
    frame: Frame,
    /// What is looked at, in the command's words.
    parts: Vec<String>,
    /// The providers that are asked, and those that are not, as nobody named their secrets.
    named: Vec<String>,
    unnamed: Vec<String>,
    /// None: nobody has asked yet.
    found: Option<Result<Vec<Finding>, Failure>>,
}

impl DoctorPage {
    fn new(console: &Console, found: Option<Result<Vec<Finding>, Failure>>) -> Self {
        let frame = Frame::new(console, PATH, "Doctor");
        let named: Vec<String> = named(&console.stack).iter().map(|provider| provider.id().to_string()).collect();
        let all = console.stack.providers.iter().map(|provider| provider.id().to_string());
        let unnamed = all.filter(|name| !named.contains(name)).collect();
        Self { frame, parts: Doctor::parts(), named, unnamed, found }
    }

    fn wrong(&self) -> usize {
        let found = self.found.as_ref().and_then(|found| found.as_ref().ok());
        found.map_or(0, |found| found.iter().filter(|finding| finding.to_do().is_some()).count())
    }
}

/// Says what it would ask, and asks nothing.
pub(crate) async fn page(State(console): State<Arc<Console>>) -> Response {
    html(StatusCode::OK, &DoctorPage::new(&console, None))
}

/// Asks.
pub(crate) async fn ask(State(console): State<Arc<Console>>) -> Response {
    let found = tried_for(PATIENCE, "What the doctor finds", look(&console.stack, &Doctor::WHOLE)).await;
    html(status(&found), &DoctorPage::new(&console, Some(found)))
}
