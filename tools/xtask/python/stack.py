"""Asks the local stack's emulator what the Rust side would need an AWS SDK for.

`stack.py describe` and `stack.py put-secrets`: a JSON question on standard input, a JSON answer on standard output.
"""

import json
import sys

import boto3


def describe(question):
    """The outputs of a deployed stack, by name."""
    answer = boto3.client("cloudformation").describe_stacks(StackName=question["stack_name"])
    outputs = answer["Stacks"][0].get("Outputs", [])
    return {"outputs": {output["OutputKey"]: output["OutputValue"] for output in outputs}}


def put_secrets(values):
    """The question is {ARN: value}; each value becomes the secret's current version."""
    client = boto3.client("secretsmanager")
    for arn, value in values.items():
        client.put_secret_value(SecretId=arn, SecretString=json.dumps(value))
    return {"put": len(values)}


if __name__ == "__main__":
    answers = {"describe": describe, "put-secrets": put_secrets}
    json.dump(answers[sys.argv[1]](json.load(sys.stdin)), sys.stdout)
