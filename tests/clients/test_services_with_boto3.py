"""What programs do with boto3: waiters, paginators, modelled errors, event streams, data."""

import json
import threading

import pytest
from botocore.exceptions import ClientError
from conftest import ACCOUNT, REGION, bootstrap, eventually, items_program, policy, trust


@pytest.fixture(scope="module")
def role(cloud):
    iam = cloud.client("iam")
    made = iam.create_role(
        RoleName="functions", AssumeRolePolicyDocument=trust("lambda.amazonaws.com")
    )
    iam.put_role_policy(
        RoleName="functions", PolicyName="logs",
        PolicyDocument=policy("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"),
    )
    return made["Role"]["Arn"]


@pytest.fixture(scope="module")
def function(cloud, role):
    client = cloud.client("lambda")
    client.create_function(
        FunctionName="items", Runtime="provided.al2023", Handler="bootstrap", Role=role,
        Code={"ZipFile": items_program()}, Timeout=10,
    )
    client.get_waiter("function_active_v2").wait(FunctionName="items")
    return client


def test_who_am_i(cloud):
    assert cloud.client("sts").get_caller_identity()["Account"] == ACCOUNT


def test_versions_by_waiters_and_pages(function):
    for number in range(1, 5):
        function.update_function_configuration(FunctionName="items", Description=f"v{number}")
        function.get_waiter("function_updated_v2").wait(FunctionName="items")
        published = function.publish_version(FunctionName="items")
        assert published["Version"] == str(number)
        function.get_waiter("published_version_active").wait(
            FunctionName="items", Qualifier=str(number)
        )
    pages = function.get_paginator("list_versions_by_function").paginate(
        FunctionName="items", PaginationConfig={"PageSize": 2}
    )
    versions = [version["Version"] for page in pages for version in page["Versions"]]
    assert versions == ["$LATEST", "1", "2", "3", "4"]


def test_modelled_errors(function):
    with pytest.raises(function.exceptions.ResourceNotFoundException) as missing:
        function.get_function(FunctionName="nothing")
    assert missing.value.response["Error"]["Message"].startswith("Function not found: arn:aws:")
    with pytest.raises(function.exceptions.ResourceConflictException):
        function.create_function(
            FunctionName="items", Runtime="provided.al2023", Handler="bootstrap",
            Role=f"arn:aws:iam::{ACCOUNT}:role/functions", Code={"ZipFile": items_program()},
        )
    alias = function.create_alias(FunctionName="items", Name="live", FunctionVersion="1")
    with pytest.raises(function.exceptions.PreconditionFailedException):
        function.update_alias(
            FunctionName="items", Name="live", FunctionVersion="2",
            RevisionId="00000000-0000-0000-0000-000000000000",
        )
    moved = function.update_alias(
        FunctionName="items", Name="live", FunctionVersion="2", RevisionId=alias["RevisionId"],
        RoutingConfig={"AdditionalVersionWeights": {"3": 0.25}},
    )
    assert moved["RoutingConfig"] == {"AdditionalVersionWeights": {"3": 0.25}}


def test_invocations_of_an_alias_follow_its_weights(function):
    seen = {}
    for _ in range(120):
        answer = function.invoke(FunctionName="items", Qualifier="live", Payload=b"{}")
        seen[answer["ExecutedVersion"]] = seen.get(answer["ExecutedVersion"], 0) + 1
    assert set(seen) == {"2", "3"} and seen["2"] > seen["3"], seen


def test_logs_by_filter_and_live(cloud, function):
    logs = cloud.client("logs")
    group = "/aws/lambda/items"
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=group, filterPattern="REPORT", PaginationConfig={"PageSize": 50}
    )
    messages = [event["message"] for page in pages for event in page["events"]]
    assert len(messages) >= 120 and all("REPORT RequestId: " in m for m in messages)
    # A JSON pattern sees the members of a JSON line.
    function.invoke(FunctionName="items", Payload=b'{"ID": 3}')
    eventually(
        "the JSON line is found by its member",
        lambda: logs.filter_log_events(logGroupName=group, filterPattern="{ $.event.ID = 3 }")["events"],
    )
    assert not logs.filter_log_events(logGroupName=group, filterPattern="{ $.event.ID = 4 }")["events"]

    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}"
    stream = logs.start_live_tail(logGroupIdentifiers=[arn])["responseStream"]
    found, started = [], threading.Event()

    def tail():
        for event in stream:
            if "sessionStart" in event:
                started.set()
            lines = event.get("sessionUpdate", {}).get("sessionResults", [])
            found.extend(line["message"] for line in lines)
            if any('{"ID": 2}' in message for message in found):
                break
        stream.close()

    thread = threading.Thread(target=tail, daemon=True)
    thread.start()
    assert started.wait(10)
    function.invoke(FunctionName="items", Payload=b'{"ID": 2}')
    thread.join(20)
    assert not thread.is_alive(), "the tail shows the request"


def test_a_table(cloud):
    dynamodb = cloud.client("dynamodb")
    dynamodb.create_table(
        TableName="things", BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    dynamodb.get_waiter("table_exists").wait(TableName="things")
    for number in range(25):
        dynamodb.put_item(
            TableName="things", Item={"id": {"S": f"t{number}"}, "n": {"N": str(number)}}
        )
    pages = dynamodb.get_paginator("scan").paginate(
        TableName="things", PaginationConfig={"PageSize": 10}
    )
    assert sum(page["Count"] for page in pages) == 25
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException):
        dynamodb.put_item(
            TableName="things", Item={"id": {"S": "t1"}},
            ConditionExpression="attribute_not_exists(id)",
        )
    described = dynamodb.describe_table(TableName="things")["Table"]
    assert described["TableArn"] == f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/things"


def test_a_role_limits_what_a_function_may_do(cloud, role):
    """The function's own credentials, with a client that is not ours in the function too."""
    client = cloud.client("lambda")
    program = """
import boto3
table = boto3.client("dynamodb")
try:
    return table.get_item(TableName="things", Key={"id": {"S": "t1"}})["Item"]["n"]["N"]
except Exception as error:
    return str(error)
"""
    import sys
    site = next(path for path in sys.path if path.endswith("site-packages"))
    program = program.replace("import boto3", f"sys.path.insert(0, {site!r}); import boto3", 1)
    client.create_function(
        FunctionName="reader", Runtime="provided.al2023", Handler="bootstrap", Role=role,
        Code={"ZipFile": bootstrap(program)}, Timeout=30, MemorySize=512,
    )
    client.get_waiter("function_active_v2").wait(FunctionName="reader")

    def ask():
        return json.load(client.invoke(FunctionName="reader", Payload=b"{}")["Payload"])

    refused = ask()
    assert "AccessDeniedException" in refused and "dynamodb:GetItem" in refused, refused
    cloud.client("iam").put_role_policy(
        RoleName="functions", PolicyName="read",
        PolicyDocument=policy(
            "dynamodb:GetItem", resource=f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/things"
        ),
    )
    assert eventually("the role allows it", lambda: ask() == "1")


def test_a_wrong_secret_is_refused(cloud):
    import boto3

    client = boto3.client(
        "lambda", endpoint_url=cloud.endpoint, region_name=REGION,
        aws_access_key_id=cloud.environment["AWS_ACCESS_KEY_ID"], aws_secret_access_key="wrong",
    )
    with pytest.raises(ClientError) as refused:
        client.list_functions()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
