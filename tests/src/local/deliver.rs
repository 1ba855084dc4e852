//! Deliveries to the stack's webhooks, without the sandbox.

use std::time::{SystemTime, UNIX_EPOCH};

use hookledger_kit as kit;

use super::{Answered, Local, Outcome, Post};

impl Local {
    /// A delivery that is proved with this secret, so many seconds ago.
    pub fn post(&self, provider: &str, body: &str, secret: &str, ago_secs: u64) -> Outcome<Post> {
        let kit = kit::of(provider);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?;
        let at_secs = i64::try_from(now.as_secs() - ago_secs).map_err(|error| error.to_string())?;
        let proof = (kit.prove)(body.as_bytes(), secret, at_secs);
        let url = format!("{}{}", self.stack.base(), kit.path(proof.path_token.as_deref()));
        let headers = [vec![("content-type", "application/json".into())], proof.headers].concat();
        Ok(Post { url, headers, body: body.into() })
    }

    /// Sends it.
    pub async fn send(&self, post: Post) -> Outcome<Answered> {
        let headers: Vec<(&str, &str)> = post.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.http.send("POST", &post.url, &headers, post.body.into_bytes()).await
    }

    /// Delivers to this stack as the provider would. The sandbox delivers to the first stack alone.
    pub async fn deliver(&self, provider: &str, body: &str) -> Outcome<Answered> {
        self.send(self.post(provider, body, self.stack.proof(provider)?, 0)?).await
    }
}
