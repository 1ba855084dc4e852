//! The client against a server on this machine that answers from a script.

use std::sync::Mutex;

use super::*;
use crate::scripted::{answer, server, tls};
use hookledger_core::api::{MAX_ANSWER_BYTES, OAuthClient};
use hookledger_core::ports::SecretsError;

const PROVIDER: ProviderId = ProviderId("finbox");

/// A cached secret, what is stored meanwhile if it differs, and how often it was read again.
struct Stored {
    cached: Arc<ProviderSecrets>,
    fresh: Option<Arc<ProviderSecrets>>,
    rereads: Mutex<u32>,
}

impl Secrets for Stored {
    async fn get(&self, _: ProviderId) -> Result<Arc<ProviderSecrets>, SecretsError> {
        Ok(self.cached.clone())
    }

    async fn reread(&self, _: ProviderId) -> Result<Option<Arc<ProviderSecrets>>, SecretsError> {
        *self.rereads.lock().unwrap() += 1;
        Ok(self.fresh.clone())
    }
}

fn secrets(api: &str) -> Arc<ProviderSecrets> {
    Arc::new(ProviderSecrets::parse(&format!(r#"{{"api":{api}}}"#)).unwrap())
}

fn api(json: &str) -> HttpProviderApi<Stored> {
    let stored = Stored { cached: secrets(json), fresh: None, rereads: Mutex::default() };
    HttpProviderApi::new(Arc::new(stored), &tls())
}

/// An API whose secret was changed after it was cached.
fn rotated(cached: &str, fresh: &str) -> HttpProviderApi<Stored> {
    let stored = Stored { cached: secrets(cached), fresh: Some(secrets(fresh)), rereads: Mutex::default() };
    HttpProviderApi::new(Arc::new(stored), &tls())
}

impl HttpProviderApi<Stored> {
    fn rereads(&self) -> u32 {
        *self.secrets.rereads.lock().unwrap()
    }
}

fn request(url: &str, auth: Auth) -> ApiRequest {
    ApiRequest::get(format!("{url}/data?page=2"), auth)
}

#[tokio::test]
async fn credentials_are_sent_as_the_provider_wants_them() {
    let (url, asked) = server(vec![answer("200 OK", "{}"), answer("404 Not Found", "gone")]).await;
    let api = api(r#"{"api_key":"k1","server_hash":"h1"}"#);
    let response = api.call(PROVIDER, &request(&url, Auth::Bearer { credential: "api_key" })).await.unwrap();
    assert_eq!((response.status, response.body.as_slice()), (200, b"{}".as_slice()));
    let headers = Auth::Headers(&[("x-api-key", "api_key"), ("server-hash", "server_hash")]);
    assert_eq!(api.call(PROVIDER, &request(&url, headers)).await.unwrap().status, 404);
    let asked = asked.await.unwrap();
    assert!(asked[0].starts_with("GET /data?page=2 HTTP/1.1\r\n"), "{}", asked[0]);
    assert!(asked[0].contains("authorization: Bearer k1\r\n"), "{}", asked[0]);
    assert!(asked[1].contains("x-api-key: k1\r\n") && asked[1].contains("server-hash: h1\r\n"), "{}", asked[1]);
}

#[tokio::test]
async fn a_token_is_fetched_once_and_replaced_once_when_refused() {
    let token = |token: &str| answer("200 OK", &format!(r#"{{"access_token":"{token}","expires_in":3600}}"#));
    let answers = vec![
        token("t1"),
        answer("200 OK", "one"),
        answer("401 Unauthorized", ""),
        token("t2"),
        answer("200 OK", "two"),
        answer("401 Unauthorized", ""),
        token("t3"),
        answer("401 Unauthorized", ""),
    ];
    let (url, asked) = server(answers).await;
    let api = api(r#"{"client_id":"id","client_secret":"secret"}"#);
    let auth = Auth::ClientCredentials {
        token_url: format!("{url}/token"),
        style: ClientAuth::Basic,
        client: OAuthClient::ONLY,
    };
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(api.call(PROVIDER, &request(&url, auth.clone())).await.unwrap().status);
    }
    assert_eq!(statuses, [200, 200, 401]);
    let asked = asked.await.unwrap();
    assert!(asked[0].starts_with("POST /token ") && asked[0].ends_with("\r\n\r\ngrant_type=client_credentials"));
    assert!(asked[0].contains("authorization: Basic aWQ6c2VjcmV0\r\n"), "{}", asked[0]);
    for (index, token) in [(1, "t1"), (2, "t1"), (4, "t2"), (5, "t2"), (7, "t3")] {
        assert!(asked[index].contains(&format!("authorization: Bearer {token}\r\n")), "{index}: {}", asked[index]);
    }
}

#[tokio::test]
async fn a_refused_client_reads_its_secret_again() {
    let (url, asked) = server(vec![answer("401 Unauthorized", "")]).await;
    let api = api(r#"{"client_id":"id","client_secret":"secret"}"#);
    let auth = Auth::ClientCredentials {
        token_url: format!("{url}/token"),
        style: ClientAuth::Form,
        client: OAuthClient::ONLY,
    };
    assert_eq!(api.call(PROVIDER, &request(&url, auth)).await.unwrap_err(), ApiError::TokenRefused);
    assert_eq!(api.rereads(), 1);
    assert!(asked.await.unwrap()[0].ends_with("&client_id=id&client_secret=secret"));
}

/// What FinBox answers to keys that are wrong.
const UNAUTHORISED: &str = r#"{"detail":"Authentication credentials were not provided."}"#;

#[tokio::test]
async fn a_key_that_was_rotated_in_the_middle_of_a_walk_is_read_again() {
    let bearer = Auth::Bearer { credential: "api_key" };
    let headers = Auth::Headers(&[("x-api-key", "api_key"), ("server-hash", "server_hash")]);
    for (auth, name) in [(bearer, "authorization: Bearer "), (headers, "x-api-key: ")] {
        let answers = vec![answer("401 Unauthorized", UNAUTHORISED), answer("200 OK", "page 2")];
        let (url, asked) = server(answers).await;
        let api = rotated(r#"{"api_key":"old","server_hash":"h"}"#, r#"{"api_key":"new","server_hash":"h"}"#);
        let response = api.call(PROVIDER, &request(&url, auth)).await.unwrap();
        assert_eq!((response.status, response.body.as_slice()), (200, b"page 2".as_slice()), "{name}");
        let asked = asked.await.unwrap();
        assert!(asked[0].contains(&format!("{name}old\r\n")), "{}", asked[0]);
        assert!(asked[1].contains(&format!("{name}new\r\n")), "{}", asked[1]);
    }
}

#[tokio::test]
async fn a_refused_key_is_sent_once_more_at_most_and_only_if_it_differs() {
    let refused = || answer("401 Unauthorized", UNAUTHORISED);
    // One answer in the script for each request that may be made: one more would find nobody there.
    let rows = [
        ("changed, and refused too", rotated(r#"{"api_key":"old"}"#, r#"{"api_key":"new"}"#), 2),
        ("the same", rotated(r#"{"api_key":"k"}"#, r#"{"api_key":"k"}"#), 1),
        ("taken out", rotated(r#"{"api_key":"k"}"#, "{}"), 1),
        ("read again just now", api(r#"{"api_key":"k"}"#), 1),
    ];
    for (name, api, requests) in rows {
        let (url, asked) = server((0..requests).map(|_| refused()).collect()).await;
        let response = api.call(PROVIDER, &request(&url, Auth::Bearer { credential: "api_key" })).await.unwrap();
        assert_eq!((response.status, api.rereads()), (401, 1), "{name}");
        assert_eq!(asked.await.unwrap().len(), requests, "{name}");
    }
    // Forbidden is not unauthorised: no other key would help.
    let (url, _asked) = server(vec![answer("403 Forbidden", "")]).await;
    let api = rotated(r#"{"api_key":"old"}"#, r#"{"api_key":"new"}"#);
    let response = api.call(PROVIDER, &request(&url, Auth::Bearer { credential: "api_key" })).await.unwrap();
    assert_eq!((response.status, api.rereads()), (403, 0));
}

#[tokio::test]
async fn a_client_that_was_just_filled_in_is_found() {
    let token = answer("200 OK", r#"{"access_token":"t1","expires_in":3600}"#);
    let (url, asked) = server(vec![token, answer("200 OK", "one")]).await;
    let client = OAuthClient { id: "reporting_client_id", secret: "reporting_client_secret" };
    let auth = Auth::ClientCredentials { token_url: format!("{url}/token"), style: ClientAuth::Form, client };
    let filled_in = r#"{"reporting_client_id":"r","reporting_client_secret":"s"}"#;
    let response = rotated("{}", filled_in).call(PROVIDER, &request(&url, auth.clone())).await.unwrap();
    assert_eq!(response.status, 200);
    assert!(asked.await.unwrap()[0].ends_with("&client_id=r&client_secret=s"));
    let unchanged = rotated("{}", "{}").call(PROVIDER, &request(&url, auth)).await;
    assert_eq!(unchanged.unwrap_err(), ApiError::NoCredentials);
}

#[tokio::test]
async fn redirects_are_answers_and_retry_after_is_read() {
    let moved = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let limited = "HTTP/1.1 429 Too Many\r\nretry-after: 17\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let (url, _asked) = server(vec![moved.into(), limited.into()]).await;
    let api = api(r#"{"api_key":"k1"}"#);
    let request = request(&url, Auth::Bearer { credential: "api_key" });
    assert_eq!(api.call(PROVIDER, &request).await.unwrap().status, 302);
    assert_eq!(api.call(PROVIDER, &request).await.unwrap().retry_after_secs, Some(17));
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let endless = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}", "x".repeat(MAX_ANSWER_BYTES + 1));
    let (url, _asked) = server(vec![endless]).await;
    let api = api(r#"{"api_key":"k1"}"#);
    let request = request(&url, Auth::Bearer { credential: "api_key" });
    assert_eq!(api.call(PROVIDER, &request).await.unwrap_err(), ApiError::TooLarge);
}

#[tokio::test]
async fn what_cannot_be_sent_is_not_sent() {
    let api = api(r#"{"api_key":"line\nbreak","empty":""}"#);
    let call = async |url: &str, credential| {
        let request = ApiRequest::get(url.to_string(), Auth::Bearer { credential });
        api.call(PROVIDER, &request).await.unwrap_err()
    };
    assert_eq!(call("https://api.example.com/", "absent").await, ApiError::NoCredentials);
    assert_eq!(call("https://api.example.com/", "empty").await, ApiError::NoCredentials);
    assert_eq!(call("https://api.example.com/", "api_key").await, ApiError::NoCredentials);
    // Port 9 of this machine: nobody listens there.
    let api = self::api(r#"{"api_key":"k"}"#);
    let request = |url: &str| ApiRequest::get(url.into(), Auth::Bearer { credential: "api_key" });
    assert_eq!(api.call(PROVIDER, &request("http://127.0.0.1:9/")).await.unwrap_err(), ApiError::Unreachable);
    assert_eq!(api.call(PROVIDER, &request("http://api.example.com/")).await.unwrap_err(), ApiError::BadRequest);
}
