//! AWS, as far as the page needs it beside the table: queues on which nothing waits, and a secret.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::town::text;

/// The token of FinBox's URL, in the stack's secret.
pub(super) const TOKEN: &str = "t-0123456789abcdef0123456789abcdef";

/// The table's address with queues and a secret beside it: nothing waits on them, and every message is taken. AWS has one
/// endpoint here.
pub(super) async fn with_queues(table: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (base, table) = (url.clone(), table.trim_start_matches("http://").to_string());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, base.clone(), table.clone()));
        }
    });
    url
}

/// One request, and the connection ends: so each goes where it belongs.
async fn answer(mut stream: TcpStream, base: String, table: String) {
    let (mut asked, mut buffer) = (Vec::new(), vec![0; 65_536]);
    while !is_whole(&asked) {
        match stream.read(&mut buffer).await {
            Ok(read) if read > 0 => asked.extend(buffer.iter().take(read)),
            _ => return,
        }
    }
    let head = text(&asked);
    let mut answer = Vec::new();
    if head.contains("AmazonSQS.") || head.contains("secretsmanager.") {
        let body = queue(&head, &base);
        let kind = "content-type: application/x-amz-json-1.0\r\nconnection: close";
        answer = format!("HTTP/1.1 200 OK\r\n{kind}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes();
    } else if let Ok(mut onward) = TcpStream::connect(table).await {
        let end = asked.windows(2).position(|at| at == b"\r\n").unwrap_or_default();
        asked.splice(end..end, *b"\r\nconnection: close");
        let _ = onward.write_all(&asked).await;
        let _ = onward.read_to_end(&mut answer).await;
    }
    let _ = stream.write_all(&answer).await;
}

fn is_whole(asked: &[u8]) -> bool {
    let Some(end) = asked.windows(4).position(|at| at == b"\r\n\r\n") else { return false };
    let head = text(asked.get(..end).unwrap_or_default()).to_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.trim().parse().ok());
    asked.len() >= end + 4 + length.unwrap_or(0_usize)
}

fn queue(asked: &str, base: &str) -> String {
    if asked.contains("secretsmanager.") {
        let secret = json!({ "url_tokens": [{ "id": "2026-11", "value": TOKEN }] }).to_string();
        return json!({ "ARN": "arn", "Name": "n", "VersionId": "v", "SecretString": secret }).to_string();
    }
    if asked.contains("AmazonSQS.GetQueueUrl") {
        return json!({ "QueueUrl": format!("{base}/queue") }).to_string();
    }
    if asked.contains("AmazonSQS.SendMessage") {
        return json!({ "MessageId": "m-1", "MD5OfMessageBody": "" }).to_string();
    }
    let dead = json!({ "deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:dead" }).to_string();
    let sources = json!({ "sourceQueueArns": ["arn:aws:sqs:us-east-1:000000000000:rescue"] }).to_string();
    let attributes =
        json!({ "ApproximateNumberOfMessages": "0", "RedrivePolicy": dead, "RedriveAllowPolicy": sources });
    json!({ "Attributes": attributes }).to_string()
}
