//! One conditional write, and what came of it.
//!
//! Every attribute is written through a `#name`, because DynamoDB reserves words as plain as `state` and `status`.
//! Conditions are spelled out where they are used, each next to the race it decides.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use hookledger_core::model::identity::ItemKey;
use hookledger_core::ports::StoreError;

use super::item::{Item, key_attributes};
use super::table::{Table, store_error};

/// What a conditional write came to.
#[derive(Debug)]
pub(crate) enum Written {
    /// It happened. The attributes that were asked for.
    Done(Item),
    /// The condition did not hold. The row as it is, if it was asked for and there is one.
    Lost(Item),
}

impl Written {
    /// Whether it happened.
    pub(crate) fn happened(&self) -> bool {
        matches!(self, Self::Done(_))
    }
}

/// A change to one row.
pub(crate) struct Update {
    key: ItemKey,
    set: Vec<String>,
    remove: Vec<String>,
    add: Vec<String>,
    condition: &'static str,
    values: Item,
    answer: ReturnValue,
}

impl Update {
    /// Changes the row under `key`, if `condition` holds.
    pub(crate) fn only_if(key: &ItemKey, condition: &'static str) -> Self {
        Self {
            key: key.clone(),
            set: Vec::new(),
            remove: Vec::new(),
            add: Vec::new(),
            condition,
            values: Item::new(),
            answer: ReturnValue::None,
        }
    }

    /// Gives the condition's `:name` its value. No attribute that is set may have this name.
    pub(crate) fn value(mut self, name: &str, value: AttributeValue) -> Self {
        self.values.insert(format!(":{name}"), value);
        self
    }

    /// Sets an attribute.
    pub(crate) fn set(mut self, name: &str, value: AttributeValue) -> Self {
        self.set.push(format!("#{name} = :{name}"));
        self.value(name, value)
    }

    /// Sets an attribute, if there is something to set; otherwise removes it.
    pub(crate) fn set_or_remove(self, name: &str, value: Option<AttributeValue>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self.remove(name),
        }
    }

    /// Sets an attribute unless it is there already.
    pub(crate) fn set_once(mut self, name: &str, value: AttributeValue) -> Self {
        self.set.push(format!("#{name} = if_not_exists(#{name}, :{name})"));
        self.value(name, value)
    }

    /// Adds to the end of a list, which is made if there is none.
    pub(crate) fn append(mut self, name: &str, value: AttributeValue) -> Self {
        self.set.push(format!("#{name} = list_append(if_not_exists(#{name}, :no_{name}), :{name})"));
        self.values.insert(format!(":no_{name}"), AttributeValue::L(Vec::new()));
        self.value(name, AttributeValue::L(vec![value]))
    }

    /// Removes an attribute.
    pub(crate) fn remove(mut self, name: &str) -> Self {
        self.remove.push(format!("#{name}"));
        self
    }

    /// Adds to a number.
    pub(crate) fn add(mut self, name: &str, value: AttributeValue) -> Self {
        self.add.push(format!("#{name} :{name}"));
        self.value(name, value)
    }

    /// Asks for attributes of the row as it was or as it became.
    pub(crate) fn returning(mut self, answer: ReturnValue) -> Self {
        self.answer = answer;
        self
    }

    fn expression(&self) -> String {
        [("SET", &self.set), ("REMOVE", &self.remove), ("ADD", &self.add)]
            .into_iter()
            .filter(|(_, parts)| !parts.is_empty())
            .map(|(word, parts)| format!("{word} {}", parts.join(", ")))
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Makes the change, in one call.
    pub(crate) async fn send(self, table: &Table) -> Result<Written, StoreError> {
        let expression = self.expression();
        let mut request = table
            .client
            .update_item()
            .table_name(&table.name)
            .set_key(Some(key_attributes(&self.key)))
            .condition_expression(self.condition)
            .set_expression_attribute_values((!self.values.is_empty()).then_some(self.values))
            .return_values(self.answer);
        for name in names(&[&expression, self.condition]) {
            request = request.expression_attribute_names(format!("#{name}"), name);
        }
        match request.update_expression(expression).send().await {
            Ok(output) => Ok(Written::Done(output.attributes.unwrap_or_default())),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(lost)) => {
                    Ok(Written::Lost(lost.item().cloned().unwrap_or_default()))
                }
                _ => Err(store_error(&error)),
            },
        }
    }
}

/// Writes a whole item, if `condition` holds. The loser is shown the row that was in its way.
pub(crate) async fn put_if(
    table: &Table,
    item: Item,
    condition: &str,
    values: &[(&str, AttributeValue)],
) -> Result<Written, StoreError> {
    let mut request = table
        .client
        .put_item()
        .table_name(&table.name)
        .set_item(Some(item))
        .condition_expression(condition)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    for name in names(&[condition]) {
        request = request.expression_attribute_names(format!("#{name}"), name);
    }
    for (name, value) in values {
        request = request.expression_attribute_values(format!(":{name}"), value.clone());
    }
    match request.send().await {
        Ok(_) => Ok(Written::Done(Item::new())),
        Err(error) => match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(lost)) => {
                Ok(Written::Lost(lost.item().cloned().unwrap_or_default()))
            }
            _ => Err(store_error(&error)),
        },
    }
}

/// The `#names` in expressions. DynamoDB refuses a request that declares one it does not use.
pub(crate) fn names<'a>(expressions: &[&'a str]) -> BTreeSet<&'a str> {
    expressions
        .iter()
        .flat_map(|expression| expression.split('#').skip(1))
        .map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or(""))
        .filter(|name| !name.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::item::{n, s};
    use super::*;

    #[test]
    fn an_update_reads_as_dynamodb_wants_it() {
        let key = ItemKey { pk: "p".into(), sk: "s".into() };
        let update = Update::only_if(&key, "#state = :open")
            .value("open", s("open"))
            .set("due_at", n(5))
            .set_once("frozen_detail", s("{}"))
            .remove("reason")
            .add("waits", n(1));
        let expression = "SET #due_at = :due_at, #frozen_detail = if_not_exists(#frozen_detail, :frozen_detail) \
                          REMOVE #reason ADD #waits :waits";
        assert_eq!(update.expression(), expression);
        let used = names(&[expression, update.condition]);
        assert_eq!(used.into_iter().collect::<Vec<_>>(), ["due_at", "frozen_detail", "reason", "state", "waits"]);
        let mut values: Vec<&str> = update.values.keys().map(String::as_str).collect();
        values.sort_unstable();
        assert_eq!(values, [":due_at", ":frozen_detail", ":open", ":waits"]);
    }
}
