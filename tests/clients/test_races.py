"""Two who change one lab at the same time: nothing that one did is lost, and the other says why it stopped.

A run is paused just before one of its calls (the local cloud lets the call wait), somebody else does
something, and the call is done then.
"""

import shutil
import time

import pytest
from conftest import eventually
from inventory import differences, inventory
from matrix import Scenario, admin, clear_faults

CONFLICT = 3
# A paused call is no answer that never comes.
PATIENT = {"LABDECK_ANSWER_TIMEOUT": "120"}
LEASE = ("logs", "CreateLogGroup")
CONFIGURE = ("lambda", "UpdateFunctionConfiguration")


class Race:
    """A run on an account, paused before its first call of an operation, or its first calls."""

    def __init__(self, cloud, bench, labs, words, point, calls=1):
        self.cloud, self.bench, self.calls = cloud, bench, calls
        service, operation = point
        pauses = [
            {"service": service, "operation": operation, "nth": nth + 1, "action": "pause"}
            for nth in range(calls)
        ]
        # Strikes nothing, and counts how often somebody looked whose the lease is.
        count = {"service": "logs", "operation": "ListTagsForResource", "nth": 10**9, "action": "throttle"}
        admin(cloud, "PUT", "faults", [count, *pauses])
        self.process = bench.command(cloud, labs, words, PATIENT)
        eventually("the call at which it pauses", self.is_paused, 60)

    def is_paused(self):
        if self.process.poll() is not None:
            raise AssertionError(f"it ended before: {self.process.stdout.read()}")
        return all(fault["fired"] for fault in self.faults()[1:])

    def faults(self):
        return admin(self.cloud, "GET", "faults")["faults"]

    def counted(self):
        return self.faults()[0]["matched"]

    def goes_on(self, status=0):
        clear_faults(self.cloud)
        output, _ = self.process.communicate(timeout=120)
        assert self.process.returncode == status, output
        return output


@pytest.fixture
def account():
    """`account(scenario)`: the account of a scenario, stopped at the test's end."""
    clouds = []

    def of(scenario):
        clouds.append(scenario.account())
        return clouds[-1]

    yield of
    for cloud in clouds:
        cloud.stop()
        shutil.rmtree(cloud.directory, ignore_errors=True)


@pytest.fixture(scope="module")
def greet(labs):
    return labs("greet")


@pytest.fixture(scope="module")
def other(greet):
    """Another change of the lab than the redeploy's, of the same variable and of no other field."""
    return Scenario(greet.bench, "other", greet.deploy.after, greet.again, ["deploy", "greet"])


def refused(bench, cloud, labs, *words):
    """A command that stops since somebody else changes the lab, and says what to do."""
    said = bench.run(cloud, labs, *words, status=(CONFLICT,))
    assert "is changing this lab at this moment" in said and "run it again when that is done" in said
    return said


def test_of_two_deploys_one_is_refused_while_the_other_works(greet, account):
    cloud = account(greet.deploy)
    race = Race(cloud, greet.bench, greet.labs, greet.deploy.words, ("lambda", "CreateFunction"))
    refused(greet.bench, cloud, greet.labs, *greet.deploy.words)
    race.goes_on()
    assert greet.deploy.settled(cloud) == []
    greet.bench.run(cloud, greet.labs, *greet.deploy.words)
    assert greet.deploy.settled(cloud) == []


def test_a_deploy_that_another_did_meanwhile_does_nothing_twice(greet, account):
    cloud = account(greet.deploy)
    race = Race(cloud, greet.bench, greet.labs, greet.deploy.words, LEASE)
    greet.bench.run(cloud, greet.labs, *greet.deploy.words)
    assert "nothing changed" in race.goes_on()
    assert greet.deploy.settled(cloud) == []


def test_another_deploy_is_not_taken_back_by_one_that_was_planned_before(greet, other, account):
    redeploy = greet.scenario("redeploy")
    cloud = account(redeploy)
    race = Race(cloud, greet.bench, greet.changed, redeploy.words, LEASE)
    greet.bench.run(cloud, greet.again, *redeploy.words)
    said = race.goes_on(CONFLICT)
    assert "somebody else changed the lab after it was read" in said
    assert "environment changed (GREETING)" in said and "labdeck plan greet" in said
    assert other.settled(cloud) == []


def test_deploys_of_different_changes_come_one_after_the_other(greet, account):
    redeploy = greet.scenario("redeploy")
    cloud = account(redeploy)
    race = Race(cloud, greet.bench, greet.changed, redeploy.words, CONFIGURE)
    refused(greet.bench, cloud, greet.again, *redeploy.words)
    race.goes_on()
    assert redeploy.settled(cloud) == []


