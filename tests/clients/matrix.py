"""What the crash, fault and race tests share: labs that are built once, accounts kept as they were, and
runs of the program that are struck at one of their calls."""

import collections
import json
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import time
import urllib.error
import urllib.request

from conftest import BINARY, REGION, Cloud
from inventory import differences, inventory

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
# The whole matrix, instead of a sample that is done in two minutes.
FULL = os.environ.get("LABDECK_MATRIX") == "full"

# The build is not what is tested: cargo is asked once, and its answers are repeated.
CARGO = """#!/bin/sh
answers="{answers}"
for special in "$answers"/../special-"$1"; do
  if [ -e "$special" ]; then . "$special"; fi
done
# What is built for AWS is built as for the local cloud: the trimmed profile takes minutes.
set -- $(printf '%s ' "$@" | sed 's/--profile aws/--profile dev/')
asked="$answers/$(printf '%s' "$*" | sha256sum | cut -c1-32)"
if [ ! -e "$asked" ]; then
  "{cargo}" "$@" > "$asked.new.$$" || exit $?
  mv "$asked.new.$$" "$asked"
fi
cat "$asked"
"""


Ended = collections.namedtuple("Ended", "status text")


class Bench:
    """Where labs are built, accounts are kept and programs run."""

    def __init__(self, directory):
        self.directory = directory
        self.cargo = directory / "cargo"
        answers = directory / "answers"
        answers.mkdir()
        real = shutil.which("cargo")
        self.cargo.write_text(CARGO.format(answers=answers, cargo=real))
        self.cargo.chmod(self.cargo.stat().st_mode | stat.S_IXUSR)
        self.numbers = iter(range(1, 1_000_000))

    repository_labs = REPOSITORY / "handlers"

    def answer_with(self, subcommand, script):
        """From now on cargo runs this for a subcommand."""
        (self.directory / f"special-{subcommand}").write_text(script)

    def fresh(self):
        """The path of a directory that does not exist yet."""
        return self.directory / f"state-{next(self.numbers)}"

    def command(self, cloud, labs, words, more=None, confirmed=("--yes",)):
        environment = dict(os.environ, CARGO=str(self.cargo))
        # Nothing of the person's own: settings, attachments, audit.
        for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"):
            environment[name] = str(self.directory / name)
        # An answer that never comes is given up soon.
        environment["LABDECK_ANSWER_TIMEOUT"] = "2"
        environment.setdefault("CARGO_TARGET_DIR", str(pathlib.Path(BINARY).parents[1]))
        for name in [name for name in environment if name.startswith("AWS_")]:
            del environment[name]
        environment.update(more or {})
        return subprocess.Popen(
            [BINARY, *words, *confirmed, "--labs", str(labs), "--state-dir", str(cloud.directory)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=REPOSITORY,
            env=environment,
        )

    def run(self, cloud, labs, *words, status=(0,), environment=None, confirmed=("--yes",)):
        process = self.command(cloud, labs, words, environment, confirmed)
        output, _ = process.communicate(timeout=300)
        if status is None:
            return Ended(process.returncode, output)
        assert process.returncode in status, f"{words}: {process.returncode}\n{output}"
        return output


def as_aws(cloud):
    """The flags by which a command takes the cloud for AWS."""
    return ["--target", "aws", "--region", REGION, "--endpoint-url", cloud.endpoint]


def admin(cloud, method, path, body=None):
    token = json.loads((cloud.directory / "credentials.json").read_text())["admin_token"]
    request = urllib.request.Request(
        f"{cloud.endpoint}/_labdeck/{path}",
        method=method,
        data=json.dumps(body).encode() if body is not None else None,
        headers={"Authorization": f"Bearer {token}"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        text = answer.read()
    return json.loads(text) if text.strip() else None


def set_fault(cloud, action, nth=None, service="*", operation="*"):
    strikes = {"nth": nth} if nth else {"nth": 10**9}
    fault = {"service": service, "operation": operation, "action": action, **strikes}
    admin(cloud, "PUT", "faults", [fault])


def told(cloud):
    return admin(cloud, "GET", "faults")["faults"][0]


def clear_faults(cloud):
    admin(cloud, "DELETE", "faults")


class Scenario:
    """An operation on an account in a known state, and what it comes to when nothing disturbs it."""

    def __init__(self, bench, name, before, labs, words, again=(0,)):
        self.bench, self.name, self.before, self.labs = bench, name, before, labs
        self.words = words
        # What the same command may say when it is run again.
        self.again = again
        cloud = self.account()
        set_fault(cloud, "hold")
        begun = time.monotonic()
        self.output = bench.run(cloud, labs, *words)
        self.seconds = time.monotonic() - begun
        self.calls = told(cloud)["matched"]
        self.expected = inventory(cloud)
        cloud.stop()
        self.after = cloud.directory

    def account(self, like=None):
        """The account as it was before, once more, or another that is kept."""
        directory = self.bench.fresh()
        kept = like or self.before
        if kept is not None:
            shutil.copytree(kept, directory)
        return Cloud(directory)

    def sampled(self, most, place=0.5, all_of_them=True):
        """The calls that are struck: all of them when the whole matrix is asked for, or so many spread
        evenly over the run, each at this place (0 to 1) of its part."""
        calls = list(range(1, self.calls + 1))
        if FULL and not all_of_them:
            most *= 5
        if (FULL and all_of_them) or len(calls) <= most:
            return calls
        step = len(calls) / most
        return sorted({calls[int(index * step + step * place)] for index in range(most)})

    def settled(self, cloud):
        """The differences from an undisturbed run, when what runs in the background has ended."""
        until = time.monotonic() + 5
        while True:
            found = list(differences(self.expected, inventory(cloud)))
            if not found or time.monotonic() > until:
                return found
            time.sleep(0.2)


def killed_at(scenario, nth, action):
    """Kills a run at its nth call, held before or after it is done, and runs it again.

    Answers which call it was, and what is different then from an undisturbed run.
    """
    bench, cloud = scenario.bench, scenario.account()
    try:
        set_fault(cloud, action, nth)
        process = bench.command(cloud, scenario.labs, scenario.words)
        struck = []
        while not struck and process.poll() is None:
            struck = told(cloud)["struck"]
            time.sleep(0.005)
        if struck:
            if action == "hold_answer":
                # The struck call is counted before it is done.
                await_done(cloud)
            process.send_signal(signal.SIGKILL)
        output, _ = process.communicate(timeout=60)
        if not struck:
            assert process.returncode == 0, output
        clear_faults(cloud)
        bench.run(cloud, scenario.labs, *scenario.words, status=scenario.again)
        wrong = scenario.settled(cloud)
        return (struck or ["nothing"])[0], wrong
    finally:
        cloud.stop()
        shutil.rmtree(cloud.directory, ignore_errors=True)


def met_at(scenario, nth, action):
    """Lets a run meet a fault at its nth call, and end by itself.

    Answers which call it was, how much longer it took, and what is different from an undisturbed run.
    """
    bench, cloud = scenario.bench, scenario.account()
    try:
        set_fault(cloud, action, nth)
        begun = time.monotonic()
        output = bench.run(cloud, scenario.labs, *scenario.words, status=None)
        seconds = time.monotonic() - begun
        struck = (told(cloud)["struck"] or ["nothing"])[0]
        clear_faults(cloud)
        wrong = [] if output.status == 0 else [f"ended with {output.status}: {output.text}"]
        return struck, seconds - scenario.seconds, wrong + scenario.settled(cloud)
    finally:
        cloud.stop()
        shutil.rmtree(cloud.directory, ignore_errors=True)


def await_done(cloud):
    until = time.monotonic() + 20
    while admin(cloud, "GET", "faults")["held"] == 0:
        assert time.monotonic() < until, "the struck call was never done"
        time.sleep(0.005)
