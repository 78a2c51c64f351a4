"""The items lab by hand-sized steps of the AWS CLI, in the order of the lesson.

The steps build on each other: one test after the other, in one cloud.
"""

import json

import pytest
from conftest import ACCOUNT, REGION, Refused, eventually, items_program, policy, send, trust

LIST_TEMPLATE = """#set($ids = [1, 2, 3])
[
#foreach($id in $ids)
#set($price = $id * 1.5)
#set($name = "foo" + $id)
  {"ID": $id, "name": "$name", "price": $price}#if($foreach.hasNext),#end

#end
]"""

ONE_TEMPLATE = """#set($Integer = 0)
#set($id = $Integer.parseInt($input.params("ID")))
#set($price = $id * 1.5)
{"ID": $id, "name": "foo$id", "price": $price}"""

# A number, or the mapping answers 400 by itself.
ID_TEMPLATE = """#if($input.params("ID").matches("[0-9]+")){"ID": $input.params("ID")}#else{"ID": 0}#end"""

IDS = {}


@pytest.fixture(scope="module")
def gateway(aws):
    return lambda *words: aws("apigateway", *words, "--rest-api-id", IDS["api"])


def test_create_the_api_and_its_models(aws, gateway):
    api = aws(
        "apigateway", "create-rest-api", "--name", "ItemsAPI",
        "--endpoint-configuration", "types=REGIONAL", "--tags", "lab=items",
    )
    IDS["api"] = api["id"]
    assert api["endpointConfiguration"]["types"] == ["REGIONAL"]
    IDS["root"] = gateway("get-resources")["items"][0]["id"]
    assert api["rootResourceId"] == IDS["root"]
    item = {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "title": "Item",
        "type": "object",
        "properties": {
            "ID": {"type": "number"}, "name": {"type": "string"}, "price": {"type": "number"},
        },
    }
    reference = f"https://apigateway.amazonaws.com/restapis/{api['id']}/models/Item"
    items = {"title": "Items", "type": "array", "items": {"$ref": reference}}
    for name, schema in [("Item", item), ("Items", items)]:
        gateway(
            "create-model", "--name", name, "--content-type", "application/json",
            "--schema", json.dumps(schema),
        )
    names = {model["name"] for model in gateway("get-models")["items"]}
    assert names == {"Empty", "Error", "Item", "Items"}


def test_mock_methods_answer_in_the_method_test(gateway):
    items = gateway("create-resource", "--parent-id", IDS["root"], "--path-part", "items")
    one = gateway("create-resource", "--parent-id", items["id"], "--path-part", "{ID}")
    IDS["items"], IDS["one"] = items["id"], one["id"]
    assert one["path"] == "/items/{ID}"
    for resource, model, template in [
        (IDS["items"], "Items", LIST_TEMPLATE),
        (IDS["one"], "Item", ONE_TEMPLATE),
    ]:
        at = ["--resource-id", resource, "--http-method", "GET"]
        parameters = ["--request-parameters", "method.request.path.ID=true"]
        gateway(
            "put-method", *at, "--authorization-type", "NONE",
            *(parameters if model == "Item" else []),
        )
        gateway(
            "put-integration", *at, "--type", "MOCK",
            "--request-templates", json.dumps({"application/json": '{"statusCode": 200}'}),
        )
        gateway(
            "put-method-response", *at, "--status-code", "200",
            "--response-models", json.dumps({"application/json": model}),
        )
        gateway(
            "put-integration-response", *at, "--status-code", "200",
            "--response-templates", json.dumps({"application/json": template}),
        )
    answer = gateway("test-invoke-method", "--resource-id", IDS["items"], "--http-method", "GET")
    assert answer["status"] == 200, answer
    assert json.loads(answer["body"]) == [
        {"ID": n, "name": f"foo{n}", "price": n * 1.5} for n in (1, 2, 3)
    ]
    assert "Successfully completed execution" in answer["log"]
    answer = gateway(
        "test-invoke-method", "--resource-id", IDS["one"], "--http-method", "GET",
        "--path-with-query-string", "/items/7",
    )
    assert json.loads(answer["body"]) == {"ID": 7, "name": "foo7", "price": 10.5}
    assert "{ID=7}" in answer["log"]


