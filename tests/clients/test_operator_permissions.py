"""What an operator must be allowed to do: read off the calls that labdeck makes, and no more.

`docs/aws-permissions.md` is made by `LABDECK_BLESS=1 tests/clients/run -k operator`.
"""

import contextlib
import json
import os
import re
import signal

import pytest
from botocore.exceptions import ClientError
from conftest import REGION, SESSION, Cloud, eventually, trust
from matrix import FULL, REPOSITORY, admin
from operations import CHANGES, SAMPLED, WHOLE, changed

DOCUMENT = REPOSITORY / "docs" / "aws-permissions.md"
LABS = WHOLE + SAMPLED
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}

# A resource as it was asked for, and as the policy names it. The first that fits counts.
PATTERNS = [
    (r"arn:aws:apigateway:[^:]*::/(restapis|usageplans|apikeys|tags|account)\b.*", r"arn:aws:apigateway:*::/\1*"),
    (r"arn:aws:iam::\d+:role/.*", "arn:aws:iam::*:role/*"),
    (r"arn:aws:lambda:[^:]*:\d+:(function|event-source-mapping):.*", r"arn:aws:lambda:*:*:\1:*"),
    (r"arn:aws:logs:[^:]*:\d+:log-group:.*", "arn:aws:logs:*:*:log-group:*"),
    (r"arn:aws:dynamodb:[^:]*:\d+:table/.*", "arn:aws:dynamodb:*:*:table/*"),
    (r"arn:aws:(sqs|sns):[^:]*:\d+:.*", r"arn:aws:\1:*:*:*"),
    (r"arn:aws:cloudwatch:[^:]*:\d*:alarm:.*", "arn:aws:cloudwatch:*:*:alarm:*"),
    (r"arn:aws:execute-api:.*", "arn:aws:execute-api:*:*:*"),
    (r"\*", "*"),
]
# Parameters that are set and taken away.
SETTINGS = {"todos": ["ready=1", "ready=", "reserve=", "reserve=50"]}
# Roles may be given to these services and to no other.
PASSED_TO = ["lambda.amazonaws.com", "apigateway.amazonaws.com"]


def pattern(resource):
    for asked, named in PATTERNS:
        if re.fullmatch(asked, resource):
            return re.sub(asked, named, resource)
    raise AssertionError(f"no pattern for {resource}")


def documented_name(action):
    """The action as AWS's documentation writes it: some services write it otherwise in messages, and IAM
    does not mind."""
    service, name = action.split(":")
    service = service.lower()
    if service not in ("sns", "sqs"):
        return action
    operations = SESSION.client(service, region_name=REGION).meta.service_model.operation_names
    named = {operation.lower(): operation for operation in operations}
    return f"{service}:{named[name.lower()]}"


def statements(asked):
    """The statements that allow what was asked, by service."""
    resources = {}
    for pair in asked:
        # Everybody may ask who they are.
        if pair["action"] != "sts:GetCallerIdentity":
            resources.setdefault(documented_name(pair["action"]), set()).add(pattern(pair["resource"]))
    grouped = {}
    for action, named in resources.items():
        service = action.split(":")[0]
        grouped.setdefault((service, tuple(sorted(named)), action == "iam:PassRole"), []).append(action)
    for (service, named, passes), actions in sorted(grouped.items()):
        statement = {"Effect": "Allow", "Action": sorted(actions), "Resource": list(named)}
        if passes:
            statement["Condition"] = {"StringEquals": {"iam:PassedToService": PASSED_TO}}
        yield statement


