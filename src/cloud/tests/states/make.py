"""Fills a running local cloud with what the tests of older states look for.

    labdeck cloud --state-dir /tmp/state --any-credentials   # prints its endpoint
    python3 make.py http://127.0.0.1:PORT
    labdeck cloud stop --state-dir /tmp/state

Then keep cloud.db, dynamodb.db, logs.db and code/*.zip as a directory of their own beside this file,
with the credentials.json of v1.
"""

import base64
import io
import json
import sys
import time
import urllib.parse
import urllib.request
import zipfile

ENDPOINT = sys.argv[1]
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
TABLE = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "dynamodb:UpdateItem", "Resource": "*"}],
}


def call(method, path, body=None, headers=None):
    data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    request = urllib.request.Request(ENDPOINT + path, data=data, method=method, headers=headers or {})
    text = urllib.request.urlopen(request).read()
    return json.loads(text) if text[:1] in (b"{", b"[") else text


def iam(action, **parameters):
    form = urllib.parse.urlencode({"Action": action, "Version": "2010-05-08", **parameters})
    return call("POST", "/", form.encode(), {"content-type": "application/x-www-form-urlencoded"})


def target(name, body):
    return call("POST", "/", body, {"x-amz-target": name})


def code():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo("bootstrap", (2026, 1, 1, 0, 0, 0))
        entry.external_attr = 0o100755 << 16
        archive.writestr(entry, "#!/bin/sh\nexit 1\n")
    return base64.b64encode(buffer.getvalue()).decode()


iam("CreateRole", RoleName="greet-role", AssumeRolePolicyDocument=json.dumps(TRUST), Description="runs greet",
    **{"Tags.member.1.Key": "lab", "Tags.member.1.Value": "greet"})
iam("PutRolePolicy", RoleName="greet-role", PolicyName="table", PolicyDocument=json.dumps(TABLE))
iam("AttachRolePolicy", RoleName="greet-role",
    PolicyArn="arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")

functions = "/2015-03-31/functions"
call("POST", functions, {
    "FunctionName": "greet", "Role": "arn:aws:iam::000000000000:role/greet-role",
    "Runtime": "provided.al2023", "Handler": "bootstrap", "Code": {"ZipFile": code()},
    "Environment": {"Variables": {"TABLE": "visits"}}, "Tags": {"lab": "greet"}, "MemorySize": 256,
})
while call("GET", functions + "/greet")["Configuration"]["State"] != "Active":
    time.sleep(0.1)
call("POST", functions + "/greet/versions", {"Description": "first"})
call("POST", functions + "/greet/aliases", {"Name": "prod", "FunctionVersion": "1"})
call("POST", functions + "/greet/policy?Qualifier=prod", {
    "StatementId": "api", "Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com",
})

api = call("POST", "/restapis", {
    "name": "greet-api", "endpointConfiguration": {"types": ["REGIONAL"]}, "tags": {"lab": "greet"},
})
root = "/restapis/" + api["id"]
resource = call("POST", f"{root}/resources/{api['rootResourceId']}", {"pathPart": "greet"})
method = f"{root}/resources/{resource['id']}/methods/GET"
call("PUT", method, {"authorizationType": "NONE"})
call("PUT", method + "/responses/200", {})
call("PUT", method + "/integration", {
    "type": "MOCK", "requestTemplates": {"application/json": '{"statusCode": 200}'},
})
call("PUT", method + "/integration/responses/200", {
    "responseTemplates": {"application/json": '{"hello":"world"}'},
})
deployment = call("POST", root + "/deployments", {})
call("POST", root + "/stages", {
    "stageName": "prod", "deploymentId": deployment["id"], "variables": {"lambdaAlias": "prod"},
})

group = {"logGroupName": "/aws/lambda/greet"}
stream = {**group, "logStreamName": "2026/11/21/[1]0123456789abcdef0123456789abcdef"}
now = int(time.time() * 1000)
target("Logs_20140328.CreateLogGroup", group)
target("Logs_20140328.PutRetentionPolicy", {**group, "retentionInDays": 3653})
target("Logs_20140328.CreateLogStream", stream)
target("Logs_20140328.PutLogEvents", {**stream, "logEvents": [
    {"timestamp": now, "message": "hello from the first version"},
    {"timestamp": now + 1, "message": '{"level":"ERROR"}'},
]})

target("DynamoDB_20120810.CreateTable", {
    "TableName": "visits", "BillingMode": "PAY_PER_REQUEST",
    "KeySchema": [{"AttributeName": "user_id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "user_id", "AttributeType": "S"}],
})
target("DynamoDB_20120810.PutItem", {
    "TableName": "visits", "Item": {"user_id": {"S": "ada"}, "count": {"N": "7"}},
})