def test_two_stages_serve_what_was_deployed(cloud, gateway):
    for stage in ("dev", "prod"):
        gateway("create-deployment", "--stage-name", stage, "--description", f"mock for {stage}")
        answer = send(cloud.url(IDS["api"], stage, "/items/4"))
        assert answer.status == 200, answer
        assert answer.json() == {"ID": 4, "name": "foo4", "price": 6.0}
    stages = gateway("get-stages")["item"]
    assert sorted(stage["stageName"] for stage in stages) == ["dev", "prod"]
    assert send(cloud.url(IDS["api"], "dev", "/nothing")).json() == {
        "message": "Missing Authentication Token"
    }


def test_create_the_function_its_versions_and_its_aliases(aws, tmp_path):
    role = aws(
        "iam", "create-role", "--role-name", "items",
        "--assume-role-policy-document", trust("lambda.amazonaws.com"),
    )["Role"]["Arn"]
    aws(
        "iam", "put-role-policy", "--role-name", "items", "--policy-name", "logs",
        "--policy-document", policy("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"),
    )
    first, second = tmp_path / "first.zip", tmp_path / "second.zip"
    first.write_bytes(items_program())
    second.write_bytes(items_program(2.0))
    made = aws(
        "lambda", "create-function", "--function-name", "ItemsFunction",
        "--runtime", "provided.al2023", "--handler", "bootstrap", "--role", role,
        "--zip-file", f"fileb://{first}", "--timeout", "10",
    )
    assert made["State"] == "Pending"
    aws("lambda", "wait", "function-active-v2", "--function-name", "ItemsFunction")
    assert aws("lambda", "publish-version", "--function-name", "ItemsFunction")["Version"] == "1"
    # Nothing changed: the same version.
    assert aws("lambda", "publish-version", "--function-name", "ItemsFunction")["Version"] == "1"
    aws(
        "lambda", "update-function-code", "--function-name", "ItemsFunction",
        "--zip-file", f"fileb://{second}",
    )
    aws("lambda", "wait", "function-updated-v2", "--function-name", "ItemsFunction")
    assert aws("lambda", "publish-version", "--function-name", "ItemsFunction")["Version"] == "2"
    for alias, version in [("dev", "$LATEST"), ("prod", "1")]:
        aws(
            "lambda", "create-alias", "--function-name", "ItemsFunction", "--name", alias,
            "--function-version", version,
        )
    with pytest.raises(Refused, match="ResourceConflictException"):
        aws(
            "lambda", "create-alias", "--function-name", "ItemsFunction", "--name", "prod",
            "--function-version", "1",
        )
    # A version that an alias points to stays.
    with pytest.raises(Refused, match="ResourceConflictException"):
        aws("lambda", "delete-function", "--function-name", "ItemsFunction", "--qualifier", "1")


def test_saved_events_reach_the_function_directly(aws, tmp_path):
    def invoke(event, *more):
        out = tmp_path / "out.json"
        meta = aws(
            "lambda", "invoke", "--function-name", "ItemsFunction:prod", "--payload", event,
            *more, out,
        )
        return meta, json.loads(out.read_text())

    meta, payload = invoke("{}", "--log-type", "Tail")
    assert [item["name"] for item in payload] == ["Pen", "Pencil", "Highlighter", "Ruler"]
    assert meta["ExecutedVersion"] == "1" and meta["LogResult"]
    assert invoke('{"ID": 1}')[1] == {"ID": 1, "name": "Pen", "price": 2.5}
    meta, payload = invoke('{"ID": 5}')
    assert meta["FunctionError"] == "Unhandled" and payload["errorMessage"] == "NotFoundError"


def test_switch_the_methods_to_the_function(gateway):
    uri = (
        f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/arn:aws:lambda:{REGION}:"
        f"{ACCOUNT}:function:ItemsFunction:${{stageVariables.lambdaAlias}}/invocations"
    )
    for resource, template in [(IDS["items"], "{}"), (IDS["one"], ID_TEMPLATE)]:
        at = ["--resource-id", resource, "--http-method", "GET"]
        gateway(
            "put-integration", *at, "--type", "AWS", "--integration-http-method", "POST",
            "--uri", uri, "--passthrough-behavior", "NEVER",
            "--request-templates", json.dumps({"application/json": template}),
        )
        gateway("put-integration-response", *at, "--status-code", "200")
    at = ["--resource-id", IDS["one"], "--http-method", "GET"]
    gateway("put-method-response", *at, "--status-code", "404")
    gateway(
        "put-integration-response", *at, "--status-code", "404",
        "--selection-pattern", "NotFoundError",
        "--response-templates", json.dumps({"application/json": '{"message": "no such item"}'}),
    )


