"""One line in plain words for the error that ends a run: ours, or one of another process or of the machine."""

from __future__ import annotations

import re

from data_prep.base.errors import InputError

# An ending by no fault of the input -> what to say about it. {0} is what matched: the original message.
ENDINGS = (
    (r"process \d+ terminated with (?:signal|exit code) (\S+)", "a worker was ended from outside ({0}); run it again"),
    (r"(Connection (?:closed|reset) by (?:remote )?peer|Broken pipe|Socket closed)", "another worker ended ({0})"),
    (r"(gradients are Nan/Inf)", "{0}: lower `--lr`, or go on from an earlier checkpoint"),
    (r"(The dataset is empty)", "{0}: no sentence is short enough for `--max-tokens`"),
    (
        r"(Size of sample #\d+ is invalid \(=.*?\) since max_positions=.*?), skip this example",
        "{0} (in pieces, source and target; the first sample is #0): every dev and test sentence counts; give larger "
        "`--max-source-positions` and `--max-target-positions`, or leave the sentence out of the set",
    ),
    (r"(Sentences lengths should not exceed max_tokens=\d+)", "{0}: give a larger `--max-tokens`"),
    (r"(min_len cannot be larger than max_len)", "{0}: give a smaller `--min-len`, or a larger `--max-len-b`"),
    (r"(DataLoader worker \(pid[^)]*\)[^.\n]*)", "{0}: a process that reads data ended; run it again"),
    (r"(out of memory|DefaultCPUAllocator|Unable to allocate)", "more memory is needed than there is ({0})"),
)

# errors that the traceback of a worker may name: ours, or one of the system
NAMES = (f"{InputError.__module__}.{InputError.__name__}", "meta_nmt.tasks.faults.StepError", "OSError")
RAISED = re.compile(rf"^(?:{'|'.join(map(re.escape, NAMES))}): (.*)", re.M)


def explain(error: BaseException) -> str | None:
    """One line for an error that ends a run; None for an error that is none of those known.

    It is an `InputError` or OSError of this process or of a worker, or a fault of a process or of the machine.
    """
    text = str(error)
    if isinstance(error, (InputError, OSError)) and not RAISED.search(text):
        return text
    if raised := RAISED.findall(text):
        return str(raised[-1])
    for pattern, sentence in ENDINGS:
        if match := re.search(pattern, text):
            return sentence.format(match[1])
    return None
