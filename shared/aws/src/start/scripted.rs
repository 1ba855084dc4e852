//! For tests: a server on this machine that answers from a script. It stands for a provider's API or an AWS service
//! where an answer is wanted that no emulator gives.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::start::clients::Clients;
use crate::start::env::AwsEnv;
use crate::start::tls::Tls;
use hookledger_core::model::secret::Secret;

/// Trusts whom everybody trusts.
pub(crate) fn tls() -> Tls {
    Tls::new(None).unwrap()
}

/// Clients of a service at this URL.
pub(crate) fn clients(url: impl Into<String>) -> Clients {
    let aws = AwsEnv {
        region: "us-east-1".into(),
        access_key_id: "test".into(),
        secret_access_key: Secret::new("test"),
        session_token: None,
        endpoint_url: Some(url.into()),
    };
    Clients::new(&aws, &tls())
}

/// Answers one connection after the other with these bytes, and hands back what was asked.
pub(crate) async fn server<A: AsRef<[u8]> + Send + 'static>(
    answers: Vec<A>,
) -> (String, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = tokio::spawn(async move {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            let whole = |request: &[u8]| {
                let text = String::from_utf8_lossy(request).to_string();
                let (head, body) = text.split_once("\r\n\r\n")?;
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                (body.len() >= length.map_or(0, |length| length.parse().unwrap())).then_some(text)
            };
            while whole(&request).is_none() {
                let mut buffer = [0; 4096];
                let read = stream.read(&mut buffer).await.unwrap();
                assert!(read > 0, "the client hung up");
                request.extend_from_slice(&buffer[..read]);
            }
            asked.push(whole(&request).unwrap());
            // The client may hang up on an answer that is too large.
            let _ = stream.write_all(answer.as_ref()).await;
        }
        asked
    });
    (url, asked)
}

/// An answer with a body, after which the connection is closed.
pub(crate) fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{body}", body.len()).replacen(
        "close\r\n",
        "close\r\n\r\n",
        1,
    )
}