def test_the_stage_is_stale_until_it_is_deployed_again(cloud, gateway):
    before = send(cloud.url(IDS["api"], "dev", "/items/1"))
    assert before.json()["name"] == "foo1", "the deployment is a snapshot"
    for stage, alias in [("dev", "dev"), ("prod", "prod")]:
        gateway(
            "update-stage", "--stage-name", stage, "--patch-operations",
            f"op=replace,path=/variables/lambdaAlias,value={alias}",
        )
        gateway("create-deployment", "--stage-name", stage)
        # Nobody allowed the gateway to invoke the function.
        answer = send(cloud.url(IDS["api"], stage, "/items/1"))
        assert (answer.status, answer.json()) == (500, {"message": "Internal server error"})


def test_permissions_of_a_stage(aws, cloud, gateway):
    def allow(alias, stage, statement):
        aws(
            "lambda", "add-permission", "--function-name", f"ItemsFunction:{alias}",
            "--statement-id", statement, "--action", "lambda:InvokeFunction",
            "--principal", "apigateway.amazonaws.com",
            "--source-arn", f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{IDS['api']}/{stage}/GET/*",
        )

    for stage in ("dev", "prod"):
        allow(stage, stage, f"gateway-{stage}")
    assert send(cloud.url(IDS["api"], "prod", "/items/1")).json() == {
        "ID": 1, "name": "Pen", "price": 2.5,
    }
    assert send(cloud.url(IDS["api"], "dev", "/items/1")).json()["price"] == 5.0
    missing = send(cloud.url(IDS["api"], "prod", "/items/9"))
    assert (missing.status, missing.json()) == (404, {"message": "no such item"})
    # The method test is a stage of its own: refused until it is allowed too.
    test = ["--resource-id", IDS["one"], "--http-method", "GET", "--path-with-query-string",
            "/items/2", "--stage-variables", "lambdaAlias=prod"]
    refused = gateway("test-invoke-method", *test)
    assert refused["status"] == 500
    assert "Invalid permissions on Lambda function" in refused["log"]
    allow("prod", "test-invoke-stage", "gateway-test")
    allowed = gateway("test-invoke-method", *test)
    assert json.loads(allowed["body"])["name"] == "Pencil", allowed


def test_a_weighted_alias_shows_both_versions(aws, cloud):
    aws(
        "lambda", "update-alias", "--function-name", "ItemsFunction", "--name", "prod",
        "--routing-config", "AdditionalVersionWeights={2=0.5}",
    )
    prices = {send(cloud.url(IDS["api"], "prod", "/items/1")).json()["price"] for _ in range(60)}
    assert prices == {2.5, 5.0}
    aws(
        "lambda", "update-alias", "--function-name", "ItemsFunction", "--name", "prod",
        "--routing-config", "AdditionalVersionWeights={}",
    )
    prices = {send(cloud.url(IDS["api"], "prod", "/items/1")).json()["price"] for _ in range(10)}
    assert prices == {2.5}


def test_cors_by_a_mock_method(cloud, gateway):
    headers = {
        "Access-Control-Allow-Headers": "'Content-Type,X-Api-Key,Authorization'",
        "Access-Control-Allow-Methods": "'GET,OPTIONS'",
        "Access-Control-Allow-Origin": "'*'",
    }
    at = ["--resource-id", IDS["items"], "--http-method", "OPTIONS"]
    gateway("put-method", *at, "--authorization-type", "NONE")
    gateway(
        "put-integration", *at, "--type", "MOCK",
        "--request-templates", json.dumps({"application/json": '{"statusCode": 200}'}),
    )
    gateway(
        "put-method-response", *at, "--status-code", "200", "--response-parameters",
        json.dumps({f"method.response.header.{name}": False for name in headers}),
    )
    gateway(
        "put-integration-response", *at, "--status-code", "200", "--response-parameters",
        json.dumps({f"method.response.header.{name}": value for name, value in headers.items()}),
    )
    gateway("create-deployment", "--stage-name", "dev")
    answer = send(cloud.url(IDS["api"], "dev", "/items"), "OPTIONS")
    assert answer.status == 200, answer
    assert answer.headers["Access-Control-Allow-Methods"] == "GET,OPTIONS"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_a_key_a_plan_and_its_quota(aws, cloud, gateway):
    key = aws("apigateway", "create-api-key", "--name", "LabKey", "--enabled")
    IDS["key"] = key["id"]
    plan = aws(
        "apigateway", "create-usage-plan", "--name", "LabPlan",
        "--quota", "limit=4,period=DAY,offset=0",
        "--api-stages", f"apiId={IDS['api']},stage=dev", f"apiId={IDS['api']},stage=prod",
    )
    IDS["plan"] = plan["id"]
    aws(
        "apigateway", "create-usage-plan-key", "--usage-plan-id", plan["id"],
        "--key-id", key["id"], "--key-type", "API_KEY",
    )
    for resource in (IDS["items"], IDS["one"]):
        gateway(
            "update-method", "--resource-id", resource, "--http-method", "GET",
            "--patch-operations", "op=replace,path=/apiKeyRequired,value=true",
        )
    gateway("create-deployment", "--stage-name", "dev")
    url = cloud.url(IDS["api"], "dev", "/items")
    bare = send(url)
    assert (bare.status, bare.json()) == (403, {"message": "Forbidden"})
    assert send(url, headers={"x-api-key": "x" * 30}).status == 403
    with_key = {"x-api-key": key["value"]}
    assert [send(url, headers=with_key).status for _ in range(4)] == [200] * 4
    used_up = send(url, headers=with_key)
    assert (used_up.status, used_up.json()) == (429, {"message": "Limit Exceeded"})
    assert used_up.headers["x-amzn-ErrorType"] == "LimitExceededException"

    today = __import__("datetime").datetime.now(__import__("datetime").timezone.utc).date()
    usage = aws(
        "apigateway", "get-usage", "--usage-plan-id", plan["id"],
        "--start-date", today.isoformat(), "--end-date", today.isoformat(),
    )
    assert usage["items"][key["id"]][0] == [4, 0]
    aws(
        "apigateway", "update-usage", "--usage-plan-id", plan["id"], "--key-id", key["id"],
        "--patch-operations", "op=replace,path=/remaining,value=2",
    )
    assert [send(url, headers=with_key).status for _ in range(3)] == [200, 200, 429]
    aws(
        "apigateway", "update-usage-plan", "--usage-plan-id", plan["id"],
        "--patch-operations", "op=replace,path=/quota/limit,value=1000",
    )
    assert send(url, headers=with_key).status == 200
    # A key that is switched off is no key.
    aws(
        "apigateway", "update-api-key", "--api-key", key["id"],
        "--patch-operations", "op=replace,path=/enabled,value=false",
    )
    assert send(url, headers=with_key).status == 403
    aws(
        "apigateway", "update-api-key", "--api-key", key["id"],
        "--patch-operations", "op=replace,path=/enabled,value=true",
    )
    IDS["value"] = key["value"]
    listed = aws("apigateway", "get-api-keys", "--name-query", "Lab")["items"]
    assert "value" not in listed[0]
    shown = aws("apigateway", "get-api-key", "--api-key", key["id"], "--include-value")
    assert shown["value"] == key["value"]


def test_the_plan_throttles(aws, cloud):
    aws(
        "apigateway", "update-usage-plan", "--usage-plan-id", IDS["plan"], "--patch-operations",
        "op=replace,path=/throttle/rateLimit,value=1",
        "op=replace,path=/throttle/burstLimit,value=2",
    )
    url = cloud.url(IDS["api"], "dev", "/items")
    answers = [send(url, headers={"x-api-key": IDS["value"]}) for _ in range(12)]
    statuses = [answer.status for answer in answers]
    assert 200 in statuses and 429 in statuses, statuses
    throttled = next(answer for answer in answers if answer.status == 429)
    assert throttled.json() == {"message": "Too Many Requests"}
    aws(
        "apigateway", "update-usage-plan", "--usage-plan-id", IDS["plan"], "--patch-operations",
        "op=remove,path=/throttle",
    )
    assert [send(url, headers={"x-api-key": IDS["value"]}).status for _ in range(6)] == [200] * 6


def test_the_cache_of_prod_and_its_key(aws, cloud, gateway):
    patches = [
        "op=replace,path=/cacheClusterEnabled,value=true",
        "op=replace,path=/cacheClusterSize,value=0.5",
        "op=replace,path=/*/*/caching/enabled,value=true",
        "op=replace,path=/*/*/caching/ttlInSeconds,value=3600",
        "op=replace,path=/*/*/caching/dataEncrypted,value=true",
        "op=replace,path=/*/*/caching/requireAuthorizationForCacheControl,value=true",
        "op=replace,path=/*/*/caching/unauthorizedCacheControlHeaderStrategy,value=FAIL_WITH_403",
        "op=replace,path=/*/*/throttling/rateLimit,value=10000",
        "op=replace,path=/*/*/throttling/burstLimit,value=5000",
    ]
    gateway("create-deployment", "--stage-name", "prod")
    gateway("update-stage", "--stage-name", "prod", "--patch-operations", *patches)
    eventually(
        "the cache is there",
        lambda: gateway("get-stage", "--stage-name", "prod")["cacheClusterStatus"] == "AVAILABLE",
    )

    def item(number, **headers):
        named = {"x-api-key": IDS["value"], **headers}
        return send(cloud.url(IDS["api"], "prod", f"/items/{number}"), headers=named)

    # The path parameter is no cache key: one answer for all.
    assert item(1).json()["name"] == "Pen"
    assert item(2).json()["name"] == "Pen"
    gateway(
        "update-integration", "--resource-id", IDS["one"], "--http-method", "GET",
        "--patch-operations", "op=add,path=/cacheKeyParameters/method.request.path.ID",
    )
    gateway("create-deployment", "--stage-name", "prod")
    gateway("flush-stage-cache", "--stage-name", "prod")
    eventually("the flush is over", lambda: item(2).json()["name"] == "Pencil")
    assert item(1).json()["name"] == "Pen"
    # Who may not invalidate is refused.
    refused = item(1, **{"Cache-Control": "max-age=0"})
    assert refused.status == 403, refused


