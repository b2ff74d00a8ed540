"""Groups of parameters by name, which say what adapts in the inner loop and in fine-tuning.

MetaNMT (Gu et al. 2018, section 4) compares three strategies, "emb", "emb+enc" and "all". The universal
values belong to no group: they move in the outer loop only. "small" is ours, for a meta-learner that keeps
a state for each coordinate (the LSTM): residual rows, A, LayerNorm, and the other biases of both sides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

GROUPS = {
    "emb": r"encoder\.embed_tokens\.(residual|transform)",
    "emb_enc": r"encoder\.(?!embed_tokens\.values$).*",
    "all": r"(?!encoder\.embed_tokens\.values$).*",
    "small": r"encoder\.embed_tokens\.(residual|transform)|(en|de)coder\.(.*\.)?(bias|\w*layer_?norm\w*\.weight)",
}


def select_parameters(names: Iterable[str], group: str) -> list[str]:
    """The names, in their order, that belong to ``group``: "emb", "emb_enc", "all" or a regular expression
    that must match the whole name.

    Raises:
        ValueError: the expression is malformed or matches no name.
    """
    candidates = list(names)
    try:
        pattern = re.compile(GROUPS.get(group, group))
    except re.error as error:
        raise ValueError(f"must be {', '.join(GROUPS)} or a regular expression, but {group!r} has: {error}") from None
    chosen = [name for name in candidates if pattern.fullmatch(name)]
    if not chosen:
        raise ValueError(
            f"must be {', '.join(GROUPS)} or a regular expression that matches a parameter's whole name, "
            f"but {group!r} matches none (names look like {candidates[0]!r})"
        )
    return chosen
