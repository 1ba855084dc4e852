//! What all pages have: the banner, links, times and states as a person reads them, and what is shown where a query fails.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::time::Duration;

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Response};
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::Clock as _;

use super::state::Console;
use crate::said;

/// What a URL or a form asks, by name.
pub(crate) type Asked = BTreeMap<String, String>;

/// How long a query may take before its part of the page says so.
const PATIENCE: Duration = Duration::from_secs(20);
/// An id longer than this is cut in its middle where it is one of many.
const LONG: usize = 64;
const PAGES: [(&str, &str); 9] = [
    ("/", "Home"),
    ("/events", "Events"),
    ("/parked", "Parked"),
    ("/refused", "Refused"),
    ("/owed", "Owed"),
    ("/expectations", "Expectations"),
    ("/merchants", "Merchants"),
    ("/providers", "Providers"),
    ("/doctor", "Doctor"),
];

/// The banner, and what goes with it.
pub(crate) struct Frame {
    pub(crate) stack: String,
    pub(crate) title: String,
    /// When what is shown was asked for.
    pub(crate) now: UnixMs,
    pub(crate) write: bool,
    pub(crate) csrf: String,
    path: &'static str,
}

impl Frame {
    pub(crate) fn new(console: &Console, path: &'static str, title: impl Into<String>) -> Self {
        Self {
            stack: console.stack.title.clone(),
            title: title.into(),
            now: console.inbox.clock.now(),
            write: console.write,
            csrf: console.csrf.clone(),
            path,
        }
    }

    /// The pages, and which of them is open.
    pub(crate) fn pages(&self) -> impl Iterator<Item = (&'static str, &'static str, bool)> {
        PAGES.into_iter().map(|(path, name)| (path, name, path == self.path))
    }

    /// The time of the banner.
    pub(crate) fn clock(&self) -> String {
        let text = self.now.to_string();
        format!("{}Z", text.get(11..19).unwrap_or(&text))
    }

    /// How long ago it was, or how long it is until then.
    pub(crate) fn ago(&self, at: impl Borrow<UnixMs>) -> String {
        let at = *at.borrow();
        if at > self.now {
            format!("in {}", lasted(at.since_ms(self.now)))
        } else {
            format!("{} ago", lasted(self.now.since_ms(at)))
        }
    }
}

/// A part of a page that can't be shown, and what to do.
pub(crate) struct Failure {
    pub(crate) what: &'static str,
    pub(crate) why: Vec<String>,
    pub(crate) todo: &'static str,
}

/// A page without a banner, for those who are not let in.
#[derive(Template)]
#[template(path = "notice.html")]
pub(crate) struct Notice<'a> {
    pub(crate) title: &'a str,
    pub(crate) text: &'a str,
    pub(crate) is_way_in: bool,
}

/// Who comes here was let in, so it has the way on.
#[derive(Template)]
#[template(path = "missing.html")]
struct Missing {
    frame: Frame,
}

/// A choice of times that is one click away.
pub(crate) struct Preset {
    pub(crate) name: &'static str,
    pub(crate) href: String,
    pub(crate) is_on: bool,
}

/// The answer where there is no such page, or nothing of that name.
pub(crate) fn no_such_page(console: &Console) -> Response {
    html(StatusCode::NOT_FOUND, &Missing { frame: Frame::new(console, "", "Not found") })
}

/// Asks. `what`: what can't be shown where that fails.
pub(crate) async fn tried<T>(what: &'static str, query: impl Future<Output = anyhow::Result<T>>) -> Result<T, Failure> {
    tried_for(PATIENCE, what, query).await
}

