"""What both Python receivers share: the envelope, the proof and the answers."""

import base64
import binascii
import hashlib
import hmac
import json
import os

import boto3
from aws_lambda_powertools.utilities import parameters

TABLE = os.environ["HOOKLEDGER_TABLE"]
QUEUE = os.environ["HOOKLEDGER_QUEUE_RUNPAYMENTS"]

dynamodb = boto3.client("dynamodb")
sqs = boto3.client("sqs")
_secret = parameters.SecretsProvider()


def keys():
    """The live signing secrets, cached for five minutes. Read while the function starts, and again when stale."""
    document = _secret.get(os.environ["HOOKLEDGER_SECRET_RUNPAYMENTS"], max_age=300, transform="json")
    return [secret["value"].encode() for secret in document["signing_secrets"]]


keys()


def answer(status, body):
    return {"statusCode": status, "headers": {"content-type": "application/json"}, "body": json.dumps(body)}


def body_of(event):
    """The exact bytes, or None for an envelope that can't be read."""
    body = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return body.encode()
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        return None


def genuine(event, body):
    header = event.get("headers", {}).get("x-webhook-signature-256", "")
    for key in keys():
        expected = "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest()
        if hmac.compare_digest(expected.encode(), header.encode()):
            return True
    return False


def identity(body):
    """The key that the event is known by, or None when the body has none."""
    try:
        key = json.loads(body)["metadata"]["idempotency_key"]
    except (ValueError, KeyError, TypeError):
        return None
    return key if isinstance(key, str) and key else None


def received(event, receive):
    """What a delivery is answered; `receive` stores and enqueues one that is genuine."""
    body = body_of(event)
    if body is None:
        return answer(503, {"status": "unreadable"})
    if not genuine(event, body):
        return answer(403, {"status": "refused"})
    key = identity(body)
    state = "open" if key else "parked"
    key = key or "unreadable#" + hashlib.sha256(body).hexdigest()
    return answer(200, receive(key=key, state=state, body=body))


def item_of(key, state, body):
    return {"pk": {"S": "event#" + key}, "sk": {"S": "event"}, "state": {"S": state}, "body": {"B": body}}


def enqueue(key):
    sqs.send_message(QueueUrl=QUEUE, MessageBody='{"pk":"event#' + key + '"}')
