//! `hookledger submit <provider> FILE`, also spelt `hookledger <provider> submit FILE`: an application's request, sent
//! through the same flow as `POST /submissions/<provider>`.
//!
//! It takes credentials that may read the provider's secret.

use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use hookledger_aws::ports::api::HttpProviderApi;
use hookledger_core::desk::submit::{Receipt, Submitter};
use hookledger_core::providers::ALL;
use serde_json::json;

use crate::out::{self, Format};
use crate::stack::Stack;

/// As the command is typed.
const COMMAND: &str = "submit";

/// What the command is told.
#[derive(Args)]
pub(crate) struct Submit {
    /// The provider's name.
    provider: String,
    /// The request as the provider documents it, without a webhook URL; `-` reads it from standard input, so that it
    /// need not be written to disk.
    file: PathBuf,
}

/// Puts the provider behind the command, where a person may have typed it in front.
pub(crate) fn reordered(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let is_provider = |word: &OsString| ALL.iter().any(|provider| word == provider.id.0);
    let at = arguments.windows(2).position(|words| matches!(words, [a, b] if is_provider(a) && b == COMMAND));
    if let Some(at) = at {
        arguments.swap(at, at.saturating_add(1));
    }
    arguments
}

/// Submits.
pub(crate) async fn submit(stack: &Stack, format: Format, order: &Submit) -> anyhow::Result<()> {
    let provider = stack.provider_to_call(&order.provider)?;
    let secrets = Arc::new(stack.secrets_of(provider)?);
    let document = read(&order.file)?;
    let api = HttpProviderApi::new(secrets.clone(), &stack.env.tls()?);
    let (inbox, webhook_base_url) = (stack.inbox()?, stack.env.webhook_base_url()?);
    let submitter =
        Submitter { inbox: &inbox, api: &api, secrets: secrets.as_ref(), webhook_base_url: &webhook_base_url };
    let Receipt { reference, submission, items } = submitter.submit(provider, &document).await?;
    match format {
        Format::Table => out::line(format!("{items} taken as {reference}, which is expected now ({submission})")),
        _ => format.fields(&json!({ "items": items, "reference": reference, "submission": submission })),
    }
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    if file == Path::new("-") {
        let mut document = Vec::new();
        std::io::stdin().read_to_end(&mut document).context("standard input can't be read")?;
        return Ok(document);
    }
    std::fs::read(file).with_context(|| format!("{} can't be read", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_provider_may_stand_in_front() {
        let words = |text: &str| -> Vec<OsString> { text.split(' ').map(OsString::from).collect() };
        assert_eq!(reordered(words("hookledger rightfoot submit f")), words("hookledger submit rightfoot f"));
        let named = reordered(words("hookledger --stack s rightfoot submit f"));
        assert_eq!(named, words("hookledger --stack s submit rightfoot f"));
        for untouched in
            ["hookledger submit rightfoot f", "hookledger rightfoot set-up", "hookledger refused rightfoot"]
        {
            assert_eq!(reordered(words(untouched)), words(untouched));
        }
    }
}
