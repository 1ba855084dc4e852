//! The client against a server on this machine that answers from a script.

use std::sync::Mutex;

use super::*;
use crate::start::scripted::{answer, server, tls};
use hookledger_core::model::provider_call::{MAX_ANSWER_BYTES, OAuthClient};
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
    ApiRequest::get("data", format!("{url}/data?page=2"), auth)
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
    for dead in ["401 Unauthorized", "403 Forbidden"] {
        let token = |token: &str| answer("200 OK", &format!(r#"{{"access_token":"{token}","expires_in":3600}}"#));
        let answers = vec![
            token("t1"),
            answer("200 OK", "one"),
            answer(dead, ""),
            token("t2"),
            answer("200 OK", "two"),
            answer(dead, ""),
            token("t3"),
            answer(dead, ""),
        ];
        let (url, asked) = server(answers).await;
        let api = api(r#"{"client_id":"id","client_secret":"secret"}"#);
        let auth = client_credentials(&url, ClientAuth::Basic);
        let mut statuses = Vec::new();
        for _ in 0..3 {
            statuses.push(api.call(PROVIDER, &request(&url, auth.clone())).await.unwrap().status);
        }
        assert_eq!(statuses, [200, 200, dead[..3].parse().unwrap()]);
        let asked = asked.await.unwrap();
        assert!(asked[0].starts_with("POST /token ") && asked[0].ends_with("\r\n\r\ngrant_type=client_credentials"));
        assert!(asked[0].contains("authorization: Basic aWQ6c2VjcmV0\r\n"), "{}", asked[0]);
        for (index, token) in [(1, "t1"), (2, "t1"), (4, "t2"), (5, "t2"), (7, "t3")] {
            assert!(asked[index].contains(&format!("authorization: Bearer {token}\r\n")), "{index}: {}", asked[index]);
        }
    }
}

/// A client that was replaced may still get tokens which are good for nothing: a new token is asked for as who we are now.
#[tokio::test]
async fn a_dead_token_is_replaced_with_credentials_read_again() {
    for dead in ["401 Unauthorized", "403 Forbidden"] {
        let token = |token: &str| answer("200 OK", &format!(r#"{{"access_token":"{token}","expires_in":3600}}"#));
        let answers = vec![token("t1"), answer(dead, ""), token("t2"), answer("200 OK", "one")];
        let (url, asked) = server(answers).await;
        let api = rotated(r#"{"client_id":"old","client_secret":"s"}"#, r#"{"client_id":"new","client_secret":"s"}"#);
        let auth = client_credentials(&url, ClientAuth::Form);
        assert_eq!(api.call(PROVIDER, &request(&url, auth)).await.unwrap().status, 200, "{dead}");
        assert_eq!(api.rereads(), 1, "{dead}");
        let asked = asked.await.unwrap();
        assert!(asked[0].contains("client_id=old&") && asked[2].contains("client_id=new&"), "{}", asked[2]);
    }
}

fn client_credentials(url: &str, style: ClientAuth) -> Auth {
    Auth::ClientCredentials { token_url: format!("{url}/token"), style, client: OAuthClient::ONLY }
}

/// Whether the endpoint refuses or answers something else: the client may have been rotated meanwhile.
#[tokio::test]
async fn a_client_without_a_token_reads_its_secret_again() {
    let rows = [
        ("401 Unauthorized", r#"{"error":"invalid_client"}"#, ApiError::TokenRefused),
        ("401 Unauthorized", "", ApiError::TokenTrouble),
        ("200 OK", "<html>maintenance</html>", ApiError::TokenTrouble),
    ];
    for (status, body, expected) in rows {
        let (url, asked) = server(vec![answer(status, body)]).await;
        let api = api(r#"{"client_id":"id","client_secret":"secret"}"#);
        let auth = client_credentials(&url, ClientAuth::Form);
        assert_eq!(api.call(PROVIDER, &request(&url, auth)).await.unwrap_err(), expected, "{status} {body}");
        assert_eq!(api.rereads(), 1);
        assert!(asked.await.unwrap()[0].ends_with("&client_id=id&client_secret=secret"));
        let answers = vec![answer(status, body), answer("200 OK", r#"{"access_token":"t"}"#), answer("200 OK", "one")];
        let (url, asked) = server(answers).await;
        let api = rotated(r#"{"client_id":"old","client_secret":"s"}"#, r#"{"client_id":"new","client_secret":"s"}"#);
        let auth = client_credentials(&url, ClientAuth::Form);
        assert_eq!(api.call(PROVIDER, &request(&url, auth)).await.unwrap().status, 200, "{status} {body}");
        assert!(asked.await.unwrap()[1].contains("client_id=new&"));
    }
}

/// What FinBox answers to keys that are wrong.
const UNAUTHORISED: &str = r#"{"detail":"Authentication credentials were not provided."}"#;

#[tokio::test]
async fn a_key_that_was_rotated_in_the_middle_of_a_walk_is_read_again() {
    let bearer = Auth::Bearer { credential: "api_key" };
    let headers = Auth::Headers(&[("x-api-key", "api_key"), ("server-hash", "server_hash")]);
    for (auth, name) in [(bearer, "authorization: Bearer "), (headers, "x-api-key: ")] {
        for dead in ["401 Unauthorized", "403 Forbidden"] {
            let answers = vec![answer(dead, UNAUTHORISED), answer("200 OK", "page 2")];
            let (url, asked) = server(answers).await;
            let api = rotated(r#"{"api_key":"old","server_hash":"h"}"#, r#"{"api_key":"new","server_hash":"h"}"#);
            let response = api.call(PROVIDER, &request(&url, auth.clone())).await.unwrap();
            assert_eq!((response.status, response.body.as_slice()), (200, b"page 2".as_slice()), "{name} {dead}");
            let asked = asked.await.unwrap();
            assert!(asked[0].contains(&format!("{name}old\r\n")), "{}", asked[0]);
            assert!(asked[1].contains(&format!("{name}new\r\n")), "{}", asked[1]);
        }
    }
}

#[tokio::test]
async fn a_refused_key_is_sent_once_more_at_most_and_only_if_it_differs() {
    // One answer in the script for each request that may be made: one more would find nobody there.
    let rows = [
        ("changed, and refused too", r#"{"api_key":"old"}"#, Some(r#"{"api_key":"new"}"#), 2),
        ("the same", r#"{"api_key":"k"}"#, Some(r#"{"api_key":"k"}"#), 1),
        ("taken out", r#"{"api_key":"k"}"#, Some("{}"), 1),
        ("read again just now", r#"{"api_key":"k"}"#, None, 1),
    ];
    for (name, cached, fresh, requests) in rows {
        for (dead, status) in [("401 Unauthorized", 401), ("403 Forbidden", 403)] {
            let api = fresh.map_or_else(|| api(cached), |fresh| rotated(cached, fresh));
            let (url, asked) = server(vec![answer(dead, UNAUTHORISED); requests]).await;
            let response = api.call(PROVIDER, &request(&url, Auth::Bearer { credential: "api_key" })).await.unwrap();
            assert_eq!((response.status, api.rereads()), (status, 1), "{name}");
            assert_eq!(asked.await.unwrap().len(), requests, "{name}");
        }
    }
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
    let (url, _asked) = server(vec![moved, limited]).await;
    let api = api(r#"{"api_key":"k1"}"#);
    let request = request(&url, Auth::Bearer { credential: "api_key" });
    assert_eq!(api.call(PROVIDER, &request).await.unwrap().status, 302);
    assert_eq!(api.call(PROVIDER, &request).await.unwrap().retry_after_secs, Some(17));
}

/// Nobody asks for an encoding, and what is encoded all the same is handed on as it came: it is no JSON, and is not taken
/// for JSON.
#[tokio::test]
async fn no_encoding_is_asked_for_and_none_is_undone() {
    const GZIP: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xab, 0xae, 5, 0, 0x43, 0xbf, 0xa6, 0xa3, 2, 0, 0, 0];
    let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", GZIP.len());
    let (url, asked) = server(vec![[head.as_bytes(), GZIP].concat()]).await;
    let api = api(r#"{"api_key":"k1"}"#);
    let request = request(&url, Auth::Bearer { credential: "api_key" });
    assert_eq!(api.call(PROVIDER, &request).await.unwrap().body, GZIP);
    let asked = asked.await.unwrap();
    assert!(asked[0].contains("accept-encoding: identity\r\n"), "{}", asked[0]);
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
        let request = ApiRequest::get("data", url.to_string(), Auth::Bearer { credential });
        api.call(PROVIDER, &request).await.unwrap_err()
    };
    assert_eq!(call("https://api.example.com/", "absent").await, ApiError::NoCredentials);
    assert_eq!(call("https://api.example.com/", "empty").await, ApiError::NoCredentials);
    assert_eq!(call("https://api.example.com/", "api_key").await, ApiError::NoCredentials);
    // Port 9 of this machine: nobody listens there.
    let api = self::api(r#"{"api_key":"k"}"#);
    let request = |url: &str| ApiRequest::get("data", url.into(), Auth::Bearer { credential: "api_key" });
    assert_eq!(api.call(PROVIDER, &request("http://127.0.0.1:9/")).await.unwrap_err(), ApiError::Unreachable);
    assert_eq!(api.call(PROVIDER, &request("http://api.example.com/")).await.unwrap_err(), ApiError::BadRequest);
}
