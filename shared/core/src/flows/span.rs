//! One span for each delivery, job and debt, so that all lines about one event can be found by its subject or its id.
//!
//! A span names the provider, the subject and the entry, and holds nothing that was sent.

use tracing::field::Empty;
use tracing::{Span, info_span};

use crate::model::entry::Event;
use crate::model::identity::{ItemKey, ProviderId};
use crate::model::job::Job;

/// A delivery. What it is about is not known before it is verified and read.
pub fn delivery(provider: ProviderId) -> Span {
    info_span!("delivery", provider = provider.0, subject = Empty, entry = Empty)
}

/// A job of the worker.
pub fn job(job: &Job) -> Span {
    let span = info_span!("job", provider = job.provider(), subject = Empty, entry = Empty);
    if let Job::Entry { key, .. } | Job::Poll { key, .. } = job {
        name_row(&span, key);
    }
    span
}

/// A debt that the reconciler pays.
pub(crate) fn debt(provider: &str, key: &ItemKey) -> Span {
    let span = info_span!("debt", provider, subject = Empty, entry = Empty);
    name_row(&span, key);
    span
}

/// Says what the present delivery, or what was rescued, turned out to be.
pub(crate) fn name(event: &Event) {
    name_row(&Span::current(), &event.key());
}

fn name_row(span: &Span, key: &ItemKey) {
    if !span.is_disabled() {
        span.record("subject", key.pk.as_str());
        span.record("entry", key.stable_id());
    }
}
