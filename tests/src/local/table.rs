//! The table, read in one go, as it is stored.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::types::AttributeValue;

use super::{Local, Outcome};

/// A megabyte each: far more than any test writes.
const MAX_PAGES: usize = 200;
/// A busy emulator needs long for a megabyte; the functions' three seconds are for single rows.
const PAGE_TIMEOUT: Duration = Duration::from_secs(60);

impl Local {
    /// Every item whose partition key contains this text.
    pub async fn items(&self, part: &str) -> Outcome<Vec<HashMap<String, AttributeValue>>> {
        let scan = self.clients.dynamodb.scan().table_name(&self.stack.table).consistent_read(true);
        let scan = scan.filter_expression("contains(pk, :part)");
        let scan = scan.expression_attribute_values(":part", AttributeValue::S(part.to_string()));
        let timeouts = TimeoutConfig::builder().operation_timeout(PAGE_TIMEOUT).operation_attempt_timeout(PAGE_TIMEOUT);
        let patient = Builder::default().timeout_config(timeouts.read_timeout(PAGE_TIMEOUT).build());
        let (mut items, mut from) = (Vec::new(), None);
        for _ in 0..MAX_PAGES {
            let page = scan.clone().set_exclusive_start_key(from).customize();
            let page = page.config_override(patient.clone()).send().await;
            let page = page.map_err(|error| format!("the table could not be read: {error:?}"))?;
            items.extend(page.items.unwrap_or_default());
            from = page.last_evaluated_key.filter(|key| !key.is_empty());
            if from.is_none() {
                return Ok(items);
            }
        }
        Err(format!("the table has more than {MAX_PAGES} pages"))
    }
}
