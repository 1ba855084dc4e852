//! Who is let in. A page on 127.0.0.1 is within reach of every site that the same browser shows, so each request has to
//! prove that it comes from this console's own pages.
//!
//! ```text
//! every request   Host is ours (no other name leads here), the cookie is ours
//! the first       the token of the printed URL, once: it becomes the cookie
//! every POST      Origin is ours, the form's CSRF token is ours; and --write, unless it only asks
//! ```

use std::sync::Arc;

use axum::extract::{Form, Query, Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::{RequestExt as _, body::Body};

use super::frame::{Asked, Notice, html};
use super::state::{Console, is_equal};

/// What a page may load, and where its forms may lead: this console and nothing else.
const CSP: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; form-action 'self'; \
                   base-uri 'none'; frame-ancestors 'none'";

/// Forms that change nothing: they ask outward, so a link must not be enough.
const ASKS: [&str; 1] = ["/doctor"];

/// The fields of a form that was proved to be ours.
#[derive(Clone)]
pub(crate) struct Fields(pub(crate) Asked);

/// Lets a request in or answers it, and puts the headers on each answer.
pub(crate) async fn guard(State(console): State<Arc<Console>>, request: Request, next: Next) -> Response {
    let takes_forms = console.write || ASKS.contains(&request.uri().path());
    let mut response = match admit(&console, request).await {
        Ok(request) => next.run(request).await,
        Err(answer) => *answer,
    };
    // A browser tells no origin in a form where no referrer may be told. With `same-origin` it tells it to us alone.
    let referrer = if takes_forms { "same-origin" } else { "no-referrer" };
    let headers: [(HeaderName, &'static str); 4] = [
        (header::CONTENT_SECURITY_POLICY, CSP),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, referrer),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn admit(console: &Console, mut request: Request) -> Result<Request, Box<Response>> {
    let hosts = ["127.0.0.1", "localhost"].map(|name| format!("{name}:{}", console.port));
    let host = the_one(request.headers(), &header::HOST).filter(|host| hosts.iter().any(|known| known == host));
    let authority = request.uri().authority().map(ToString::to_string);
    let Some(host) = host.filter(|host| authority.is_none_or(|authority| authority == *host)) else {
        return Err(refused(
            StatusCode::MISDIRECTED_REQUEST,
            "This address is not the console's",
            "Open the URL that the command printed.",
        ));
    };
    if let Some(token) = token(&request) {
        if !console.spend(&token) {
            return Err(refused(
                StatusCode::FORBIDDEN,
                "This URL was used already",
                "It lets one browser in, once. Go on in that browser, or start `hookledger console` anew.",
            ));
        }
        return Err(Box::new(let_in(console)));
    }
    let cookies = request.headers().get_all(header::COOKIE);
    if !console.knows(cookies.iter().filter_map(|value| value.to_str().ok())) {
        return Err(refused(
            StatusCode::FORBIDDEN,
            "This browser is not let in",
            "Open the URL that the command printed. If it was used already, start `hookledger console` anew.",
        ));
    }
    if request.method() == Method::POST {
        let origin = the_one(request.headers(), &header::ORIGIN);
        if origin.as_deref() != Some(&format!("http://{host}")) {
            return Err(refused(
                StatusCode::FORBIDDEN,
                "Nothing was done: this form is not of this console",
                "Act from its own pages.",
            ));
        }
        if !console.write && !ASKS.contains(&request.uri().path()) {
            return Err(refused(
                StatusCode::FORBIDDEN,
                "Nothing was done: this console is read-only",
                "Start it with --write to act.",
            ));
        }
        let (parts, body) = request.into_parts();
        let form = Request::from_parts(parts.clone(), body).extract::<Form<Asked>, _>().await;
        let Form(fields) = form.map_err(|rejection| {
            refused(rejection.status(), "Nothing was done: this is no form of this console", &rejection.body_text())
        })?;
        if !fields.get("csrf").is_some_and(|given| is_equal(&console.csrf, given)) {
            return Err(refused(
                StatusCode::FORBIDDEN,
                "Nothing was done: this form is not of this run of the console",
                "Reload the page and try again.",
            ));
        }
        request = Request::from_parts(parts, Body::empty());
        request.extensions_mut().insert(Fields(fields));
    }
    Ok(request)
}

/// The token of the URL that is printed.
fn token(request: &Request) -> Option<String> {
    let is_first = request.method() == Method::GET && request.uri().path() == "/";
    let Query(mut asked) = Query::<Asked>::try_from_uri(request.uri()).ok().filter(|_| is_first)?;
    asked.remove("token")
}

/// The value of a header that has to be there once.
fn the_one(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then(|| first.to_string())
}

/// The cookie, and the way to the first page. It is no redirect: after one that began at another site, a browser would
/// not send the cookie.
fn let_in(console: &Console) -> Response {
    let notice = Notice { title: "You are let in", text: "The console opens by itself; if not:", is_way_in: true };
    let mut response = html(StatusCode::OK, &notice);
    let cookie = format!("{}; Path=/; HttpOnly; SameSite=Strict", console.cookie());
    match HeaderValue::from_str(&cookie) {
        Ok(cookie) => drop(response.headers_mut().insert(header::SET_COOKIE, cookie)),
        Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
    response
}

fn refused(status: StatusCode, title: &str, text: &str) -> Box<Response> {
    Box::new(html(status, &Notice { title, text, is_way_in: false }))
}
