"""Asks the local stack's emulator what the Rust side would need an AWS SDK for.

`stack.py describe`, `delete`, `stage-code`, `put-secrets` and `slash-routes`: a JSON question on standard input, a JSON answer on standard output.
"""

import io
import json
import pathlib
import sys
import zipfile

import boto3

# The bucket with the code of two versions. The random hour knows it too.
VERSIONS = "hookledger-versions"


def describe(question):
    """The outputs of a deployed stack, by name."""
    answer = boto3.client("cloudformation").describe_stacks(StackName=question["stack_name"])
    outputs = answer["Stacks"][0].get("Outputs", [])
    return {"outputs": {output["OutputKey"]: output["OutputValue"] for output in outputs}}


def delete(question):
    """Deletes a stack, and waits until it is gone. What the template keeps stays."""
    client = boto3.client("cloudformation")
    client.delete_stack(StackName=question["stack_name"])
    client.get_waiter("stack_delete_complete").wait(StackName=question["stack_name"], WaiterConfig={"Delay": 1})
    return {"deleted": question["stack_name"]}


def stage_code(question):
    """Packs each function's binary below the folder, as `sam deploy` would, for `UpdateFunctionCode` to take."""
    client = boto3.client("s3")
    if VERSIONS not in {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}:
        client.create_bucket(Bucket=VERSIONS)
    staged = []
    for binary in sorted(pathlib.Path(question["folder"]).glob("*/bootstrap")):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            entry = zipfile.ZipInfo("bootstrap")
            entry.external_attr, entry.compress_type = 0o100755 << 16, zipfile.ZIP_DEFLATED
            archive.writestr(entry, binary.read_bytes(), compresslevel=1)
        key = f"{question['version']}/{binary.parent.name}.zip"
        client.put_object(Bucket=VERSIONS, Key=key, Body=packed.getvalue())
        staged.append(key)
    return {"staged": staged}


def put_secrets(values):
    """The question is {ARN: value}; each value becomes the secret's current version."""
    client = boto3.client("secretsmanager")
    for arn, value in values.items():
        client.put_secret_value(SecretId=arn, SecretString=json.dumps(value))
    return {"put": len(values)}


def slash_routes(question):
    """Makes the emulator match what AWS matches: there `/webhooks/x/{rest+}` takes `/webhooks/x/` too, with nothing for
    the rest, while the emulator's variable takes one character at least. Each such route gets a second one beside it,
    whose path ends in the slash. AWS refuses such a path."""
    client = boto3.client("apigatewayv2")
    api = question["api_id"]
    routes = client.get_routes(ApiId=api)["Items"]
    keys = {route["RouteKey"] for route in routes}
    made = []
    for route in routes:
        key = route["RouteKey"].removesuffix("{rest+}")
        if key not in keys:
            client.create_route(ApiId=api, RouteKey=key, Target=route["Target"])
            made.append(key)
    return {"made": made}


if __name__ == "__main__":
    answers = {
        "describe": describe,
        "delete": delete,
        "stage-code": stage_code,
        "put-secrets": put_secrets,
        "slash-routes": slash_routes,
    }
    json.dump(answers[sys.argv[1]](json.load(sys.stdin)), sys.stdout)
