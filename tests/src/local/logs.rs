//! What the functions have logged, and counted in their logs.

use std::collections::BTreeMap;

use hookledger_core::ports::Metric;
use serde_json::{Value, json};

use super::{Local, Outcome};

/// The most log lines that one question answers. A group with as many may hold more.
const MAX_LOG_LINES: usize = 10_000;

impl Local {
    /// The log group of a function, which CloudFormation named.
    pub async fn log_group_of(&self, function: &str) -> Outcome<String> {
        let group = self.configuration_of(function).await?["LoggingConfig"]["LogGroup"].take();
        group.as_str().map(str::to_string).ok_or_else(|| "the function has no log group".into())
    }

    /// Everything that a function has logged so far, its counts too.
    pub async fn log_of(&self, function: &str) -> Outcome<Vec<String>> {
        self.log_since(function, 0).await
    }

    async fn log_since(&self, function: &str, since_ms: u64) -> Outcome<Vec<String>> {
        let group = self.log_group_of(function).await?;
        let question = json!({ "logGroupName": group, "limit": MAX_LOG_LINES, "startTime": since_ms });
        let action = "Logs_20140328.FilterLogEvents";
        let answer = self.http.action("logs", action, "application/x-amz-json-1.1", question).await?;
        let lines = answer["events"].as_array().ok_or("no list of log lines")?;
        if lines.len() >= MAX_LOG_LINES {
            return Err(format!("{group} holds more lines than are read; start a fresh stack"));
        }
        Ok(lines.iter().filter_map(|line| line["message"].as_str()).map(str::to_string).collect())
    }

    /// What a function has counted so far, by provider (empty: by none). Counts are log lines in CloudWatch's embedded
    /// metric format, of which the emulator makes no metrics.
    pub async fn counted(&self, function: &str, metric: Metric) -> Outcome<BTreeMap<String, u64>> {
        self.counted_since(function, metric, 0).await
    }

    /// The same, from a time in Unix milliseconds on.
    pub async fn counted_since(&self, function: &str, metric: Metric, since_ms: u64) -> Outcome<BTreeMap<String, u64>> {
        let mut counted = BTreeMap::new();
        for line in self.log_since(function, since_ms).await?.iter().filter(|line| line.contains("\"_aws\"")) {
            let line: Value = serde_json::from_str(line).map_err(|_| "a count is no JSON")?;
            let provider = line["Provider"].as_str().unwrap_or_default().to_string();
            *counted.entry(provider).or_default() += line[metric.name()].as_u64().unwrap_or_default();
        }
        counted.retain(|_, count| *count > 0);
        Ok(counted)
    }
}
