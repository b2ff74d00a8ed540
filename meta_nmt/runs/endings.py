"""What ends a run, in words: errors of ours, of other processes, and of the machine."""

from __future__ import annotations

import re

from data_prep.base.errors import InputError

# What ends a run by no fault of its input -> what to say about it. A worker's own message, in its own words, is {0}.
ENDINGS = (
    (r"process \d+ terminated with (?:signal|exit code) (\S+)", "a worker was ended from outside ({0}); run it again"),
    (r"(Connection (?:closed|reset) by (?:remote )?peer|Broken pipe|Socket closed)", "another worker ended ({0})"),
    (r"(gradients are Nan/Inf)", "{0}: lower `--lr`, or go on from an earlier checkpoint"),
    (r"(The dataset is empty)", "{0}: no sentence is short enough for `--max-tokens`"),
    (r"(DataLoader worker \(pid[^)]*\)[^.\n]*)", "{0}: a process that reads data ended; run it again"),
    (r"(out of memory|DefaultCPUAllocator|Unable to allocate)", "more memory is needed than there is ({0})"),
)

# in the traceback of a worker: an error of ours, or of the system (InputError and OSError in this process are known)
NAMES = (f"{InputError.__module__}.{InputError.__name__}", "meta_nmt.tasks.faults.StepError", "OSError")
RAISED = re.compile(rf"^(?:{'|'.join(map(re.escape, NAMES))}): (.*)", re.M)


def explain(error: BaseException) -> str | None:
    """One line for what ends a run: an `InputError` here or in another process, a fault of one or of the machine."""
    text = str(error)
    if isinstance(error, (InputError, OSError)) and not RAISED.search(text):
        return text
    if raised := RAISED.findall(text):
        return str(raised[-1])
    for pattern, sentence in ENDINGS:
        if match := re.search(pattern, text):
            return sentence.format(match[1])
    return None
