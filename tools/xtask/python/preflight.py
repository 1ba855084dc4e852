"""Looks at an AWS account before the first deployment, and changes nothing in it.

`preflight.py <template> <stack> [<parameter>=<value> …]` asks with the credentials of the environment: who deploys, how
many functions the account may run at once, and whether the deployer has the rights that the template's resources need. Each
finding is a line: `ok`, `mend` with what to do, or `unknown` where the deployer may not even ask. The exit code is 1 if
anything is to be mended, 2 if nothing could be asked.
"""

import os
import pathlib
import sys

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from samcli.yamlhelper import yaml_parse

# What CloudFormation does in the deployer's name, by the type of resource.
RIGHTS = {
    "AWS::ApiGatewayV2::": ["apigateway:POST", "apigateway:GET", "apigateway:PATCH", "apigateway:DELETE"],
    "AWS::CloudWatch::Alarm": ["cloudwatch:PutMetricAlarm", "cloudwatch:DescribeAlarms", "cloudwatch:DeleteAlarms"],
    "AWS::CloudWatch::Dashboard": [
        "cloudwatch:PutDashboard", "cloudwatch:GetDashboard", "cloudwatch:DeleteDashboards",
    ],
    "AWS::DynamoDB::Table": [
        "dynamodb:CreateTable", "dynamodb:DescribeTable", "dynamodb:UpdateTable", "dynamodb:UpdateTimeToLive",
        "dynamodb:UpdateContinuousBackups", "dynamodb:DeleteTable",
    ],
    "AWS::Events::EventBus": ["events:CreateEventBus", "events:DescribeEventBus", "events:DeleteEventBus"],
    "AWS::IAM::": [
        "iam:CreateRole", "iam:GetRole", "iam:PassRole", "iam:PutRolePolicy", "iam:GetRolePolicy", "iam:DeleteRolePolicy",
        "iam:DeleteRole",
    ],
    "AWS::IAM::ManagedPolicy": [
        "iam:CreatePolicy", "iam:GetPolicy", "iam:CreatePolicyVersion", "iam:ListPolicyVersions",
        "iam:DeletePolicyVersion", "iam:DeletePolicy",
    ],
    "AWS::KMS::Key": [
        "kms:CreateKey", "kms:DescribeKey", "kms:PutKeyPolicy", "kms:EnableKeyRotation", "kms:ScheduleKeyDeletion",
    ],
    "AWS::Lambda::EventSourceMapping": [
        "lambda:CreateEventSourceMapping", "lambda:GetEventSourceMapping", "lambda:UpdateEventSourceMapping",
        "lambda:DeleteEventSourceMapping",
    ],
    "AWS::Lambda::Permission": ["lambda:AddPermission", "lambda:RemovePermission"],
    "AWS::Logs::": [
        "logs:CreateLogGroup", "logs:PutRetentionPolicy", "logs:DescribeLogGroups", "logs:DeleteLogGroup",
        "logs:PutMetricFilter", "logs:DeleteMetricFilter", "logs:CreateLogDelivery", "logs:PutResourcePolicy",
    ],
    "AWS::Logs::QueryDefinition": [
        "logs:PutQueryDefinition", "logs:DescribeQueryDefinitions", "logs:DeleteQueryDefinition",
    ],
    "AWS::SNS::": [
        "sns:CreateTopic", "sns:SetTopicAttributes", "sns:Subscribe", "sns:GetTopicAttributes", "sns:DeleteTopic",
    ],
    "AWS::SQS::Queue": ["sqs:CreateQueue", "sqs:GetQueueAttributes", "sqs:SetQueueAttributes", "sqs:DeleteQueue"],
    "AWS::Scheduler::Schedule": [
        "scheduler:CreateSchedule", "scheduler:GetSchedule", "scheduler:UpdateSchedule", "scheduler:DeleteSchedule",
    ],
    "AWS::SecretsManager::Secret": [
        "secretsmanager:CreateSecret", "secretsmanager:DescribeSecret", "secretsmanager:UpdateSecret",
        "secretsmanager:DeleteSecret",
    ],
    "AWS::Serverless::Function": [
        "lambda:CreateFunction", "lambda:GetFunction", "lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration",
        "lambda:PutFunctionRecursionConfig", "lambda:DeleteFunction", "iam:CreateRole", "iam:PassRole",
        "iam:AttachRolePolicy", "iam:PutRolePolicy", "iam:DetachRolePolicy", "iam:DeleteRole",
    ],
}
# What the SAM CLI itself does: a stack with its change sets, and a bucket for the code.
OWN_RIGHTS = [
    "cloudformation:CreateChangeSet", "cloudformation:DescribeChangeSet", "cloudformation:ExecuteChangeSet",
    "cloudformation:DescribeStacks", "cloudformation:DescribeStackEvents", "cloudformation:GetTemplateSummary",
    "s3:CreateBucket", "s3:PutObject", "s3:GetObject",
]
# A simulation takes so many actions at once, at most.
AT_ONCE = 40
# Of what an account may run at once, AWS keeps so many for functions without a reserve.
ALWAYS_FREE = 100
QUOTA = "L-B99A9384"
ASK_FOR = 1000


