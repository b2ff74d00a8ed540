"""The page of benchmarks/gpu.sh: the machine, each part's outcome and all rows, as JSON and as Markdown.

    python -m benchmarks.gpu_page WORK OUT

WORK has parts.tsv (name, seconds, outcome), the rows of each architecture (ARCH.json) and, where the quickstart came to
its end, its table (quickstart.md). OUT gets gpu.json and gpu.md. Nothing but Python is needed, so that there is a page
whatever failed.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "numpy", "fairseq-fixed", "sentencepiece", "sacrebleu")
QUERY = "--query-gpu=name,memory.total,driver_version,power.limit"


def output_of(*command: str) -> str:
    """What a command prints, without spaces around it; empty where it is missing or fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def version_of(package: str) -> str:
    """The version of an installed package; "missing" where it is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def machine() -> dict[str, Any]:
    """What the rows were measured on, and with."""
    return {
        "gpu": output_of("nvidia-smi", QUERY, "--format=csv,noheader") or "none",
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        **{package: version_of(package) for package in PACKAGES},
        "commit": output_of("git", "rev-parse", "HEAD") or "unknown",
    }


def parts(work: Path) -> list[dict[str, Any]]:
    """Each part with its seconds and its outcome, in the order in which they were run."""
    file = work / "parts.tsv"
    lines = file.read_text("utf-8").splitlines() if file.is_file() else []
    fields = [line.split("\t", 2) for line in lines]
    return [{"part": name, "seconds": int(seconds), "outcome": outcome} for name, seconds, outcome in fields]


def rows(work: Path, names: list[str]) -> list[dict[str, Any]]:
    """The rows of the parts that wrote some."""
    files = [work / f"{name}.json" for name in names if name != "quickstart"]
    return [row for file in files if file.is_file() for row in json.loads(file.read_text("utf-8"))]


def table(head: list[str], lines: list[list[Any]]) -> str:
    """A Markdown table."""
    cells = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in cells)


def figures(row: dict[str, Any]) -> list[Any]:
    """The cells of a row: its figures, or the reason why there are none."""
    if row["unmeasured"]:
        return [row["name"], "", "", "", "", f"unmeasured: {row['unmeasured']}"]
    least, most = row["spread"]
    return [row["name"], row["ours"], row["peer"], row["ratio"], row["unit"], f"{least} to {most}; {row['what']}"]


def page(content: dict[str, Any], quickstart: str) -> str:
    """The Markdown page of gpu.json's content and the quickstart's table."""
    facts = "\n".join(f"- {name}: {value}" for name, value in content["machine"].items())
    outcomes = table(["part", "seconds", "outcome"], [list(part.values()) for part in content["parts"]])
    measured = table(["row", "ours", "peer", "ratio", "unit", "spread, what"], [figures(r) for r in content["rows"]])
    sections = ["# What a GPU does with it", facts, "## Parts", outcomes, "## Rows", measured, "## Quickstart"]
    return "\n\n".join([*sections, quickstart.strip() or "It did not come to its end."]) + "\n"


def main() -> int:
    """Write the page; returns the exit status."""
    work, out = map(Path, sys.argv[1:3])
    done = parts(work)
    content = {"machine": machine(), "parts": done, "rows": rows(work, [part["part"] for part in done])}
    report, quickstart = work / "quickstart.json", work / "quickstart.md"
    content["quickstart"] = json.loads(report.read_text("utf-8")) if report.is_file() else None
    (out / "gpu.json").write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", "utf-8")
    (out / "gpu.md").write_text(page(content, quickstart.read_text("utf-8") if quickstart.is_file() else ""), "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
