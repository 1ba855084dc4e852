"""The receiver with boto3 alone: verify, put unless it is there, enqueue."""

import hashlib

from common import QUEUE, TABLE, answer, body_of, dynamodb, genuine, identity, sqs


def handler(event, context):
    body = body_of(event)
    if body is None:
        return answer(503, {"status": "unreadable"})
    if not genuine(event, body):
        return answer(403, {"status": "refused"})
    key = identity(body)
    state = "open" if key else "parked"
    key = key or "unreadable#" + hashlib.sha256(body).hexdigest()
    item = {"pk": {"S": "event#" + key}, "sk": {"S": "event"}, "state": {"S": state}, "body": {"B": body}}
    try:
        dynamodb.put_item(TableName=TABLE, Item=item, ConditionExpression="attribute_not_exists(pk)")
    except dynamodb.exceptions.ConditionalCheckFailedException:
        return answer(200, {"status": "duplicate"})
    if state == "open":
        sqs.send_message(QueueUrl=QUEUE, MessageBody='{"pk":"event#' + key + '"}')
    return answer(200, {"status": "received"})
