"""A run that meets a fault at any of its calls ends by itself, in the same state as one that met none.

By default a sample of the calls is struck; `LABDECK_MATRIX=full tests/clients/run -k fault` strikes all.
"""

import pytest
from matrix import met_at
from operations import OPERATIONS, SAMPLED, WHOLE

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


@pytest.mark.parametrize("lab", WHOLE + SAMPLED)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_run_that_meets_a_fault_ends_by_itself(labs, lab, operation):
    scenario = labs(lab).scenario(operation)
    wrong, costs = [], []
    for place, (fault, action) in enumerate(FAULTS.items()):
        # Another call for each fault, so that a sample sees more of them.
        for nth in scenario.sampled(SAMPLE, place / len(FAULTS)):
            struck, cost, different = met_at(scenario, nth, action)
            costs.append(f"{fault} call {nth} ({struck}): {cost:+.1f} s")
            for difference in different:
                wrong.append(f"{scenario.name}, {fault} call {nth} ({struck}): {difference}")
    print(f"{scenario.name}: {scenario.calls} calls, {scenario.seconds:.1f} s undisturbed")
    print("\n".join(costs))
    assert not wrong, "\n".join(wrong)
