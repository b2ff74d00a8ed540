"""Our tasks and architectures, for fairseq: importing this module mends fairseq (`meta_nmt.compat`) and registers them.

They are the task ``meta_translation`` (episodes over many languages), the task ``ulr_translation`` (one language pair:
adaptation and generation) and the architectures ``ulr_transformer...``.

Import this module before fairseq: fairseq sets up logging when it is loaded, unless it is loaded from here.
"""

from meta_nmt.models import ulr_transformer
from meta_nmt.tasks import meta_translation, ulr_translation

__all__ = ["meta_translation", "ulr_transformer", "ulr_translation"]
