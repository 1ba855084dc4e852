"""The receiver with Powertools' idempotency: verify, then store and enqueue once."""

import os

from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)

from common import TABLE, dynamodb, enqueue, item_of, received

store = DynamoDBPersistenceLayer(table_name=os.environ["IDEMPOTENCY_TABLE"])
config = IdempotencyConfig(expires_after_seconds=400 * 24 * 3600)


@idempotent_function(data_keyword_argument="key", config=config, persistence_store=store)
def receive(key, state, body):
    dynamodb.put_item(TableName=TABLE, Item=item_of(key, state, body))
    if state == "open":
        enqueue(key)
    return {"status": "received"}


def handler(event, context):
    config.register_lambda_context(context)
    return received(event, receive)