def test_a_destroy_and_a_deploy_do_not_mix(greet, account):
    redeploy, destroy = greet.scenario("redeploy"), greet.scenario("destroy")
    # While one changes something the other is refused.
    cloud = account(redeploy)
    race = Race(cloud, greet.bench, greet.changed, redeploy.words, CONFIGURE)
    refused(greet.bench, cloud, greet.labs, *destroy.words)
    race.goes_on()
    assert redeploy.settled(cloud) == []
    cloud = account(destroy)
    race = Race(cloud, greet.bench, greet.labs, destroy.words, ("lambda", "DeleteFunction"))
    refused(greet.bench, cloud, greet.changed, *redeploy.words)
    race.goes_on()
    assert destroy.settled(cloud) == []


def test_what_was_destroyed_meanwhile_is_not_made_again(greet, account):
    redeploy, destroy = greet.scenario("redeploy"), greet.scenario("destroy")
    cloud = account(redeploy)
    race = Race(cloud, greet.bench, greet.changed, redeploy.words, LEASE)
    greet.bench.run(cloud, greet.labs, *destroy.words)
    said = race.goes_on(CONFLICT)
    assert "somebody else changed the lab after it was read" in said and "missing" in said
    assert destroy.settled(cloud) == []


@pytest.fixture(scope="module")
def taken_back(greet):
    """A release that is taken back, and then the lab as it was at first deployed."""
    rollback = greet.scenario("rollback")
    return Scenario(greet.bench, "rolled back", rollback.after, greet.labs, ["deploy", "greet"])


@pytest.mark.parametrize("point", [CONFIGURE, LEASE])
def test_a_rollback_beside_a_deploy_is_done_at_once(greet, taken_back, account, point):
    rollback = greet.scenario("rollback")
    cloud = account(rollback)
    race = Race(cloud, greet.bench, greet.labs, taken_back.words, point)
    greet.bench.run(cloud, greet.again, *rollback.words)
    race.goes_on()
    assert taken_back.settled(cloud) == []


@pytest.mark.parametrize("point", [("lambda", "UpdateAlias"), ("apigateway", "UpdateStage")])
def test_a_deploy_beside_a_rollback_keeps_both(greet, taken_back, account, point):
    rollback = greet.scenario("rollback")
    cloud = account(rollback)
    race = Race(cloud, greet.bench, greet.again, rollback.words, point)
    greet.bench.run(cloud, greet.labs, *taken_back.words)
    race.goes_on()
    assert taken_back.settled(cloud) == []


def test_of_two_rollbacks_one_goes_back(greet, account):
    rollback = greet.scenario("rollback")
    cloud = account(rollback)
    both = {"point": ("lambda", "UpdateAlias"), "calls": 2}
    race = Race(cloud, greet.bench, greet.again, rollback.words, **both)
    greet.bench.run(cloud, greet.again, *rollback.words)
    said = race.goes_on(CONFLICT)
    assert "somebody else changed it: seen v3" in said and "now v2" in said
    assert rollback.settled(cloud) == []


def test_a_rollback_that_is_half_done_is_ended_by_another(greet, account):
    rollback = greet.scenario("rollback")
    cloud = account(rollback)
    race = Race(cloud, greet.bench, greet.again, rollback.words, ("lambda", "UpdateAlias"))
    client = cloud.client("lambda")
    eventually("one function moves", lambda: len(set(pointed_to(client, "prod"))) == 2)
    greet.bench.run(cloud, greet.again, *rollback.words)
    race.goes_on()
    assert rollback.settled(cloud) == []


def functions(client):
    return [function["FunctionName"] for function in client.list_functions()["Functions"]]


def point_to(client, name, version):
    """Points an alias of every function to a version alone, as somebody at AWS's console does."""
    for function in functions(client):
        none = {"AdditionalVersionWeights": {}}
        client.update_alias(FunctionName=function, Name=name, FunctionVersion=version, RoutingConfig=none)


def pointed_to(client, name):
    aliases = [client.get_alias(FunctionName=function, Name=name) for function in functions(client)]
    return [alias["FunctionVersion"] for alias in aliases]


@pytest.mark.parametrize("words", [["rollback", "greet"], ["release", "greet", "undo"]])
def test_an_alias_that_somebody_moved_meanwhile_stays_there(greet, account, words):
    cloud = account(greet.scenario("rollback"))
    client = cloud.client("lambda")
    # Both functions' calls: the one that comes first is not always the same.
    both = len(functions(client))
    race = Race(cloud, greet.bench, greet.again, words, ("lambda", "UpdateAlias"), calls=both)
    point_to(client, "prod", "1")
    theirs = inventory(cloud)
    said = race.goes_on(CONFLICT)
    assert "somebody else changed it: seen" in said and "nothing was overwritten" in said
    assert pointed_to(client, "prod") == ["1", "1"]
    assert list(differences(theirs, inventory(cloud))) == []


