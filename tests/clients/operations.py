"""The operations that are struck, each on an account in the state that it needs."""

import shutil

from conftest import Cloud
from matrix import REPOSITORY, Scenario

# Together they hold every kind of resource.
WHOLE = ["petstore", "items"]
# Of these a few calls are enough.
SAMPLED = ["greet", "hello", "items-db", "todos"]
OPERATIONS = ["deploy", "redeploy", "rollback", "destroy"]


def operations(lab):
    """What is done with a lab: hello has no stage that follows a release, and nothing to take back."""
    return [operation for operation in OPERATIONS if (lab, operation) != ("hello", "rollback")]


RELEASE = [["publish"], ["shift", "20"], ["promote"]]
MOCK = """  /mock:
    get:
      responses:
        "200": {description: An answer that nothing is called for.}
      x-amazon-apigateway-integration:
        type: mock
        requestTemplates: {application/json: '{"statusCode": 200}'}
        responses: {default: {statusCode: "200"}}
"""

# What somebody changes in a lab: file, what stands there, what shall.
CHANGES = {
    "greet": [
        ("lab.toml", 'GREETING = "Hello"', 'GREETING = "Welcome"'),
        # Other code, without compiling anything.
        ("lab.toml", 'bin = "greet-stateless"', 'bin = "greet-stateful"'),
        ("lab.toml", "timeout_s = 5", "timeout_s = 6"),
        ("lab.toml", "log_retention_days = 7", "log_retention_days = 14"),
        ("greet-stateless.openapi.yaml", "paths:\n", "paths:\n" + MOCK),
    ],
    "petstore": [
        ("lab.toml", "timeout_s = 8", "timeout_s = 9"),
        ("lab.toml", 'bin = "pet-greeter"', 'bin = "pet-stats"'),
        ("lab.toml", "retention_s = 86400", "retention_s = 172800"),
        ("lab.toml", "batch_size = 100", "batch_size = 50"),
        ("lab.toml", "limit = 10000", "limit = 20000"),
        ("lab.toml", 'display_name = "Petstore"', 'display_name = "Pets"'),
        ("lab.toml", '"dynamodb:PutItem", "dynamodb:GetItem", "dynamodb:Scan"', '"dynamodb:PutItem"'),
        ("lab.toml", '[subscriptions.queue]\ntopic = "pet-added"\nendpoint = { queue = "pet-adoptions" }', ""),
        ("lab.toml", 'ttl_attribute = "expires"\n', ""),
        ("petstore.openapi.yaml", "paths:\n", "paths:\n" + MOCK),
    ],
    "items": [
        ("lab.toml", 'FAULT = "none"', 'FAULT = "never"'),
        ("lab.toml", "rate = 10000, burst = 5000", "rate = 9000, burst = 4000"),
        ("lab.toml", "ttl_s = 3600", "ttl_s = 1800"),
        ("lab.toml", "rate = 5\nburst = 10", "rate = 6\nburst = 12"),
        ("lab.toml", "limit = 1000", "limit = 2000"),
        ("items-lambda.openapi.yaml", "paths:\n", "paths:\n" + MOCK),
    ],
    "hello": [("lab.toml", "timeout_s = ", "timeout_s = 1")],
    "items-db": [("lab.toml", "timeout_s = ", "timeout_s = 1")],
    "todos": [("lab.toml", "timeout_s = ", "timeout_s = 1")],
}
# What makes one more release of it.
NEXT = {
    "greet": ("lab.toml", 'GREETING = "Hello"', 'GREETING = "Good day"'),
    "petstore": ("lab.toml", "timeout_s = 8", "timeout_s = 10"),
    "items": ("lab.toml", 'FAULT = "none"', 'FAULT = "seldom"'),
    "hello": ("lab.toml", "timeout_s = ", "timeout_s = 2"),
    "items-db": ("lab.toml", "timeout_s = ", "timeout_s = 2"),
    "todos": ("lab.toml", "timeout_s = ", "timeout_s = 2"),
}


def changed(bench, lab, changes, name):
    """The labs, with this one changed."""
    labs = bench.directory / f"{name}-{lab}"
    shutil.copytree(REPOSITORY / "handlers", labs)
    for file, old, new in changes:
        path = labs / lab / file
        text = path.read_text()
        assert old in text, f"{lab}/{file} holds no {old!r} any more"
        path.write_text(text.replace(old, new))
    return labs


class Lab:
    """A lab's accounts: empty, deployed, and with a release that can be taken back."""

    def __init__(self, bench, lab):
        self.bench, self.lab = bench, lab
        self.scenarios = {}
        self.labs = REPOSITORY / "handlers"
        # What is compiled first takes minutes, and none of them is the deploy's.
        compiling = Cloud(bench.fresh())
        bench.run(compiling, self.labs, "plan", lab, status=(2,))
        compiling.stop()
        self.deploy = Scenario(bench, f"deploy {lab}", None, self.labs, ["deploy", lab])
        self.changed = changed(bench, lab, CHANGES[lab], "changed")
        self.again = changed(bench, lab, [NEXT[lab]], "again")

    def scenario(self, operation):
        if operation not in self.scenarios:
            self.scenarios[operation] = self.prepared(operation)
        return self.scenarios[operation]

    def prepared(self, operation):
        bench, lab, deployed = self.bench, self.lab, self.deploy.after
        if operation == "deploy":
            return self.deploy
        if operation == "redeploy":
            return Scenario(bench, f"redeploy {lab}", deployed, self.changed, ["deploy", lab])
        if operation == "destroy":
            return Scenario(bench, f"destroy {lab}", deployed, self.labs, ["destroy", lab])
        # Two releases, so that a rollback that is run again could go too far back.
        for labs in (self.changed, self.again):
            for words in (["deploy", lab], *(["release", lab, *w] for w in RELEASE)):
                deployed = Scenario(bench, " ".join(words), deployed, labs, words).after
        # When everything was back already, there is nothing left to take back: refused.
        return Scenario(bench, f"rollback {lab}", deployed, labs, ["rollback", lab], again=(0, 3))


