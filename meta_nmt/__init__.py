"""Meta-learned neural machine translation: a fairseq ``--user-dir`` package.

Importing it registers the task ``meta_translation`` (episodes over many languages), the task
``ulr_translation`` (one language pair: adaptation and generation) and the ``ulr_transformer``
architectures. fairseq itself is mended in `meta_nmt.compat`, which therefore comes first.
"""

import os
from typing import TYPE_CHECKING, Any

# Threads that wait by spinning make every small operation wait for the scheduler as soon as anything else runs on the
# machine: a training step took 3 to 30 times as long beside two busy processes. Read when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Tensors of 2 MB and more in huge pages: half of a training step's page faults, 1 to 2 % of its time. Read by torch
# when it first makes such a tensor.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

from meta_nmt import compat  # noqa: E402

compat.apply()

from meta_nmt.models import ulr_transformer  # noqa: E402
from meta_nmt.tasks import meta_translation, ulr_translation  # noqa: E402

if TYPE_CHECKING:
    from meta_nmt.translation.translator import Translator

__version__ = "0.1.0"
__all__ = ["Translator", "meta_translation", "ulr_transformer", "ulr_translation"]


def __getattr__(name: str) -> Any:
    """`Translator` is loaded where it is used: fairseq's workers have no need of it."""
    if name == "Translator":
        from meta_nmt.translation.translator import Translator

        return Translator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
