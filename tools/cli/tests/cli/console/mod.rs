//! The operator's page, as a browser has it: the real command, over HTTP.

mod acts;
mod doctor;
mod hostile;
mod merchants;
mod pages;
mod reverify;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use crate::town::Town;

/// A console, and a browser that it let in.
pub(crate) struct Browser {
    child: Child,
    pub(crate) port: u16,
    /// The path of the URL that was printed.
    pub(crate) first: String,
    pub(crate) cookie: String,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The CSRF token of its forms.
    pub(crate) fn csrf(&self) -> Option<String> {
        let (_, rest) = self.body.split_once("name=\"csrf\" value=\"")?;
        rest.split_once('"').map(|(token, _)| token.to_string())
    }

    /// The addresses of its links and forms that begin like this.
    pub(crate) fn links(&self, begin: &str) -> Vec<String> {
        let parts = self.body.split(['"', '\'']).filter(|part| part.starts_with(begin));
        parts.map(|part| part.replace("&amp;", "&")).collect()
    }
}

impl Browser {
    /// Starts a console and goes in.
    pub(crate) async fn new(town: &Town, arguments: &[&str]) -> Self {
        Self::outside(town, arguments).await.let_in().await
    }

    /// Goes in, by the URL that was printed.
    pub(crate) async fn let_in(self) -> Self {
        let mut browser = self;
        let first = browser.first.clone();
        let answer = browser.get(&first).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let cookie = answer.header("set-cookie").unwrap().to_string();
        for wanted in ["; HttpOnly", "; SameSite=Strict", "; Path=/"] {
            assert!(cookie.contains(wanted), "{cookie}");
        }
        browser.cookie = cookie.split(';').next().unwrap().to_string();
        browser
    }

    /// Starts a console.
    pub(crate) async fn outside(town: &Town, arguments: &[&str]) -> Self {
        Self::of(town.command(&[&["console"], arguments].concat())).await
    }

    /// Starts a console by this command.
    pub(crate) async fn of(command: Command) -> Self {
        Self::telling(command, Stdio::null()).await
    }

    /// Starts a console by this command, and what it tells at the terminal goes there.
    pub(crate) async fn telling(mut command: Command, terminal: Stdio) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(terminal).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let read = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line).unwrap();
            line
        });
        let url = read.await.unwrap();
        let rest = url.trim().strip_prefix("http://127.0.0.1:").expect("the first line is the URL");
        let (port, first) = rest.split_once('/').unwrap();
        Self { child, port: port.parse().unwrap(), first: format!("/{first}"), cookie: String::new() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: {}\r\ncookie: {}\r\n\r\n", self.host(), self.cookie)).await
    }

    /// Sends a form, as a page of the console does.
    pub(crate) async fn post(&self, path: &str, form: &str) -> Answer {
        let origin = format!("http://{}", self.host());
        self.send(&self.form(path, &[("origin", &origin), ("cookie", &self.cookie)], form)).await
    }

    /// Orders an act by a form, as a page of the console does, and waits for its end on its page.
    pub(crate) async fn act(&self, path: &str, form: &str) -> Answer {
        let begun = self.post(path, form).await;
        assert_eq!(begun.status, 303, "{path}: {}", begun.body);
        let page = begun.header("location").unwrap().to_string();
        loop {
            let answer = self.get(&page).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            if answer.body.contains("data-ended") {
                return answer;
            }
            // What goes on comes again by itself, without script.
            assert!(answer.header("refresh").is_some(), "{}", answer.head);
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// A form with these headers.
    pub(crate) fn form(&self, path: &str, headers: &[(&str, &str)], form: &str) -> String {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let (host, bytes) = (self.host(), form.len());
        format!(
            "POST {path} HTTP/1.1\r\nhost: {host}\r\n{headers}content-type: application/x-www-form-urlencoded\r\n\
             content-length: {bytes}\r\n\r\n{form}"
        )
    }

    /// Ctrl-c; how it ended.
    pub(crate) async fn interrupt(&mut self) -> Option<i32> {
        let sent = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        for _ in 0..600 {
            if let Some(ended) = self.child.try_wait().unwrap() {
                return ended.code();
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        None
    }

    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Sends a request as it is written here.
    pub(crate) async fn send(&self, request: &str) -> Answer {
        let (port, request) = (self.port, request.replacen("\r\n", "\r\nconnection: close\r\n", 1));
        let talk = move || {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            // One that is refused half-way is not read to its end.
            let _ = stream.write_all(request.as_bytes());
            let mut bytes = Vec::new();
            let _ = stream.read_to_end(&mut bytes);
            let text = String::from_utf8(bytes).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
            let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default();
            Answer { status, head: head.replace('\r', ""), body: body.to_string() }
        };
        tokio::task::spawn_blocking(talk).await.unwrap()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
