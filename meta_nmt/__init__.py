"""Meta-learned neural machine translation: a fairseq ``--user-dir`` package.

Importing it registers the task ``meta_translation`` (episodes over many languages), the task
``ulr_translation`` (one language pair: adaptation and generation) and the ``ulr_transformer``
architectures. fairseq itself is mended in `meta_nmt.compat`, which therefore comes first.
"""

import os

# Threads that wait by spinning make every small operation wait for the scheduler as soon as anything else runs on the
# machine: a training step took 3 to 30 times as long beside two busy processes. Read when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from meta_nmt import compat  # noqa: E402

compat.apply()

from meta_nmt.models import ulr_transformer  # noqa: E402
from meta_nmt.tasks import meta_translation, ulr_translation  # noqa: E402

__version__ = "0.1.0"
__all__ = ["meta_translation", "ulr_transformer", "ulr_translation"]