def test_clean_up_in_a_wrong_and_in_a_working_order(aws, gateway):
    with pytest.raises(Refused, match="BadRequestException.*API Stages associated"):
        aws("apigateway", "delete-usage-plan", "--usage-plan-id", IDS["plan"])
    deployments = {stage["deploymentId"] for stage in gateway("get-stages")["item"]}
    with pytest.raises(Refused, match="Active stages pointing to this deployment"):
        gateway("delete-deployment", "--deployment-id", deployments.pop())
    aws(
        "apigateway", "update-usage-plan", "--usage-plan-id", IDS["plan"], "--patch-operations",
        f"op=remove,path=/apiStages,value={IDS['api']}:dev",
        f"op=remove,path=/apiStages,value={IDS['api']}:prod",
    )
    aws(
        "apigateway", "delete-usage-plan-key", "--usage-plan-id", IDS["plan"],
        "--key-id", IDS["key"],
    )
    aws("apigateway", "delete-api-key", "--api-key", IDS["key"])
    aws("apigateway", "delete-usage-plan", "--usage-plan-id", IDS["plan"])
    for stage in ("dev", "prod"):
        gateway("delete-stage", "--stage-name", stage)
    gateway("delete-rest-api")
    for alias in ("dev", "prod"):
        aws("lambda", "delete-alias", "--function-name", "ItemsFunction", "--name", alias)
    aws("lambda", "delete-function", "--function-name", "ItemsFunction")
    with pytest.raises(Refused, match="DeleteConflict"):
        aws("iam", "delete-role", "--role-name", "items")
    aws("iam", "delete-role-policy", "--role-name", "items", "--policy-name", "logs")
    aws("iam", "delete-role", "--role-name", "items")
    aws("logs", "delete-log-group", "--log-group-name", "/aws/lambda/ItemsFunction")
    assert aws("apigateway", "get-rest-apis")["items"] == []
    assert aws("apigateway", "get-api-keys")["items"] == []
    assert aws("apigateway", "get-usage-plans")["items"] == []
    assert aws("lambda", "list-functions")["Functions"] == []
    assert aws("iam", "list-roles")["Roles"] == []
    assert aws("logs", "describe-log-groups")["logGroups"] == []