class Account:
    """What is found, line by line."""

    def __init__(self):
        self.to_mend = 0

    def say(self, state, what, mend=""):
        self.to_mend += state == "mend"
        print(f"{state:<8} {what}")
        if mend:
            print(f"         {mend}")

    def ask(self, what, question):
        """The answer; or `None`, and a line that says why there is none."""
        try:
            return question()
        except (BotoCoreError, ClientError) as error:
            self.say("unknown", f"{what}: {error}")
            return None


def needed(template):
    """The actions that this template's resources need."""
    types = {resource["Type"] for resource in template["Resources"].values()}
    unlisted = sorted(one for one in types if not any(one.startswith(prefix) for prefix in RIGHTS))
    if unlisted:
        sys.exit(f"error: no rights are listed for {', '.join(unlisted)}: add them to RIGHTS in {__file__}")
    prefixes = [prefix for prefix in RIGHTS if any(one.startswith(prefix) for one in types)]
    return sorted({action for prefix in prefixes for action in RIGHTS[prefix]} | set(OWN_RIGHTS))


def at_once(template, values):
    """How many functions run at once when everything is busy, without any traffic of providers' own making."""
    value = lambda name: int(values.get(name, template["Parameters"][name]["Default"]))
    sources = [one for one in template["Resources"].values() if one["Type"] == "AWS::Lambda::EventSourceMapping"]
    workers = (len(sources) - 1) * value("WorkerConcurrency") + 2
    receivers = sum(name.endswith("ThrottlesAlarm") for name in template["Resources"])
    return workers, receivers, value("ReconcilerShards"), value("FinboxReservedConcurrency")


