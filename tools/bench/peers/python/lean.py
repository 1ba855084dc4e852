"""The receiver with boto3 alone: verify, put unless it is there, enqueue."""

from common import TABLE, dynamodb, enqueue, item_of, received


def receive(key, state, body):
    item = item_of(key, state, body)
    try:
        dynamodb.put_item(TableName=TABLE, Item=item, ConditionExpression="attribute_not_exists(pk)")
    except dynamodb.exceptions.ConditionalCheckFailedException:
        return {"status": "duplicate"}
    if state == "open":
        enqueue(key)
    return {"status": "received"}


def handler(event, context):
    return received(event, receive)