def policy(statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


@pytest.fixture(scope="module")
def others(bench):
    return {lab: changed(bench, lab, CHANGES[lab], "other") for lab in LABS}


def restricted(bench, *allowed):
    """A cloud whose operator may do this and nothing else."""
    directory = bench.fresh()
    file = directory.with_suffix(".json")
    file.write_text(json.dumps(policy(allowed)))
    cloud = Cloud(directory, "--operator-policy", str(file))
    # Somebody else's, whose tags have to be read to know it.
    role = {"RoleName": "theirs", "AssumeRolePolicyDocument": trust("lambda.amazonaws.com")}
    with contextlib.suppress(ClientError):
        cloud.client("iam").create_role(**role)
    return cloud


def day(bench, cloud, lab, other):
    """Everything that is done with a lab, from deploy to destroy; what ended badly. `other` is the lab
    as somebody changed it."""
    plain = REPOSITORY / "handlers"

    def run(*words, labs=plain):
        ended = bench.run(cloud, labs, *words, status=None)
        # What is not looked for since it may not be listed is told, and is no failure.
        done = ended.status in (0, 2) and "were not looked for" not in ended.text
        return [] if done else [(words, ended.text)]

    def allowed(*words):
        """Not everything comes true in a walk as quick as this one, but nothing may be denied."""
        ended = bench.run(cloud, plain, *words, status=None)
        return [(words, ended.text)] if ":user/operator is not authorized" in ended.text else []

    failed = [*run("plan", lab), *run("deploy", lab)]
    if failed:
        return failed
    for setting in SETTINGS.get(lab, []):
        failed += run("deploy", lab, "--set", setting)
    folder = (plain / lab / "lab.toml").read_text()
    for switch in re.findall(r"^\[chaos\.([\w-]+)\]", folder, re.MULTILINE):
        failed += [*run("chaos", lab, "on", switch), *run("chaos", lab, "off", switch)]
    failed += allowed("request", lab, *re.findall(r"^\[requests\.([\w-]+)\]", folder, re.MULTILINE)[:1])
    steps = re.findall(r"^\[steps\.([\w-]+)\]", folder, re.MULTILINE)
    # The last destroys the lab.
    for step in steps[:-1]:
        failed += allowed("walk", lab, step)
    failed += allowed("check", lab)
    failed += run("deploy", lab, labs=other)
    for words in (["publish"], ["shift", "20"], ["promote"], ["rollback"], ["undo"], ["status"]):
        failed += allowed("release", lab, *words)
    # Back to what it was: permissions that are not needed any more are taken away.
    failed += run("deploy", lab)
    if lab == "items":
        # What is edited live: stages, plans and keys.
        for words in (
            ("stages", lab, "ItemsAPI/prod", "set", "throttle.rate=100"),
            ("stages", lab, "ItemsAPI/prod", "flush"),
            ("stages", lab, "ItemsAPI/dev", "redeploy"),
            ("plans", lab, "LabPlan", "set", "quota.limit=900"),
            ("plans", lab, "LabPlan", "reset", "LabKey"),
            ("keys", lab, "disable", "LabKey"),
            ("keys", lab, "enable", "LabKey"),
            ("keys", lab, "rotate", "LabKey"),
            ("keys", lab, "create", "Guest"),
            ("request", lab, "list", "--to", "test:dev"),
            ("request", lab, "list", "--stage", "dev", "--logs"),
            ("release", lab, "history"),
            ("release", lab, "prune"),
        ):
            failed += allowed(*words)
        failed += attached(allowed)
        failed += run("deploy", lab)
    if lab == "todos":
        failed += run("right-size", lab, "getTodo", "--sizes", "128,256", "-n", "1")
    for command in ("stages", "cost", "metrics", "logs"):
        failed += run(command, lab)
    failed += [*run("labs"), *run("check", lab, "deployed")]
    failed += tail(bench, cloud, plain, lab)
    return failed + run("destroy", lab)


def attached(allowed):
    """Everything that is done with what is attached: here the lab's own API and function, as those of
    somebody else. What may not be read of them is left out and told, and so is found, too."""
    failed = []
    for words in (
        ("attach",),
        ("attach", "theirs", "--api", "ItemsAPI", "--tag", "labdeck:lab=items"),
        ("attach", "theirs"),
        ("stages", "theirs"),
        ("stages", "theirs", "deployments"),
        ("stages", "theirs", "ItemsAPI/prod", "set", "throttle.rate=90"),
        ("stages", "theirs", "ItemsAPI/dev", "redeploy"),
        ("stages", "theirs", "ItemsAPI/dev", "diff"),
        ("stages", "theirs", "ItemsAPI/prod", "flush"),
        ("plans", "theirs"),
        ("plans", "theirs", "usage"),
        ("plans", "theirs", "LabPlan", "set", "quota.limit=800"),
        ("keys", "theirs"),
        ("keys", "theirs", "create", "Theirs"),
        ("request", "theirs", "/items", "--stage", "dev", "--logs"),
        ("release", "theirs", "publish"),
        ("release", "theirs", "shift", "10"),
        ("release", "theirs", "status"),
        ("release", "theirs", "history"),
        ("rollback", "theirs"),
        ("release", "theirs", "undo"),
        ("logs", "theirs"),
        ("metrics", "theirs"),
        ("doctor",),
        ("detach", "theirs"),
    ):
        failed += allowed(*words)
    return failed


def tail(bench, cloud, labs, lab):
    """Follows the log until the live tail has been asked for."""
    process = bench.command(cloud, labs, ["logs", lab, "--follow"])
    try:
        eventually("the live tail", lambda: process.poll() is not None or cloud_was_asked(cloud, "logs:StartLiveTail"))
    finally:
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)
    # What a role was denied by chaos stands in the log, and is no failure.
    denied = ":user/operator is not authorized" in output
    return [(("logs", lab, "--follow"), output)] if denied else []


