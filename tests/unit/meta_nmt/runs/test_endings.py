"""What ends a run from outside, in one line."""

import pytest

from data_prep.base.errors import InputError
from meta_nmt.runs.endings import explain
from meta_nmt.tasks.faults import StepError

# as tracebacks name them
INPUT_ERROR, STEP_ERROR = (f"{kind.__module__}.{kind.__name__}" for kind in (InputError, StepError))


@pytest.mark.parametrize(
    "error, words",
    [
        (InputError("a.txt: must be text"), "a.txt: must be text"),
        (OSError(28, "No space left on device", "a.pt"), "No space left on device"),
        (BrokenPipeError(32, "Broken pipe"), "Broken pipe"),
        (InputError("Caught InputError in DataLoader worker process 0.\nOriginal Traceback:\n"
                    f"{INPUT_ERROR}: bin/a: must be whole"), "bin/a: must be whole"),
        (RuntimeError("\n\n-- Process 1 terminated with the following error:\nTraceback\n"
                      f"{INPUT_ERROR}: `--x` must be 1\n"), "`--x` must be 1"),
        (RuntimeError("Traceback\n"
                      f"{STEP_ERROR}: no gradient is finite\n"), "no gradient is finite"),
        (RuntimeError("process 1 terminated with signal SIGKILL"), "a worker was ended from outside (SIGKILL)"),
        (RuntimeError("[..gloo/transport/tcp/pair.cc:547] Connection closed by peer [::1]:2"), "another worker ended"),
        (RuntimeError("DataLoader worker (pid 12) is killed by signal: Killed."), "DataLoader worker (pid 12)"),
        (RuntimeError("CUDA out of memory."), "more memory is needed"),
        (Exception("Size of sample #7 is invalid (=(12, 3)) since max_positions=(5, 1024), skip this example with "
                   "--skip-invalid-size-inputs-valid-test"), "#7 is invalid (=(12, 3)) since max_positions=(5, 1024)"),
        (AssertionError("Sentences lengths should not exceed max_tokens=5"), "give a larger `--max-tokens`"),
        (AssertionError("min_len cannot be larger than max_len, please adjust these!"), "give a smaller `--min-len`"),
        (FloatingPointError("gradients are Nan/Inf"), "--lr"),
        (RuntimeError("size mismatch"), None),
        (KeyError("a"), None),
    ],
)  # fmt: skip
def test_explain(error, words):
    found = explain(error)
    assert found is None if words is None else words in found, found
    assert words is None or "\n" not in found
