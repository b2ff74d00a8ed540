"""A sentence about a report whose meta-learner is not above joint training: why that is, for who has just run a recipe.

python -m recipes.above_joint REPORT.json
"""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import mean
from typing import Any

from data_prep.base.files import read_json


def mean_bleu(rows: Iterable[Mapping[str, Any]], system: str, english_tokens: int) -> float:
    """The mean BLEU over the seeds of a system that was adapted on samples of one size."""
    return mean(row["bleu"] for row in rows if (row["system"], row["english_tokens"]) == (system, english_tokens))


def sentence(rows: list[Mapping[str, Any]], learner: str = "fomaml") -> str | None:
    """The sentence for the rows of a report.json; None where the meta-learner is above joint training."""
    tokens = max(row["english_tokens"] for row in rows)
    ours, theirs = (mean_bleu(rows, system, tokens) for system in (learner, "joint"))
    if ours > theirs:
        return None
    return (
        f"{learner} is not above joint training here ({ours:.2f} against {theirs:.2f} BLEU from {tokens:,} English "
        "tokens): both go on from one joint model, and the steps of meta-training after that are few."
    )


def main(path: Path) -> None:
    """Print the sentence for the report at ``path``, if there is one to say."""
    if (said := sentence(read_json(path)["rows"])) is not None:
        print(said)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
