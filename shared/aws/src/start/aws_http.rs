//! The HTTP client under the AWS SDK.
//!
//! **Rationale.** The SDK's own client takes root certificates as PEM alone, parses them for every client that is built,
//! and brings HTTP/2, which none of these services speaks. This one sends the SDK's requests as those to the providers'
//! APIs are sent (docs/performance.md has what that saves).

use std::time::Duration;

use aws_smithy_runtime_api::client::connection::{CaptureSmithyConnection, ConnectionMetadata};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};

use crate::start::tls::{Pool, Tls};

/// Inside one region a connection is made in milliseconds. What takes longer than this is not coming.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// A client that all services share, with its connections. Of the SDK's timeouts those of an attempt and of an operation
/// hold; connecting has its own here.
pub fn http_client(tls: &Tls) -> SharedHttpClient {
    let connector = SharedHttpConnector::new(Connector(tls.pool(CONNECT_TIMEOUT)));
    http_client_fn(move |_, _| connector.clone())
}

#[derive(Debug)]
struct Connector(Pool<SdkBody>);

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        let connection = capture_connection(&mut request);
        if let Some(sdk) = request.extensions().get::<CaptureSmithyConnection>() {
            sdk.set_connection_retriever(move || Some(metadata(connection.clone())));
        }
        let answer = self.0.request(request);
        HttpConnectorFuture::new(async move {
            // Whatever it was that failed, the exchange did not come to its end: the SDK may try it once more.
            let answer = answer.await.map_err(|error| ConnectorError::io(error.into()))?;
            HttpResponse::try_from(answer.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// Lets the SDK give up a connection over which a service failed: the next attempt meets another of its machines.
fn metadata(connection: CaptureConnection) -> ConnectionMetadata {
    let poison = move || {
        if let Some(connected) = connection.connection_metadata().as_ref() {
            connected.poison();
        }
    };
    ConnectionMetadata::builder().proxied(false).poison_fn(poison).build()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use crate::start::aws_error::Failure;
    use crate::start::scripted::clients;

    const DONE: &str = "200 OK";
    const FAILED: &str = "500 Internal Server Error";

    /// A service that keeps its connections open. Each takes its next answer from its own list, and hangs up without one
    /// when the list is at its end; the count is of the requests it was sent.
    async fn service(connections: Vec<Vec<&'static str>>) -> (String, Arc<AtomicU32>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicU32::new(0));
        let counted = requests.clone();
        tokio::spawn(async move {
            for answers in connections {
                let (mut stream, _) = listener.accept().await.unwrap();
                let counted = counted.clone();
                tokio::spawn(async move {
                    let mut answers = answers.into_iter();
                    // A request of these tests fits in one read.
                    while stream.read(&mut [0; 8192]).await.is_ok_and(|read| read > 0) {
                        counted.fetch_add(1, Ordering::Relaxed);
                        let Some(status) = answers.next() else { break };
                        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\n{{}}");
                        stream.write_all(answer.as_bytes()).await.unwrap();
                    }
                });
            }
        });
        (url, requests)
    }

    /// Calls so many times, one after the other, and says how often that failed and what was sent.
    async fn call(times: u32, connections: Vec<Vec<&'static str>>) -> (u32, u32) {
        let (url, requests) = service(connections).await;
        let queue = clients(&url).sqs;
        let mut failed = 0;
        for _ in 0..times {
            failed += u32::from(queue.get_queue_attributes().queue_url(format!("{url}/q")).send().await.is_err());
        }
        (failed, requests.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn a_connection_serves_one_call_after_the_other() {
        assert_eq!(call(3, vec![vec![DONE, DONE, DONE]]).await, (0, 3));
    }

    #[tokio::test]
    async fn a_connection_on_which_the_service_failed_is_given_up() {
        // On the first connection nothing but failures is to be had.
        assert_eq!(call(2, vec![vec![FAILED, FAILED, FAILED], vec![DONE, DONE]]).await, (0, 3));
    }

    #[tokio::test]
    async fn an_exchange_that_is_broken_off_is_tried_once_more() {
        assert_eq!(call(1, vec![vec![], vec![DONE]]).await, (0, 2));
        assert_eq!(call(1, vec![vec![], vec![], vec![DONE]]).await, (1, 2));
    }

    #[tokio::test]
    async fn a_connection_that_has_died_is_not_noticed() {
        assert_eq!(call(3, vec![vec![DONE], vec![DONE], vec![DONE]]).await, (0, 5));
    }

    #[tokio::test]
    async fn an_answer_that_stops_in_the_middle_ends_with_its_attempt() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let mut open = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let asked = stream.read(&mut [0; 8192]).await.unwrap();
                assert!(asked > 0, "the client hung up");
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{").await.unwrap();
                open.push(stream);
            }
        });
        let call = clients(&url).sqs.get_queue_attributes().queue_url(format!("{url}/q"));
        assert_eq!(Failure::of(&call.send().await.unwrap_err()), Failure::Unavailable("timed out"));
    }

    #[tokio::test]
    async fn nobody_there_is_a_failure_to_wait_out() {
        let queue = clients("http://127.0.0.1:9").sqs;
        let error = queue.get_queue_attributes().queue_url("http://127.0.0.1:9/q").send().await.unwrap_err();
        assert_eq!(Failure::of(&error), Failure::Unavailable("not reachable"));
    }
}
