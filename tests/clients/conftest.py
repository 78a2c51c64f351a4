"""A local cloud for each module, and the clients that talk to it."""

import base64
import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile

import boto3
import pytest
from botocore.config import Config

BINARY = os.environ["LABDECK_BIN"]
REGION = "us-east-1"
ACCOUNT = "000000000000"
# One session reads each service's model once, whatever clouds it is used for.
SESSION = boto3.Session()


class Cloud:
    """A labdeck cloud of its own state directory, in the foreground."""

    def __init__(self, directory, *options):
        self.directory = pathlib.Path(directory)
        self.process = subprocess.Popen(
            [BINARY, "cloud", "--state-dir", str(self.directory), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        line = self.process.stdout.readline().strip()
        assert line.startswith("ready "), line
        self.endpoint = line.split(" ", 1)[1]
        keys = json.loads((self.directory / "credentials.json").read_text())
        # Nothing of the machine's own AWS configuration.
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "LANG": "C.UTF-8",
            "AWS_ACCESS_KEY_ID": keys["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": keys["secret_access_key"],
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_PAGER": "",
        }

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=20)

    def client(self, service, **config):
        return SESSION.client(
            service,
            region_name=REGION,
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
            endpoint_url=self.endpoint,
            config=Config(retries={"max_attempts": 1}, inject_host_prefix=False, **config),
        )

    def url(self, api, stage, path):
        return f"{self.endpoint}/restapis/{api}/{stage}/_user_request_{path}"


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    # It imports this file.
    from matrix import Bench

    return Bench(tmp_path_factory.mktemp("bench"))


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    cloud = Cloud(tmp_path_factory.mktemp("state"))
    yield cloud
    cloud.stop()


@pytest.fixture(scope="session")
def labs(tmp_path_factory):
    """`labs("greet")`: a lab's accounts, made once for all tests that strike its operations."""
    from matrix import Bench
    from operations import Lab

    bench = Bench(tmp_path_factory.mktemp("labs"))
    made = {}

    def of(lab):
        if lab not in made:
            made[lab] = Lab(bench, lab)
        return made[lab]

    return of


class Refused(Exception):
    """The AWS CLI ended with an error: its code and its words."""

    def __init__(self, text):
        super().__init__(text)
        self.text = text


@pytest.fixture(scope="module")
def aws(cloud):
    """`aws("apigateway", "get-rest-apis")`: runs the AWS CLI, answers its JSON."""
    program = pathlib.Path(sys.executable).with_name("aws")

    def run(*words):
        done = subprocess.run(
            [sys.executable, str(program), *[str(word) for word in words], "--output", "json"],
            env=cloud.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        if done.returncode != 0:
            raise Refused(done.stderr.strip())
        return json.loads(done.stdout) if done.stdout.strip() else {}

    return run


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body!r}"


def send(url, method="GET", headers=None, body=None):
    request = urllib.request.Request(
        url, method=method, headers=headers or {}, data=body.encode() if body else None
    )
    try:
        with urllib.request.urlopen(request, timeout=40) as answer:
            return Answer(answer.status, answer.headers, answer.read().decode())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers, error.read().decode())


def eventually(what, condition, seconds=30):
    until = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < until, f"not in {seconds} s: {what}"
        time.sleep(0.05)


# A function's program: the Runtime API with nothing but Python. What it answers is `handle`.
BOOTSTRAP = '''#!{python}
import json, os, sys, urllib.request
def handle(event, context):
{handler}
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(api + "next") as got:
        request, event = got.headers["Lambda-Runtime-Aws-Request-Id"], json.load(got)
    try:
        answer, kind = handle(event, got.headers), "response"
    except Exception as error:
        answer, kind = {{"errorMessage": str(error), "errorType": type(error).__name__}}, "error"
    sys.stdout.flush()
    urllib.request.urlopen(urllib.request.Request(api + request + "/" + kind, json.dumps(answer).encode()))
'''


def bootstrap(handler):
    """The zip of a function whose handler is this body of Python."""
    lines = "\n".join("    " + line for line in handler.strip().splitlines())
    text = BOOTSTRAP.format(python=sys.executable, handler=lines)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        info = zipfile.ZipInfo("bootstrap", date_time=(2026, 1, 1, 0, 0, 0))
        info.external_attr = 0o755 << 16
        archive.writestr(info, text)
    return file.getvalue()


ITEMS = """
items = [(1, "Pen", 2.5), (2, "Pencil", 1.5), (3, "Highlighter", 3.0), (4, "Ruler", 5.0)]
items = [dict(ID=n, name=name, price=price * FACTOR) for n, name, price in items]
print(json.dumps(dict(event=event)))
if "ID" not in event:
    return items
found = [item for item in items if item["ID"] == event["ID"]]
if not found:
    raise Exception("NotFoundError")
return found[0]
"""


def items_program(factor=1.0):
    """The items lab's function: a fixed list, all of it or one item."""
    return bootstrap(ITEMS.replace("FACTOR", repr(factor)))


def trust(*services):
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": list(services)},
                    "Action": "sts:AssumeRole",
                }
            ],
        }
    )


def policy(*actions, resource="*"):
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": resource}],
        }
    )
