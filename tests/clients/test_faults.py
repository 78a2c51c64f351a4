"""A run that meets a fault at any of its calls ends by itself, in the same state as one that met none.

By default a sample of the calls is struck; `LABDECK_MATRIX=full tests/clients/run -k fault` strikes all.
"""

import pytest
from conftest import Cloud, eventually
from matrix import FULL, admin, as_aws, clear_faults, met_at, set_fault, told
from operations import SAMPLED, WHOLE, operations

# Calls struck by each fault of each operation and lab by default.
SAMPLE = 1

FAULTS = {
    "throttled": "throttle",
    "500": {"error": {"status": 500, "code": "InternalFailure", "message": "It failed."}},
    "reset": "lose_answer",
    "timed out": "hold_answer",
    # Longer than the first polls of what waits.
    "delayed": {"delay_ms": 1500},
}


LABS = [*WHOLE, *(SAMPLED if FULL else [])]
STRUCK = [(lab, operation) for lab in LABS for operation in operations(lab)]


@pytest.mark.parametrize(("lab", "operation"), STRUCK)
def test_a_run_that_meets_a_fault_ends_by_itself(labs, lab, operation):
    scenario = labs(lab).scenario(operation)
    wrong, costs = [], []
    # A sample takes other faults for each operation, and another call for each fault.
    first = STRUCK.index((lab, operation)) * 2
    chosen = range(len(FAULTS)) if FULL else [number % len(FAULTS) for number in (first, first + 1)]
    for number in chosen:
        fault, action = list(FAULTS.items())[number]
        for nth in scenario.sampled(SAMPLE, number / len(FAULTS), all_of_them=lab in WHOLE):
            struck, cost, different = met_at(scenario, nth, action)
            costs.append(f"{fault} call {nth} ({struck}): {cost:+.1f} s")
            for difference in different:
                wrong.append(f"{scenario.name}, {fault} call {nth} ({struck}): {difference}")
                # A whole matrix takes long: what is found is said at once.
                print(wrong[-1], flush=True)
    print(f"{scenario.name}: {scenario.calls} calls, {scenario.seconds:.1f} s undisturbed")
    print("\n".join(costs))
    assert not wrong, "\n".join(wrong)


def test_a_read_that_any_service_throttles_is_tried_again(labs):
    lab = labs("petstore")
    cloud = lab.deploy.account(lab.deploy.after)
    try:
        for service in ("apigateway", "dynamodb", "iam", "lambda", "logs", "sns", "sqs", "sts"):
            set_fault(cloud, "throttle", 1, service)
            said = lab.bench.run(cloud, lab.labs, "plan", "petstore")
            assert told(cloud)["struck"], f"the plan asks {service} nothing: {said}"
    finally:
        cloud.stop()


def test_a_run_whose_credentials_expire_goes_on_after_a_new_login(labs, tmp_path):
    lab = labs("greet")
    cloud = Cloud(lab.bench.fresh())
    keys = cloud.environment
    (tmp_path / "credentials").write_text(
        f"[lab]\naws_access_key_id={keys['AWS_ACCESS_KEY_ID']}\n"
        f"aws_secret_access_key={keys['AWS_SECRET_ACCESS_KEY']}\n"
    )
    there = ["--profile", "lab", *as_aws(cloud)]
    environment = {
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    try:
        # Every call from the first function on, until there are new ones.
        expired = {"error": {"status": 403, "code": "ExpiredTokenException", "message": "It has expired."}}
        set_fault(cloud, "hold", 1, "lambda", "CreateFunction")
        process = lab.bench.command(cloud, lab.labs, [*lab.deploy.words, *there], environment)
        eventually("the middle", lambda: told(cloud)["fired"] or process.poll() is not None)
        admin(cloud, "PUT", "faults", [{"service": "*", "operation": "*", "every": 1, "action": expired}])
        said = ""
        while "a new login" not in said:
            line = process.stdout.readline()
            assert line, f"it ended: {said}"
            said += line
        clear_faults(cloud)
        rest, _ = process.communicate(timeout=120)
        assert "aws sso login --profile lab" in said + rest
        assert process.returncode == 0, said + rest
        # What is uploaded to AWS is packed tighter.
        packed = ("CodeSha256", "CodeSize", "labdeck:applied")
        assert [wrong for wrong in lab.deploy.settled(cloud) if not any(word in wrong for word in packed)] == []
    finally:
        cloud.stop()
