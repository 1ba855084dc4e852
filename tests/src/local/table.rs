//! The table, read in one go, as it is stored.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::{Local, Outcome};

/// A megabyte each: far more than any test writes.
const MAX_PAGES: usize = 200;

impl Local {
    /// Every item whose partition key contains this text.
    pub async fn items(&self, part: &str) -> Outcome<Vec<HashMap<String, AttributeValue>>> {
        let scan = self.clients.dynamodb.scan().table_name(&self.stack.table).consistent_read(true);
        let scan = scan.filter_expression("contains(pk, :part)");
        let scan = scan.expression_attribute_values(":part", AttributeValue::S(part.to_string()));
        let (mut items, mut from) = (Vec::new(), None);
        for _ in 0..MAX_PAGES {
            let page = scan.clone().set_exclusive_start_key(from).send().await;
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
