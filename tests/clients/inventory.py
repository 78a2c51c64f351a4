"""Everything there is in an account, as boto3 sees it, without what differs from run to run.

Names stand for ids; times, revisions and counters are left out. Two accounts that were brought to the
same state have equal inventories; a double shows as one more entry of a list.
"""

import datetime
import json
import re

from botocore.exceptions import ClientError

VOLATILE = {
    "RevisionId", "LastModified", "lastModifiedDate", "CreationDateTime", "CreateDate", "createdDate",
    "lastUpdatedDate", "RoleId", "TableId", "LatestStreamLabel", "LatestStreamArn", "UUID",
    "LastProcessingResult", "CreatedTimestamp", "LastModifiedTimestamp", "ResponseMetadata",
    "creationTime", "storedBytes", "StateTransitionReason", "StateReasonData", "StateReason", "StateValue",
    "StateUpdatedTimestamp", "StateTransitionedTimestamp", "AlarmConfigurationUpdatedTimestamp",
    "LastUpdateStatus", "LastIncreaseDateTime", "LastDecreaseDateTime", "TableSizeBytes", "ItemCount",
    "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "WarmThroughput",
    "ApproximateNumberOfMessagesDelayed", "SubscriptionArn", "RoleLastUsed", "SigningJobArn", "value",
    "rootResourceId", "parentId", "ETag", "cacheClusterStatus",
}


def absent(call, **words):
    """The answer, or None where the thing is not there."""
    try:
        return call(**words)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if "NotFound" in code or "NoSuch" in code or "NonExistent" in code:
            return None
        raise


def pages(client, operation, member, **words):
    if not client.can_paginate(operation):
        return getattr(client, operation)(**words).get(member, [])
    return client.get_paginator(operation).paginate(**words).build_full_result().get(member, [])


