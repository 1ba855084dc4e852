"""The receiver with Powertools' idempotency: verify, then store and enqueue once."""

import hashlib
import os

from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)

from common import QUEUE, TABLE, answer, body_of, dynamodb, genuine, identity, sqs

store = DynamoDBPersistenceLayer(table_name=os.environ["IDEMPOTENCY_TABLE"])
config = IdempotencyConfig(expires_after_seconds=400 * 24 * 3600)


@idempotent_function(data_keyword_argument="key", config=config, persistence_store=store)
def receive(key, state, body):
    item = {"pk": {"S": "event#" + key}, "sk": {"S": "event"}, "state": {"S": state}, "body": {"B": body}}
    dynamodb.put_item(TableName=TABLE, Item=item)
    if state == "open":
        sqs.send_message(QueueUrl=QUEUE, MessageBody='{"pk":"event#' + key + '"}')
    return {"status": "received"}


def handler(event, context):
    config.register_lambda_context(context)
    body = body_of(event)
    if body is None:
        return answer(503, {"status": "unreadable"})
    if not genuine(event, body):
        return answer(403, {"status": "refused"})
    key = identity(body)
    state = "open" if key else "parked"
    key = key or "unreadable#" + hashlib.sha256(body).hexdigest()
    return answer(200, receive(key=key, state=state, body=body))
