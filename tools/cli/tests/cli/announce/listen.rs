//! What needs no stack: listening to a test button, completions, manual pages, help.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::town::text;

const TOKEN: &str = "0123456789abcdefghijkl";

fn hookledger(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookledger"));
    command.env_clear().current_dir("/").args(arguments);
    command
}

/// A listener that has said where it is, and that address.
fn listening(arguments: &[&str]) -> (Child, String) {
    let command = &mut hookledger(&[&["listen"], arguments].concat());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Byte by byte: what comes later stays in the pipe.
    let (mut said, mut byte) = (String::new(), [0]);
    let error = child.stderr.as_mut().unwrap();
    while !said.ends_with('\n') && error.read(&mut byte).unwrap() > 0 {
        said.push(char::from(byte[0]));
    }
    let address = said.strip_prefix("http://").and_then(|rest| rest.split(' ').next()).unwrap_or_default();
    assert!(address.starts_with("127.0.0.1:"), "{said}");
    (child, address.to_string())
}

/// Sends a request as it stands, and returns the answer.
fn sent(address: &str, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    // The answer to what is too long comes before all of it is sent.
    let _ = stream.write_all(request);
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

fn post(path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nhost: h\r\nx-secret: {TOKEN}\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

fn ended(child: Child) -> Output {
    child.wait_with_output().unwrap()
}

#[test]
fn what_a_test_button_sends_is_shown_without_its_token() {
    let (child, address) = listening(&["--count", "2"]);
    let answer = sent(&address, &post(&format!("/webhooks/finbox/{TOKEN}?k={TOKEN}"), r#"{"ssn":"000-12-3456"}"#));
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\n{}"), "{answer}");
    // What is no request counts for none, and is told.
    sent(&address, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n");
    sent(&address, b"GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    let output = ended(child);
    let shown = text(&output.stdout);
    assert!(text(&output.stderr).contains("is it https?"), "{}", text(&output.stderr));
    assert_eq!((output.status.code(), shown.lines().count()), (Some(0), 2), "{shown}");
    assert!(shown.contains("POST  /webhooks/finbox/***?k=***  21 bytes  "), "{shown}");
    assert!(shown.contains("x-secret") && !shown.contains(TOKEN) && !shown.contains("ssn"), "{shown}");
    assert!(text(&output.stderr).contains("requests that came: 2"));
}

#[test]
fn a_program_reads_what_came_as_it_comes_or_at_the_end() {
    for (form, status) in [("jsonl", "503"), ("json", "204")] {
        let (child, address) = listening(&["--count", "1", "--body", "--status", status, "-o", form]);
        // Whoever connects and says nothing keeps nobody waiting.
        let silent = TcpStream::connect(&address).unwrap();
        let answer = sent(&address, &post("/hook", "a\u{1b}[2J\nb"));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        let output = ended(child);
        drop(silent);
        let shown = text(&output.stdout);
        assert!(!shown.contains('\u{1b}'), "{shown}");
        let document: Value = serde_json::from_str(&shown).unwrap();
        let row = if form == "json" { &document["rows"][0] } else { &document };
        assert_eq!((row["bytes"].as_u64(), row["body"].as_str()), (Some(7), Some("a\u{1b}[2J\nb")), "{shown}");
        assert_eq!(row["headers"], serde_json::json!(["host", "x-secret", "content-length"]));
    }
}

#[test]
fn a_body_without_end_is_refused() {
    let (child, address) = listening(&["--count", "1"]);
    let mut request = b"POST /hook HTTP/1.1\r\nhost: h\r\ncontent-length: 20000000\r\n\r\n".to_vec();
    request.resize(11_000_000, b'x');
    sent(&address, &request);
    let shown = text(&ended(child).stdout);
    assert!(shown.contains("more than 10000000 bytes: answered 413"), "{shown}");
}

#[test]
fn ctrl_c_ends_it_and_a_taken_port_is_named() {
    for (arguments, code) in [(&[][..], 0), (&["--count", "2"][..], 5)] {
        let (child, address) = listening(arguments);
        let port = address.rsplit(':').next().unwrap();
        let second = hookledger(&["listen", "--port", port]).output().unwrap();
        let said = text(&second.stderr);
        assert!(second.status.code() == Some(1) && said.contains(&format!("127.0.0.1:{port} can't be")), "{said}");
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        assert_eq!(ended(child).status.code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn a_listener_whose_reader_is_gone_ends() {
    let (mut child, address) = listening(&[]);
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    sent(&address, &post("/hook", ""));
    out.read_line(&mut line).unwrap();
    drop(out);
    sent(&address, &post("/hook", ""));
    let output = ended(child);
    assert_eq!((output.status.code(), text(&output.stderr).contains("panic")), (Some(0), false));
}

#[test]
fn completions_and_pages_know_all_commands_and_need_no_stack() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = hookledger(&["completions", shell]).output().unwrap();
        let script = text(&output.stdout);
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{shell}");
        for word in ["expect", "import", "rotate-secret", "hookledger"] {
            assert!(script.contains(word), "{shell} lacks {word}");
        }
    }
    assert_eq!(hookledger(&["completions", "tcsh"]).output().unwrap().status.code(), Some(2));
    let page = hookledger(&["man"]).output().unwrap();
    assert!(
        text(&page.stdout).starts_with(".ie") && text(&page.stdout).contains("hookledger"),
        "{}",
        text(&page.stdout)
    );
    let folder = std::env::temp_dir().join(format!("hookledger-man-{}", std::process::id()));
    let written = hookledger(&["man", folder.to_str().unwrap()]).output().unwrap();
    assert_eq!((written.status.code(), written.stdout.len()), (Some(0), 0), "{}", text(&written.stderr));
    for page in ["hookledger.1", "hookledger-expect-import.1", "hookledger-fynapse-rotate-secret.1"] {
        let text = std::fs::read_to_string(folder.join(page)).unwrap();
        assert!(text.contains("Example: hookledger") || text.contains("Examples: hookledger"), "{page}: {text}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

/// `man hookledger | head` is nobody's error.
#[test]
fn a_page_that_nobody_reads_to_its_end_is_no_error() {
    let mut child = hookledger(&["completions", "zsh"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut byte = [0];
    child.stdout.take().unwrap().read_exact(&mut byte).unwrap();
    let output = ended(child);
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
}
