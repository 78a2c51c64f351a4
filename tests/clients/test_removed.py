"""What is taken out of a lab.toml is found by its tag and removed, with a loud word where data is lost;
what is somebody else's stays, however it is called."""

import shutil

import pytest
from conftest import Cloud, eventually, trust
from inventory import differences, inventory, pages
from matrix import clear_faults, set_fault

REFUSED, PENDING = 3, 2
# What is left of the lab: an API that needs nothing else.
LAB = """title = "Petstore"
description = "Next to nothing."
log_retention_days = 7
[apis.petstore-mock]
document = "petstore-mock.openapi.yaml"
[stages.dev]
alias = "dev"
follows = "latest"
"""
OTHERS = {"tables": ["visits"], "queues": ["orders"], "topics": ["news"], "alarms": ["theirs"], "functions": []}


@pytest.fixture
def petstore(labs):
    return labs("petstore")


@pytest.fixture
def reduced(petstore):
    """The labs with a petstore of which next to everything was taken out."""
    directory = petstore.bench.directory / "reduced"
    shutil.copytree(petstore.labs, directory, dirs_exist_ok=True)
    (directory / "petstore" / "lab.toml").write_text(LAB)
    return directory


@pytest.fixture
def cloud(petstore):
    """A petstore among resources that are not its own, and with some that its lab.toml never named."""
    directory = petstore.bench.fresh()
    shutil.copytree(petstore.deploy.after, directory)
    cloud = Cloud(directory)
    key = [{"AttributeName": "id", "AttributeType": "S"}]
    cloud.client("dynamodb").create_table(
        TableName="visits", AttributeDefinitions=key, BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    cloud.client("dynamodb").put_item(TableName="pets", Item={"petId": {"S": "1"}})
    cloud.client("sqs").create_queue(QueueName="orders", tags={"labdeck:lab": "petstore-of-others"})
    cloud.client("sns").create_topic(Name="news", Tags=[{"Key": "labdeck:lab", "Value": "greet"}])
    cloud.client("iam").create_role(RoleName="theirs", AssumeRolePolicyDocument=trust("lambda.amazonaws.com"))
    alarm = {
        "Namespace": "N", "MetricName": "M", "Period": 60, "EvaluationPeriods": 1, "Threshold": 1.0,
        "Statistic": "Sum", "ComparisonOperator": "GreaterThanThreshold",
    }
    ours = [{"Key": "labdeck:lab", "Value": "petstore"}]
    cloud.client("cloudwatch").put_metric_alarm(AlarmName="theirs", **alarm)
    cloud.client("cloudwatch").put_metric_alarm(AlarmName="once-ours", Tags=ours, **alarm)
    logs = cloud.client("logs")
    logs.create_log_group(logGroupName="/aws/lambda/theirs")
    logs.create_log_group(logGroupName="/aws/lambda/gone-before", tags={"labdeck:lab": "petstore"})
    yield cloud
    cloud.stop()


def names(cloud):
    return {
        "functions": [f["FunctionName"] for f in pages(cloud.client("lambda"), "list_functions", "Functions")],
        "tables": cloud.client("dynamodb").list_tables()["TableNames"],
        "queues": [url.rsplit("/", 1)[1] for url in cloud.client("sqs").list_queues().get("QueueUrls", [])],
        "topics": [t["TopicArn"].rsplit(":", 1)[1] for t in cloud.client("sns").list_topics()["Topics"]],
        "alarms": [a["AlarmName"] for a in cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]],
    }


def roles_and_groups(cloud):
    roles = [role["RoleName"] for role in pages(cloud.client("iam"), "list_roles", "Roles")]
    groups = [g["logGroupName"] for g in pages(cloud.client("logs"), "describe_log_groups", "logGroups")]
    # The account's own, which every lab leaves.
    return [role for role in roles if role != "labdeck-apigateway-logs"], groups


def test_what_is_taken_out_is_shown_asked_for_and_removed(petstore, reduced, cloud):
    bench = petstore.bench
    before = inventory(cloud)
    plan = bench.run(cloud, reduced, "plan", "petstore", status=(PENDING,))
    for resource in ("function pets", "table pets", "queue pet-adoptions", "topic pet-added", "role pets-role",
                     "alarm once-ours", "event source mapping", "log group /aws/lambda/pets", "API petstore"):
        assert f"delete {resource}" in " ".join(plan.split()), f"{resource}: {plan}"
    assert plan.count("not in lab.toml any more") > 10
    assert "! table pets is deleted: its data is lost" in plan
    assert "! log group /aws/lambda/pets is deleted with its events" in plan
    assert "visits" not in plan and "orders" not in plan and "theirs" not in plan
    # Without a word of a person nothing that holds data is removed.
    said = bench.run(cloud, reduced, "deploy", "petstore", status=(REFUSED,), confirmed=())
    assert "its data is lost" in said and "not confirmed" in said
    assert list(differences(before, inventory(cloud))) == []
    bench.run(cloud, reduced, "deploy", "petstore")
    assert names(cloud) == OTHERS
    # Groups of functions that went before are looked for by a destroy, which has time.
    assert roles_and_groups(cloud) == (["theirs"], ["/aws/lambda/gone-before", "/aws/lambda/theirs"])
    assert "nothing to do" in bench.run(cloud, reduced, "plan", "petstore")


def test_a_destroy_removes_what_was_taken_out_before(petstore, reduced, cloud):
    said = petstore.bench.run(cloud, reduced, "destroy", "petstore")
    assert "nothing is left" in said
    assert names(cloud) == OTHERS
    assert roles_and_groups(cloud) == (["theirs"], ["/aws/lambda/theirs"])


def test_a_log_group_that_late_lines_make_anew_is_removed_too(petstore):
    cloud = petstore.deploy.account(petstore.deploy.after)
    logs = cloud.client("logs")

    def groups():
        found = pages(logs, "describe_log_groups", "logGroups", logGroupNamePrefix="/aws/lambda/")
        return {group["logGroupName"] for group in found}

    try:
        before = groups()
        set_fault(cloud, "pause", 1, "logs", "DeleteLogGroup")
        process = petstore.bench.command(cloud, petstore.labs, ["destroy", "petstore"])
        eventually("all groups but one are gone", lambda: len(groups()) == 1 or process.poll() is not None)
        # As a function does that was at work as it was deleted.
        logs.create_log_group(logGroupName=min(before - groups()))
        clear_faults(cloud)
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, said
        assert "nothing is left" in said
        assert groups() == set()
    finally:
        cloud.stop()


def test_what_would_take_too_long_to_look_through_is_said(petstore):
    cloud = petstore.deploy.account(petstore.deploy.after)
    try:
        for number in range(102):
            cloud.client("sqs").create_queue(QueueName=f"foreign-{number}")
        said = petstore.bench.run(cloud, petstore.labs, "plan", "petstore")
        assert "queues of this lab that lab.toml does not name any more were not looked for" in said
        assert "labdeck:lab=petstore" in said
    finally:
        cloud.stop()