/// Asks, and has this much patience.
pub(crate) async fn tried_for<T>(
    patience: Duration,
    what: &'static str,
    query: impl Future<Output = anyhow::Result<T>>,
) -> Result<T, Failure> {
    let asked = tokio::time::timeout(patience, query).await;
    let error = match asked {
        Ok(Ok(answer)) => return Ok(answer),
        Ok(Err(error)) => error,
        Err(_) => {
            let why = vec![format!("no answer within {} s", patience.as_secs())];
            return Err(Failure { what, why, todo: "Reload, or ask for a shorter time." });
        }
    };
    let why: Vec<String> = std::iter::once(format!("{error:#}")).chain(said::take()).collect();
    let has = |words: &[&str]| why.iter().any(|line| words.iter().any(|word| line.contains(word)));
    let todo = if has(&["AccessDenied"]) {
        "Your credentials lack this right: have it granted, or start the console with another --profile."
    } else if has(&["ExpiredToken", "UnrecognizedClient", "InvalidClientTokenId"]) {
        "Log in again (aws sso login), and start the console anew."
    } else if has(&["ResourceNotFound", "NonExistentQueue", "QueueDoesNotExist"]) {
        "It is not there: is this the right stack and the right region?"
    } else if has(&["no answer", "not reachable", "timed out"]) {
        "Is the network up? Then reload."
    } else {
        "Mend what the words name, and reload."
    };
    Err(Failure { what, why, todo })
}

/// A page.
pub(crate) fn html(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// A page with one query.
pub(crate) fn status<T>(asked: &Result<T, Failure>) -> StatusCode {
    if asked.is_ok() { StatusCode::OK } else { StatusCode::BAD_GATEWAY }
}

/// What was asked for under this name, unless it was left empty.
pub(crate) fn wanted(asked: &Asked, name: &str) -> Option<String> {
    asked.get(name).filter(|value| !value.is_empty()).cloned()
}

/// A link, with what it asks for; what is empty is left out.
pub(crate) fn link(path: &str, query: &[(&str, &str)]) -> String {
    let pairs = query.iter().filter(|(_, value)| !value.is_empty());
    let pairs: Vec<String> = pairs.map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    if pairs.is_empty() { path.to_string() } else { format!("{path}?{}", pairs.join("&")) }
}

/// The page of a subject.
pub(crate) fn subject(pk: &str) -> String {
    link("/subject", &[("pk", pk)])
}

fn encoded(text: &str) -> String {
    let mut shown = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => shown.push(byte.into()),
            byte => shown.push_str(&format!("%{byte:02X}")),
        }
    }
    shown
}

/// An id among others: a long one without its middle.
pub(crate) fn cut(id: &str) -> String {
    let count = id.chars().count();
    if count <= LONG {
        return id.to_string();
    }
    let (head, tail): (String, String) =
        (id.chars().take(LONG / 2).collect(), id.chars().skip(count - LONG / 4).collect());
    format!("{head}…{tail}")
}

/// To the second, as a list has it; the exact one is in the `title`.
pub(crate) fn time(at: impl Borrow<UnixMs>) -> String {
    let text = at.borrow().to_string();
    match (text.get(..10), text.get(11..19)) {
        (Some(day), Some(time)) => format!("{day} {time}Z"),
        _ => text,
    }
}

/// A length of time in its two largest units.
pub(crate) fn lasted(ms: u64) -> String {
    let secs = ms / 1_000;
    match secs {
        0 => format!("{ms} ms"),
        1..60 => format!("{secs} s"),
        60..3_600 => format!("{} min {} s", secs / 60, secs % 60),
        3_600..86_400 => format!("{} h {} min", secs / 3_600, secs % 3_600 / 60),
        _ => format!("{} d {} h", secs / 86_400, secs % 86_400 / 3_600),
    }
}

/// The sign of a state, which is shown beside its word.
pub(crate) fn icon(state: &str) -> &'static str {
    match state {
        "open" | "waiting" => "◷",
        "done" | "met" => "✓",
        "ignored" | "closed" => "–",
        "parked" | "expired" | "warn" => "▲",
        "ok" => "✓",
        "unknown" => "?",
        _ => "•",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_holds_what_it_is_given_and_nothing_else() {
        assert_eq!(
            link("/events", &[("provider", ""), ("type", "a&b=c #\u{1b}ü\"")]),
            "/events?type=a%26b%3Dc%20%23%1B%C3%BC%22"
        );
        assert_eq!(link("/", &[]), "/");
    }

    #[test]
    fn long_ids_and_times_are_short() {
        assert_eq!(cut("short"), "short");
        assert_eq!(cut(&"ü".repeat(4_000)).chars().count(), LONG / 2 + LONG / 4 + 1);
        for (ms, expected) in [(12, "12 ms"), (61_000, "1 min 1 s"), (7_260_000, "2 h 1 min"), (90_000_000, "1 d 1 h")]
        {
            assert_eq!(lasted(ms), expected);
        }
    }
}