def cloud_was_asked(cloud, action):
    return any(pair["action"].lower() == action.lower() for pair in admin(cloud, "GET", "asked")["asked"])


def documented():
    text = DOCUMENT.read_text()
    return json.loads(re.search(r"```json\n(.*?)```", text, re.DOTALL).group(1))


def test_the_documented_permissions_are_those_that_are_asked_for(bench, others):
    asked = []
    for lab in LABS:
        cloud = restricted(bench, EVERYTHING)
        assert day(bench, cloud, lab, others[lab]) == []
        asked += admin(cloud, "GET", "asked")["asked"]
        cloud.stop()
    found = policy(statements(asked))
    if os.environ.get("LABDECK_BLESS"):
        text = DOCUMENT.read_text()
        block = "```json\n" + json.dumps(found, indent=2) + "\n```"
        DOCUMENT.write_text(re.sub(r"```json\n.*?```", lambda _: block, text, flags=re.DOTALL))
    assert documented() == found, "make it anew: LABDECK_BLESS=1 tests/clients/run -k operator"


@pytest.mark.parametrize("lab", LABS if FULL else WHOLE)
def test_with_exactly_these_everything_works(bench, others, lab):
    cloud = restricted(bench, *documented()["Statement"])
    assert day(bench, cloud, lab, others[lab]) == []
    cloud.stop()


def without(action):
    for statement in documented()["Statement"]:
        actions = [kept for kept in statement["Action"] if kept != action]
        if actions:
            yield {**statement, "Action": actions}


def test_a_permission_that_is_missing_is_named_with_what_to_do(bench, others):
    actions = [action for statement in documented()["Statement"] for action in statement["Action"]]
    # A sample that is another one for every change of the list.
    for action in actions if FULL else actions[len(actions) % 13 :: 13]:
        cloud = restricted(bench, *without(action))
        failed = day(bench, cloud, "greet", others["greet"])
        asked = cloud_was_asked(cloud, action)
        cloud.stop()
        if not asked:
            continue
        told = [text for _, text in failed if action.lower() in text.lower()]
        assert told, f"{action} is missing, and nobody says so: {failed}"
        assert "aws-permissions" in told[0] or "allow" in told[0].lower(), told[0]
