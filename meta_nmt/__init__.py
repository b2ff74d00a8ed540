"""Meta-learned neural machine translation: a fairseq ``--user-dir`` package.

Importing this package loads neither torch nor fairseq. fairseq is loaded already where ``--user-dir`` names this
package, or a package of a user's own that imports something of this one. `meta_nmt.plugin` then gives fairseq our tasks
and architectures at once. Everybody else who needs them imports `meta_nmt.plugin`, before fairseq.
"""

import os
import sys
from typing import TYPE_CHECKING, Any

import data_prep  # noqa: F401  where a command starts, Ctrl-C is one line from here on

# Threads that wait by spinning make every small operation wait for the scheduler as soon as anything else runs on the
# machine: a training step took 3 to 30 times as long beside two busy processes. torch reads this when it is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Huge pages for tensors of 2 MB and more: they save half of a training step's page faults, and 1 to 2 % of its time.
# torch reads this when it first makes such a tensor.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

if "fairseq" in sys.modules:
    from meta_nmt import plugin  # noqa: F401  it registers

if TYPE_CHECKING:
    from meta_nmt.translation.loaders import load_folder as Translator

__version__ = "0.1.0"
__all__ = ["Translator"]


def __getattr__(name: str) -> Any:
    """Load `Translator`, which loads a translator folder, when it is first used: training does not need it."""
    if name == "Translator":
        from meta_nmt.translation.loaders import load_folder

        return load_folder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
