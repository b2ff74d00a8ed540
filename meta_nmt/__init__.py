"""Meta-learned neural machine translation: a fairseq ``--user-dir`` package.

Importing it loads neither torch nor fairseq. Where fairseq is loaded already, as it is when ``--user-dir`` names this
package, or a user's own that imports something of it, `meta_nmt.plugin` gives fairseq our tasks and architectures at
once. Everybody else who needs them imports `meta_nmt.plugin`, before fairseq.
"""

import os
import sys
from typing import TYPE_CHECKING, Any

# Threads that wait by spinning make every small operation wait for the scheduler as soon as anything else runs on the
# machine: a training step took 3 to 30 times as long beside two busy processes. Read when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Tensors of 2 MB and more in huge pages: half of a training step's page faults, 1 to 2 % of its time. Read by torch
# when it first makes such a tensor.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

if "fairseq" in sys.modules:
    from meta_nmt import plugin  # noqa: F401  it registers

if TYPE_CHECKING:
    from meta_nmt.translation.loaders import load_folder as Translator

__version__ = "0.1.0"
__all__ = ["Translator"]


def __getattr__(name: str) -> Any:
    """`Translator`, which loads a translator folder, is itself loaded where it is used: training has no need of it."""
    if name == "Translator":
        from meta_nmt.translation.loaders import load_folder

        return load_folder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
