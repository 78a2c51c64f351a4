"""What is built for Lambda: for the processor that the lab says, by a tool that can."""

import json
import os
import re

import pytest
from conftest import Cloud
from matrix import as_aws
from operations import changed

ARM = [("lab.toml", "memory_mb = 128\n", 'memory_mb = 128\narchitecture = "arm64"\n')]


@pytest.fixture(scope="module")
def cloud(bench):
    cloud = Cloud(bench.fresh())
    yield cloud
    cloud.stop()


@pytest.fixture(scope="module")
def arm(bench, cloud):
    # Once as it is, so that the answers about the workspace are known.
    bench.run(cloud, bench.repository_labs, "plan", "greet", status=(2,))
    return changed(bench, "greet", ARM, "arm")


def plan(bench, cloud, labs, path):
    """Plans the lab for an account like AWS's, with these folders of programs."""
    keys = {name: value for name, value in cloud.environment.items() if name.startswith("AWS_")}
    there = as_aws(cloud)
    environment = {**keys, "PATH": path, "CARGO_HOME": str(bench.directory)}
    return bench.run(cloud, labs, "plan", "greet", *there, status=None, environment=environment)


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="arm64 is this machine's own")
def test_another_processor_without_a_tool_names_the_tools(bench, cloud, arm):
    ended = plan(bench, cloud, arm, "/usr/bin:/bin")
    assert ended.status == 1
    assert "building greet-stateless, greet-stateful for arm64" in ended.text
    assert "pip install cargo-zigbuild" in ended.text


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="arm64 is this machine's own")
def test_another_processor_is_built_with_the_tool_that_is_there(bench, cloud, arm, tmp_path):
    (tmp_path / "cargo-zigbuild").write_text("")
    bench.answer_with("zigbuild", "echo 'zig was asked:' \"$*\" >&2; exit 1")
    ended = plan(bench, cloud, arm, f"{tmp_path}:/usr/bin:/bin")
    assert ended.status == 1
    assert "zig was asked: zigbuild --target aarch64-unknown-linux-gnu.2.34" in ended.text
    assert "--bin greet-stateful --bin greet-stateless" in ended.text


def doctor(bench, cloud):
    keys = {name: value for name, value in cloud.environment.items() if name.startswith("AWS_")}
    there = as_aws(cloud)
    return bench.run(cloud, bench.repository_labs, "doctor", *there, status=None, environment=keys)


def test_the_doctor_finds_what_a_deploy_would_miss(bench):
    allowed = {"Effect": "Allow", "Action": ["lambda:*", "apigateway:*", "dynamodb:*"], "Resource": "*"}
    file = bench.fresh().with_suffix(".json")
    file.write_text(json.dumps({"Version": "2012-10-17", "Statement": [allowed]}))
    cloud = Cloud(bench.fresh(), "--operator-policy", str(file))
    try:
        told = doctor(bench, cloud)
        assert told.status == 1, told.text
        assert re.search(r"ok +Lambda +it answers", told.text), told.text
        assert re.search(r"FAIL +CloudWatch Logs .*logs:DescribeLogGroups.*aws-permissions", told.text)
        assert re.search(r"FAIL +IAM .*iam:GetRole.*--role", told.text)
        assert re.search(r"builds +\w+ with cargo alone|builds .*others", told.text)
    finally:
        cloud.stop()
