//! What all requests share: the stack, and the three secrets of this run.

use std::sync::{Mutex, PoisonError};

use hookledger_aws::AwsInbox;
use subtle::ConstantTimeEq as _;

use super::jobs::Jobs;
use crate::stack::Stack;

/// The bytes of a secret of this run.
const SECRET_BYTES: usize = 32;

/// The console, as it runs.
pub(crate) struct Console {
    pub(crate) stack: Stack,
    pub(crate) inbox: AwsInbox,
    /// It may act.
    pub(crate) write: bool,
    pub(crate) port: u16,
    /// In the URL that is printed; gone once it was used.
    token: Mutex<Option<String>>,
    /// In the cookie.
    session: String,
    /// In every form.
    pub(crate) csrf: String,
    /// What was ordered in this run.
    pub(crate) jobs: Jobs,
}

impl Console {
    /// A console with new secrets; and the token that lets one browser in.
    pub(crate) fn new(stack: Stack, write: bool, port: u16) -> anyhow::Result<(Self, String)> {
        let inbox = stack.inbox()?;
        let token = secret()?;
        let known = Mutex::new(Some(token.clone()));
        Ok((
            Self {
                stack,
                inbox,
                write,
                port,
                token: known,
                session: secret()?,
                csrf: secret()?,
                jobs: Jobs::default(),
            },
            token,
        ))
    }

    /// Takes the token. It is good for one browser, once.
    pub(crate) fn spend(&self, token: &str) -> bool {
        let mut known = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = known.as_deref().is_some_and(|known| is_equal(known, token));
        if is_it {
            *known = None;
        }
        is_it
    }

    /// The cookie. A browser sends it to every port of this machine, so its name has the port.
    pub(crate) fn cookie(&self) -> String {
        format!("{}={}", self.cookie_name(), self.session)
    }

    /// Whether one of these cookies is ours.
    pub(crate) fn knows<'a>(&self, cookies: impl Iterator<Item = &'a str>) -> bool {
        let mut pairs = cookies.flat_map(|header| header.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.any(|(name, value)| name == self.cookie_name() && is_equal(&self.session, value))
    }

    fn cookie_name(&self) -> String {
        format!("hookledger-{}", self.port)
    }
}

/// In a time that does not tell where they differ.
pub(crate) fn is_equal(known: &str, given: &str) -> bool {
    known.as_bytes().ct_eq(given.as_bytes()).into()
}

fn secret() -> anyhow::Result<String> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no random bytes: {error}"))?;
    Ok(hex::encode(bytes))
}
