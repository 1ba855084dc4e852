"""The template as CloudFormation would see it under many sets of parameters.

`matrix.py <template> <folder>`: each set is transformed by SAM's translator, its conditions, mappings and parameters are
put in, and what comes out is linted by cfn-lint and written into the folder, for checkov to search. What is wrong is printed,
and the exit code is 1. A set that the template must refuse is refused by one of its rules, or by a parameter's values.
"""

import copy
import json
import os
import pathlib
import re
import sys

os.environ.setdefault("AWS_DEFAULT_REGION", "eu-west-1")
import cfnlint.api
from cfnlint.config import ManualArgs
from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform

KEY = "arn:aws:kms:eu-west-1:123456789012:key/0a1b2c3d-0000-1111-2222-333344445555"
BOUNDARY = "arn:aws:iam::123456789012:policy/boundary"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:on-call"
OWN_DOMAIN = {"WebhookBaseUrl": "https://hooks.example.com", "DisableExecuteApiEndpoint": "true"}
KEPT_TABLE = {"ExistingTableName": "hookledger-Ledger-1A2B3C4D5E6F"}

# Every parameter that a condition asks for is on in one set and off in another; `main` looks.
SETS = {
    "defaults": {},
    "new-account": {"AlarmEmail": "operations@example.com", "FinboxReservedConcurrency": 0, "WorkerConcurrency": 2},
    "large": {
        "FinboxReservedConcurrency": 100,
        "WorkerConcurrency": 1000,
        "WebhookRatePerSecond": 10000,
        "WebhookBurst": 4000,
        "ExpectationsRatePerSecond": 1000,
        "ExpectationsBurst": 2000,
        "ReconcilerShards": 8,
    },
    "small": {
        "WebhookRatePerSecond": 1,
        "WebhookBurst": 1,
        "ExpectationsRatePerSecond": 1,
        "ExpectationsBurst": 1,
        "ReconcilerShards": 2,
        "RecentEntries": "unworked",
    },
    "bounded": {"PermissionsBoundaryArn": BOUNDARY, "ReconcilerShards": 4},
    "own-key": {"SecretsKeyArn": KEY, "Tracing": "Active"},
    "own-domain": OWN_DOMAIN,
    "protected": {"TableDeletionProtection": "on", "AlarmTopicArn": TOPIC},
    "kept-table": KEPT_TABLE,
    "restored-table": {**KEPT_TABLE, "ExistingTableKeyArn": KEY, "AlarmTopicArn": TOPIC, "ReconcilerShards": 2},
    "own-topic": {"AlarmTopicArn": TOPIC, "ShutOutAlarmCount": 0, "LossRateAlarmPercent": 0, "Dashboard": "off"},
    "emulator": {
        "Architecture": "x86_64",
        "ReconcilerAlarm": "off",
        "ShutOutAlarmCount": 0,
        "LossRateAlarmPercent": 0,
        "SavedQueries": "off",
    },
    "everything": {
        "AlarmTopicArn": TOPIC,
        "AlarmEmail": "nobody@example.com",
        "FinboxReservedConcurrency": 50,
        "PermissionsBoundaryArn": BOUNDARY,
        "SecretsKeyArn": KEY,
        "Tracing": "Active",
        "WorkerConcurrency": 40,
        "ReconcilerShards": 8,
        "FynapseApiBaseUrl": "https://fynapse.example.com",
        "RunpaymentsReporting": "on",
        **OWN_DOMAIN,
    },
}
REFUSED = {
    "no address left": {"DisableExecuteApiEndpoint": "true"},
    "an alias for a key": {"SecretsKeyArn": "alias/aws/secretsmanager"},
    "a role for a boundary": {"PermissionsBoundaryArn": "arn:aws:iam::123456789012:role/boundary"},
    "an ARN for a table": {"ExistingTableName": "arn:aws:dynamodb:eu-west-1:123456789012:table/ledger"},
    "protection of somebody else's table": {**KEPT_TABLE, "TableDeletionProtection": "on"},
    "a key without its table": {"ExistingTableKeyArn": KEY},
    "an alias for the table's key": {**KEPT_TABLE, "ExistingTableKeyArn": "alias/ledger"},
    "a rate without a row": {"WebhookRatePerSecond": 150},
    "more workers than SQS starts": {"WorkerConcurrency": 2000},
}
NOTHING = object()


