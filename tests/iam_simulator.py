"""SimulatePrincipalPolicy, which moto lacks: answered from the policies that a role has in moto."""

from fnmatch import fnmatchcase
from types import SimpleNamespace

EVENT = "before-call.iam.SimulatePrincipalPolicy"


class Simulator:
    """Answers while it is in force, and remembers of which roles it was asked."""

    def __init__(self, iam):
        self.iam = iam
        self.asked = []

    def __enter__(self):
        self.iam.meta.events.register_first(EVENT, self.answer)
        return self

    def __exit__(self, *_):
        self.iam.meta.events.unregister(EVENT, self.answer)

    def answer(self, params, **_):
        form = params["body"]
        role = form["PolicySourceArn"].rpartition("/")[2]
        self.asked.append(role)
        try:
            statements = self.statements(role)
        except self.iam.exceptions.NoSuchEntityException as error:
            return SimpleNamespace(status_code=404), error.response
        keys = members(form, "ContextEntries.member.{}.ContextKeyName")
        values = members(form, "ContextEntries.member.{}.ContextKeyValues.member.1")
        context = dict(zip(keys, values, strict=True))
        results = [
            result(
                action,
                {arn: allows(statements, action, arn, context) for arn in members(form, "ResourceArns.member.{}")},
            )
            for action in members(form, "ActionNames.member.{}")
        ]
        return SimpleNamespace(status_code=200), {"EvaluationResults": results, "IsTruncated": False}

    def statements(self, role):
        found = [
            self.iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            for name in self.iam.list_role_policies(RoleName=role)["PolicyNames"]
        ]
        for attached in self.iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
            version = self.iam.get_policy(PolicyArn=attached["PolicyArn"])["Policy"]["DefaultVersionId"]
            document = self.iam.get_policy_version(PolicyArn=attached["PolicyArn"], VersionId=version)
            found.append(document["PolicyVersion"]["Document"])
        return [statement for document in found for statement in document["Statement"]]


def members(form, name):
    """The values of a list in a query, by its numbered name."""
    found = []
    while name.format(len(found) + 1) in form:
        found.append(form[name.format(len(found) + 1)])
    return found


def allows(statements, action, resource, context):
    """Evaluate Allow and Deny with `*`; a condition holds if the context says the same."""
    matching = [each for each in statements if matches(each, action, resource, context)]
    return bool(matching) and all(each["Effect"] == "Allow" for each in matching)


def matches(statement, action, resource, context):
    conditions = [pair for keys in statement.get("Condition", {}).values() for pair in keys.items()]
    return (
        any(fnmatchcase(action, pattern) for pattern in listed(statement["Action"]))
        and any(fnmatchcase(resource, pattern) for pattern in listed(statement["Resource"]))
        and all(context.get(key) == value for key, value in conditions)
    )


def listed(value):
    return value if isinstance(value, list) else [value]


def result(action, decisions):
    said = {True: "allowed", False: "implicitDeny"}
    return {
        "EvalActionName": action,
        "EvalResourceName": next(iter(decisions)),
        "EvalDecision": said[all(decisions.values())],
        "ResourceSpecificResults": [
            {"EvalResourceName": arn, "EvalResourceDecision": said[good]} for arn, good in decisions.items()
        ],
    }
