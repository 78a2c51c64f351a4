"""A run that is killed at any of its calls, just before the call is done or just after, and run again,
comes to the same as one that nobody disturbed.

By default a sample of the calls is struck; `LABDECK_MATRIX=full tests/clients/run -k crash` strikes all.
"""

import pytest
from matrix import FULL, killed_at
from operations import SAMPLED, WHOLE, operations

# Calls struck of each operation and lab by default.
SAMPLE = 2


STRUCK = [(lab, operation) for lab in WHOLE for operation in operations(lab)]
STRUCK += [(lab, operation) for lab in SAMPLED for operation in (operations(lab) if FULL else ["deploy"])]


@pytest.mark.parametrize(("lab", "operation"), STRUCK)
def test_a_killed_run_is_ended_by_the_next(labs, lab, operation):
    scenario = labs(lab).scenario(operation)
    assert scenario.calls > 3, scenario.output
    wrong = []
    # Of the labs that add no kind of their own, a sample is all that is struck.
    calls = scenario.sampled(SAMPLE, all_of_them=lab in WHOLE)
    for nth in calls:
        for action in ("hold", "hold_answer"):
            struck, different = killed_at(scenario, nth, action)
            for difference in different:
                when = "before" if action == "hold" else "after"
                wrong.append(f"{scenario.name}, killed {when} call {nth} ({struck}): {difference}")
                # A whole matrix takes long: what is found is said at once.
                print(wrong[-1], flush=True)
    print(f"{scenario.name}: {scenario.calls} calls, killed at {len(calls)} of them, twice each")
    assert not wrong, "\n".join(wrong)