class Stack:
    """A template and the values of its parameters."""

    def __init__(self, template, overrides):
        self.template = template
        self.values = {name: overrides.get(name, one.get("Default")) for name, one in template["Parameters"].items()}
        self.unknown = set(overrides) - set(self.values)

    def refusals(self):
        """Why CloudFormation would not even begin, if so."""
        found = [f"{name} is no parameter" for name in self.unknown]
        for name, value in self.values.items():
            parameter = self.template["Parameters"][name]
            if str(value) not in map(str, parameter.get("AllowedValues", [value])):
                found.append(f"{name}={value} is no value to choose")
            if not re.fullmatch(parameter.get("AllowedPattern", ".*"), str(value)):
                found.append(f"{name}={value} does not match")
        for rule in self.template.get("Rules", {}).values():
            if self.holds(rule["RuleCondition"]):
                found += [one["AssertDescription"] for one in rule["Assertions"] if not self.holds(one["Assert"])]
        return found

    def holds(self, condition):
        [(function, operand)] = condition.items()
        if function == "Condition":
            return self.holds(self.template["Conditions"][operand])
        if function == "Fn::Equals":
            left, right = (str(self.filled(side)) for side in operand)
            return left == right
        results = [self.holds(one) for one in operand]
        return {"Fn::Not": not results[0], "Fn::And": all(results), "Fn::Or": any(results)}[function]

    def filled(self, node):
        """A copy in which nothing depends on a parameter any more."""
        if isinstance(node, list):
            return [one for one in map(self.filled, node) if one is not NOTHING]
        if isinstance(node, str) or not isinstance(node, dict):
            return node
        function, operand = next(iter(node.items())) if len(node) == 1 else (None, None)
        if function == "Ref":
            return NOTHING if operand == "AWS::NoValue" else self.values.get(operand, node)
        if function == "Fn::If":
            name, then, otherwise = operand
            return self.filled(then if self.holds({"Condition": name}) else otherwise)
        if function == "Fn::FindInMap":
            name, row, column = map(self.filled, operand)
            return self.template["Mappings"][name][str(row)][column]
        if function == "Fn::Sub" and isinstance(operand, str):
            text = re.sub(r"\$\{(\w+)\}", lambda match: str(self.values.get(match[1], match[0])), operand)
            return {"Fn::Sub": text} if "${" in text else text
        filled = {name: self.filled(value) for name, value in node.items()}
        return {name: value for name, value in filled.items() if value is not NOTHING}

    def concrete(self):
        """What CloudFormation would make."""
        there = lambda one: "Condition" not in one or self.holds({"Condition": one["Condition"]})
        without = lambda one: {key: value for key, value in one.items() if key != "Condition"}
        sections = {"AWSTemplateFormatVersion": "2010-09-09", "Description": self.template["Description"]}
        for section in ("Resources", "Outputs"):
            items = self.template[section].items()
            sections[section] = {name: self.filled(without(one)) for name, one in items if there(one)}
        return sections


class NoManagedPolicies:
    """The template names none, but SAM asks."""

    def load(self):
        return {}


def transformed(template, overrides):
    """By SAM's own translator, with each function's code where `sam deploy` would have put it."""
    template = copy.deepcopy(template)
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://bucket/key"
    values = {name: overrides.get(name, one.get("Default")) for name, one in template["Parameters"].items()}
    return transform(template, values, NoManagedPolicies())


def main(path, folder):
    template = yaml_parse(pathlib.Path(path).read_text(encoding="utf-8"))
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.json"):
        old.unlink()
    wrong = []
    seen = {name: set() for name in template["Conditions"]}
    for name, overrides in SETS.items():
        stack = Stack(transformed(template, overrides), overrides)
        wrong += [f"{name}: {refusal}" for refusal in stack.refusals()]
        for condition, results in seen.items():
            results.add(stack.holds({"Condition": condition}))
        concrete = stack.concrete()
        text = json.dumps(concrete, indent=1)
        found = cfnlint.api.lint(text, config=ManualArgs(regions=["eu-west-1"]))
        wrong += [f"{name}: {match.rule.id} at {'/'.join(map(str, match.path or []))}: {match.message}" for match in found]
        (folder / f"{name}.json").write_text(text, encoding="utf-8")
        print(f"{name}: {len(concrete['Resources'])} resources, {len(found)} findings")
    wrong += [f"{name} is {results.pop()} in every set" for name, results in seen.items() if len(results) < 2]
    wrong += [f"{name} is not refused" for name, one in REFUSED.items() if not Stack(template, one).refusals()]
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