class Inventory:
    def __init__(self, cloud):
        self.cloud = cloud
        self.names = {}
        self.clients = {}

    def client(self, service):
        if service not in self.clients:
            self.clients[service] = self.cloud.client(service)
        return self.clients[service]

    def plain(self, value):
        """Without what is volatile, and with names for ids."""
        if isinstance(value, dict):
            return {
                self.plain(key): self.plain(member)
                for key, member in sorted(value.items(), key=lambda pair: str(pair[0]))
                if key not in VOLATILE
            }
        if isinstance(value, (list, tuple)):
            return sorted((self.plain(member) for member in value), key=lambda m: json.dumps(m, sort_keys=True, default=str))
        if isinstance(value, datetime.datetime):
            return "<time>"
        if isinstance(value, str):
            for identity, name in self.names.items():
                value = value.replace(identity, f"<{name}>")
            # What the service names by itself, and the port of this very cloud.
            value = re.sub(r"/stream/[-\d:T.]+", "/stream/<time>", value)
            value = re.sub(r"event-source-mapping:[-0-9a-f]{36}", "event-source-mapping:<id>", value)
            value = value.replace(self.cloud.endpoint, "<cloud>")
            # What labdeck notes on an alias holds when it moved and by what it went there.
            if "[labdeck:1 " in value:
                return value.split("[labdeck:1 ")[0]
            return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z?|\b\d{10,13}\b", "<time>", value)
        return value

    def read(self):
        apis = self.apis()
        found = {
            "apis": apis,
            "functions": self.functions(),
            "mappings": pages(self.client("lambda"), "list_event_source_mappings", "EventSourceMappings"),
            "tables": self.tables(),
            "queues": self.queues(),
            "topics": self.topics(),
            "roles": self.roles(),
            "log groups": self.log_groups(),
            "alarms": pages(self.client("cloudwatch"), "describe_alarms", "MetricAlarms"),
        }
        return {kind: self.plain(what) for kind, what in found.items()}

    def apis(self):
        gateway = self.client("apigateway")
        found = []
        apis = pages(gateway, "get_rest_apis", "items")
        plans = pages(gateway, "get_usage_plans", "items")
        keys = pages(gateway, "get_api_keys", "items")
        for kind, things in (("api", apis), ("plan", plans), ("key", keys)):
            for thing in things:
                self.names[thing["id"]] = f"{kind} {thing['name']}"
        for api in apis:
            identity = api["id"]
            deployments = pages(gateway, "get_deployments", "items", restApiId=identity)
            # A deployment is known by what it serves; two alike are two entries.
            for deployment in deployments:
                self.names[deployment["id"]] = "deployment " + deployment.get("description", "")
            stages = gateway.get_stages(restApiId=identity)["item"]
            found.append({
                "api": api,
                "definition": self.export(gateway, identity, stages),
                "deployments": deployments,
                "stages": stages,
            })
        plan_keys = {
            plan["name"]: pages(gateway, "get_usage_plan_keys", "items", usagePlanId=plan["id"])
            for plan in plans
        }
        account = gateway.get_account()
        return {"apis": found, "plans": plans, "keys": keys, "plan keys": plan_keys, "account": account}

    def export(self, gateway, identity, stages):
        exports = {}
        for stage in stages:
            answer = gateway.get_export(
                restApiId=identity, stageName=stage["stageName"], exportType="oas30",
                parameters={"extensions": "integrations"},
            )
            document = json.loads(answer["body"].read())
            document.get("info", {}).pop("version", None)
            exports[stage["stageName"]] = document
        return exports

    def functions(self):
        client = self.client("lambda")
        found = []
        for function in pages(client, "list_functions", "Functions"):
            name = function["FunctionName"]
            versions = pages(client, "list_versions_by_function", "Versions", FunctionName=name)
            aliases = pages(client, "list_aliases", "Aliases", FunctionName=name)
            policies = {}
            for qualifier in [None, *[alias["Name"] for alias in aliases]]:
                words = {"Qualifier": qualifier} if qualifier else {}
                policy = absent(client.get_policy, FunctionName=name, **words)
                policies[qualifier or "unqualified"] = policy and json.loads(policy["Policy"])
            whole = client.get_function(FunctionName=name)
            asynchronous = pages(
                client, "list_function_event_invoke_configs", "FunctionEventInvokeConfigs", FunctionName=name
            )
            found.append({
                "configuration": whole["Configuration"],
                "tags": whole.get("Tags", {}),
                "concurrency": whole.get("Concurrency"),
                "versions": versions,
                "aliases": aliases,
                "policies": policies,
                "asynchronous": asynchronous,
            })
        return found

    def tables(self):
        client = self.client("dynamodb")
        found = []
        for name in pages(client, "list_tables", "TableNames"):
            table = client.describe_table(TableName=name)["Table"]
            found.append({
                "table": table,
                "tags": client.list_tags_of_resource(ResourceArn=table["TableArn"])["Tags"],
                "ttl": client.describe_time_to_live(TableName=name)["TimeToLiveDescription"],
            })
        return found

    def queues(self):
        client = self.client("sqs")
        found = {}
        for url in pages(client, "list_queues", "QueueUrls"):
            attributes = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            for name in ("Policy", "RedrivePolicy"):
                if name in attributes:
                    attributes[name] = json.loads(attributes[name])
            tags = client.list_queue_tags(QueueUrl=url).get("Tags", {})
            found[url.rsplit("/", 1)[1]] = {"attributes": attributes, "tags": tags}
        return found

    def topics(self):
        client = self.client("sns")
        found = {}
        for topic in pages(client, "list_topics", "Topics"):
            arn = topic["TopicArn"]
            attributes = client.get_topic_attributes(TopicArn=arn)["Attributes"]
            for name in ("SubscriptionsConfirmed", "SubscriptionsPending", "SubscriptionsDeleted"):
                attributes.pop(name, None)
            found[arn] = {
                "attributes": attributes,
                # What was applied of a subscription is a hash of its endpoint, and so of the cloud's port.
                "tags": [
                    {**tag, "Value": re.sub(r"^[\w-]{16} ", "<endpoint> ", tag["Value"])}
                    for tag in client.list_tags_for_resource(ResourceArn=arn)["Tags"]
                ],
                "subscriptions": pages(client, "list_subscriptions_by_topic", "Subscriptions", TopicArn=arn),
            }
        return found

    def roles(self):
        client = self.client("iam")
        found = []
        for role in pages(client, "list_roles", "Roles"):
            name = role["RoleName"]
            inline = {
                policy: client.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
                for policy in pages(client, "list_role_policies", "PolicyNames", RoleName=name)
            }
            attached = pages(client, "list_attached_role_policies", "AttachedPolicies", RoleName=name)
            tags = client.list_role_tags(RoleName=name)["Tags"]
            found.append({"role": role, "inline": inline, "attached": attached, "tags": tags})
        return found

    def log_groups(self):
        client = self.client("logs")
        found = []
        for group in pages(client, "describe_log_groups", "logGroups"):
            arn = group["logGroupArn"]
            tags = client.list_tags_for_resource(resourceArn=arn)["tags"]
            # The account's own logs of a method test or a request are nobody's resource.
            found.append({"group": group, "tags": tags})
        return found


def inventory(cloud):
    return Inventory(cloud).read()


def differences(expected, found, path=""):
    """Where two inventories differ, in words."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in sorted(set(expected) | set(found), key=str):
            here = f"{path}/{key}"
            if key not in expected:
                yield f"{here}: should not be there: {json.dumps(found[key], default=str)[:300]}"
            elif key not in found:
                yield f"{here}: is missing: {json.dumps(expected[key], default=str)[:300]}"
            else:
                yield from differences(expected[key], found[key], here)
    elif isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            yield f"{path}: {len(found)} instead of {len(expected)}: {json.dumps(found, default=str)[:600]}"
        else:
            for index, (one, other) in enumerate(zip(expected, found)):
                yield from differences(one, other, f"{path}[{index}]")
    elif expected != found:
        yield f"{path}: {found!r} instead of {expected!r}"
