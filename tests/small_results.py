"""Small results of chosen texts for the report, and reports that are read or refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from meta_nmt.cli.report import main

REFERENCES = [
    "the old dog sees a cat.",
    "who will sleep?",
    "caf\u2028e, it's 3.5% of “that”!",
    "a\rb c d e f",
]
GOOD = ["the old dog saw a cat.", "who sleeps?", "cafe, it's 3.5 % of that!", "a b c d e g"]
BAD = ["dog", "", "it's 3.5%", "x y z"]
TRAIN_COST = {
    "command": "meta-nmt-train DATA",
    "kind": "train",
    "run": "/somewhere/run/fomaml",
    "train_tokens": 12345678,
    "wall_s": 61.6,
    "peak_memory_mib": 900.2,
    "device": "some processor",
    "parent": None,
}


def small_result(folder: Path, hypotheses: list[str], **fields: Any) -> Path:
    """A result folder as meta-nmt-generate writes it."""
    folder.mkdir(parents=True)
    for name, lines in (("hypotheses", hypotheses), ("references", REFERENCES)):
        (folder / f"{name}.txt").write_bytes("".join(line + "\n" for line in lines).encode())
    record = {
        "system": "fomaml",
        "target": "ro",
        "english_tokens": 16000,
        "strategy": "emb_enc",
        "seed": 1,
        "checkpoint": "a/checkpoint_best.pt",
        "commands": ["meta-nmt-train DATA", f"meta-nmt-adapt {folder.name}"],
        "cost": [TRAIN_COST, {**TRAIN_COST, "kind": "adapt", "run": f"/somewhere/{folder.name}"}],
    }
    (folder / "result.json").write_text(json.dumps({**record, **fields}), encoding="utf-8")
    return folder


def read_report(out: Path) -> tuple[dict[str, Any], str]:
    """The JSON and the Markdown of a report."""
    return json.loads((out / "report.json").read_text("utf-8")), (out / "report.md").read_text("utf-8")


def assert_refused(argv: list[str], part: str, capsys: pytest.CaptureFixture[str]) -> None:
    """meta-nmt-report ends with status 2 and one line that has ``part``."""
    try:
        status: Any = main(argv)
    except SystemExit as stop:
        status = stop.code
    message = capsys.readouterr().err
    assert status == 2, f"exit status {status} for {argv}"
    assert message.count("\n") == 1 and message.startswith("meta-nmt-report: error: "), message
    assert part in message, f"{part} should be named in: {message}"
