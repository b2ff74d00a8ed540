"""Several paths in one flag, with ``:`` between them, as fairseq takes an ensemble of checkpoints."""

from __future__ import annotations

import os


def split_paths(text: str, separator: str = os.pathsep) -> list[str]:
    """The paths of a list. Where a file or folder of a name with ``:`` in it exists, that ``:`` ends no path."""
    pieces, paths = text.split(separator), []
    while pieces:
        ends = range(len(pieces), 1, -1)
        end = next((end for end in ends if os.path.exists(separator.join(pieces[:end]))), 1)
        paths.append(separator.join(pieces[:end]))
        pieces = pieces[end:]
    return paths