@pytest.mark.parametrize("operation", ["GetAlias", "UpdateAlias"])
def test_a_deploy_moves_no_alias_that_it_did_not_see_there(greet, account, operation):
    rollback = greet.scenario("rollback")
    cloud = account(rollback)
    client = cloud.client("lambda")
    point_to(client, "dev", "1")
    race = Race(cloud, greet.bench, greet.again, ["deploy", "greet"], ("lambda", operation))
    point_to(client, "dev", "2")
    said = race.goes_on(CONFLICT)
    assert "somebody else changed it after it was planned (1 → 2)" in said
    assert "2" in pointed_to(client, "dev")
    # Whoever looks again and deploys then has the alias follow the newest code.
    greet.bench.run(cloud, greet.again, "deploy", "greet")
    assert pointed_to(client, "dev") == ["$LATEST", "$LATEST"]


SEEN = "somebody else changed it after it was planned (memory 128 → 512 MB)"


@pytest.mark.parametrize(
    ("operation", "words"),
    [("GetFunctionConfiguration", SEEN), ("UpdateFunctionConfiguration", "changed it in between")],
)
def test_a_deploy_overwrites_no_settings_that_it_did_not_see(greet, account, operation, words):
    redeploy = greet.scenario("redeploy")
    cloud = account(redeploy)
    client = cloud.client("lambda")
    race = Race(cloud, greet.bench, greet.changed, redeploy.words, ("lambda", operation))
    for function in functions(client):
        client.update_function_configuration(FunctionName=function, MemorySize=512)
    said = race.goes_on(CONFLICT)
    assert words in said
    memories = [function["MemorySize"] for function in client.list_functions()["Functions"]]
    assert 512 in memories
    greet.bench.run(cloud, greet.changed, *redeploy.words)
    assert redeploy.settled(cloud) == []


def take_lease(cloud, lab):
    """Holds the lease of a lab, as somebody on another machine."""
    until = str(int((time.time() + 60) * 1000))
    tags = {"labdeck:who": "ada", "labdeck:holder": "elsewhere/1/2/3/x", "labdeck:until": until}
    cloud.client("logs").create_log_group(logGroupName=f"/labdeck/lease/{lab}", tags=tags)


def test_a_run_whose_lease_was_taken_over_changes_nothing_more(greet, account):
    cloud = account(greet.deploy)
    logs = cloud.client("logs")
    race = Race(cloud, greet.bench, greet.labs, greet.deploy.words, ("lambda", "CreateFunction"))
    # What happens when a computer sleeps for longer than a lease holds.
    logs.delete_log_group(logGroupName="/labdeck/lease/greet")
    take_lease(cloud, "greet")
    looked = race.counted()
    eventually("the lease is to be renewed", lambda: race.counted() > looked)
    said = race.goes_on(CONFLICT)
    assert "somebody else is changing this lab by now" in said and "not done" in said
    arn = "arn:aws:logs:us-east-1:000000000000:log-group:/labdeck/lease/greet"
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"]["labdeck:who"] == "ada"


def test_what_a_course_changes_waits_for_nobody_but_says_who_is_at_it(labs, account):
    items = labs("items")
    cloud = account(items.scenario("destroy"))
    take_lease(cloud, "items")
    theirs = inventory(cloud)
    drop = ["chaos", "items", "on", "no-cache-key"]
    for words in (["walk", "items", "define"], ["walk", "items", "flush"], ["walk", "items", "delete-function"], drop):
        said = refused(items.bench, cloud, items.labs, *words)
        assert "ada is changing this lab" in said
    assert list(differences(theirs, inventory(cloud))) == []


def test_what_was_edited_and_not_deployed_is_shown_and_corrected_or_kept(greet, account):
    cloud = account(greet.scenario("redeploy"))
    gateway = cloud.client("apigateway")
    bench, labs = greet.bench, greet.labs
    api = gateway.get_rest_apis()["items"][0]
    before = inventory(cloud)
    for resource in gateway.get_resources(restApiId=api["id"])["items"]:
        for verb in resource.get("resourceMethods", {}):
            where = {"restApiId": api["id"], "resourceId": resource["id"], "httpMethod": verb}
            gateway.update_method(patchOperations=[{"op": "replace", "path": "/apiKeyRequired", "value": "true"}], **where)
    plan = bench.run(cloud, labs, "plan", "greet", status=(2,))
    assert f"API {api['name']}" in " ".join(plan.split())
    assert "API key changed, not deployed" in plan and "drift" in plan
    # The person may keep it, for as long as it is asked for.
    assert "nothing to do" in bench.run(cloud, labs, "plan", "greet", "--keep-drift")
    bench.run(cloud, labs, "deploy", "greet")
    assert "nothing to do" in bench.run(cloud, labs, "plan", "greet")
    methods = gateway.get_resources(restApiId=api["id"], embed=["methods"])["items"]
    methods = [method for resource in methods for method in resource.get("resourceMethods", {}).values()]
    assert methods and not any(method["apiKeyRequired"] for method in methods)
    assert list(differences(before, inventory(cloud))) == []