def concurrency(account, template, values):
    """Whether the account may run what the template starts."""
    settings = account.ask("concurrency", lambda: boto3.client("lambda").get_account_settings())
    if settings is None:
        return
    limit = settings["AccountLimit"]["ConcurrentExecutions"]
    free = settings["AccountLimit"]["UnreservedConcurrentExecutions"]
    workers, receivers, reconcilers, reserve = at_once(template, values)
    busy = workers + receivers + reconcilers + 1
    what = (
        f"{free} of {limit} concurrent executions are free; {workers} workers, {receivers} receivers, {reconcilers} "
        f"reconcilers and the expectations take {busy}"
    )
    # So many as are asked for at once, with room for the rest of the account.
    ask_for = max(ASK_FOR, -(-(busy + reserve) * 2 // ASK_FOR) * ASK_FOR)
    raise_it = (
        f"ask for {ask_for} in Service Quotas: aws service-quotas request-service-quota-increase --service-code lambda "
        f"--quota-code {QUOTA} --desired-value {ask_for}"
    )
    if reserve and free - reserve < ALWAYS_FREE:
        too_much = f"FinboxReservedConcurrency is {reserve}, and {free} are free: {ALWAYS_FREE} have to stay so"
        account.say("mend", f"{too_much}, or the deployment fails", f"set FinboxReservedConcurrency=0, or {raise_it}")
    if free < busy:
        until_then = "Until then deploy with WorkerConcurrency=2: it works with any limit, and work waits longer"
        account.say("mend", what, f"{raise_it}. {until_then}")
    else:
        account.say("ok", what)


def principal(arn):
    """The role behind a session, since only users and roles can be asked about. A path is not in a session's name."""
    if ":assumed-role/" not in arn:
        return arn
    head, _, rest = arn.partition(":assumed-role/")
    return f"{head.replace(':sts:', ':iam:')}:role/{rest.split('/')[0]}"


def rights(account, arn, actions):
    """Which of the actions the deployer lacks, by IAM's own simulation."""
    role = principal(arn)
    if ":role/AWSReservedSSO_" in role:
        name = role.rsplit("/", 1)[1]
        found = account.ask("the role of the SSO session", lambda: boto3.client("iam").get_role(RoleName=name))
        role = found["Role"]["Arn"] if found else role
    if role.endswith(":root"):
        return account.say("ok", "the account's own root user may do everything; deploy as a role all the same")
    client, missing = boto3.client("iam"), []
    for start in range(0, len(actions), AT_ONCE):
        part = actions[start : start + AT_ONCE]
        answer = account.ask("rights", lambda: client.simulate_principal_policy(PolicySourceArn=role, ActionNames=part))
        if answer is None:
            return account.say("unknown", f"whether {role} may deploy: who asks needs iam:SimulatePrincipalPolicy")
        missing += [one["EvalActionName"] for one in answer["EvaluationResults"] if one["EvalDecision"] != "allowed"]
    if missing:
        denied = "Conditions and organisation policies may still deny what is allowed here"
        mend = f"allow them, or deploy with a role that has them. {denied}"
        return account.say("mend", f"{role} lacks {', '.join(sorted(missing))}", mend)
    return account.say("ok", f"{role} has the {len(actions)} rights that a deployment needs")


def stack(account, name):
    """Whether a stack of this name is there, and can be updated."""
    try:
        found = boto3.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return account.say("ok", f"no stack is called {name} yet")
        return account.say("unknown", f"the stack {name}: {error}")
    status = found["StackStatus"]
    if status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"):
        mend = f"look why, then: aws cloudformation delete-stack --stack-name {name}"
        return account.say("mend", f"a stack {name} is left behind as {status}", mend)
    return account.say("ok", f"the stack {name} is there ({status}): a deployment updates it")


def main():
    template = yaml_parse(pathlib.Path(sys.argv[1]).read_text())
    name, values = sys.argv[2], dict(pair.split("=", 1) for pair in sys.argv[3:])
    unknown = sorted(set(values) - set(template["Parameters"]))
    if unknown:
        sys.exit(f"error: {', '.join(unknown)} is no parameter of the template")
    # Of the two names that AWS's tools read, boto3 knows one.
    boto3.setup_default_session(region_name=os.environ.get("AWS_REGION"))
    region = boto3.DEFAULT_SESSION.region_name
    if region is None:
        sys.exit("error: no region is set; give --region, or set AWS_REGION")
    account = Account()
    caller = account.ask("who deploys", lambda: boto3.client("sts").get_caller_identity())
    if caller is None:
        print("no credentials work here: aws sso login --profile NAME, then --profile NAME", file=sys.stderr)
        return 2
    account.say("ok", f"{caller['Arn']} in account {caller['Account']}, region {region}")
    stack(account, name)
    concurrency(account, template, values)
    rights(account, caller["Arn"], needed(template))
    return 1 if account.to_mend else 0


if __name__ == "__main__":
    sys.exit(main())
