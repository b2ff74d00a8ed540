"""What fairseq gets of us, by importing this module: it is mended (`meta_nmt.compat`), and it knows the task
``meta_translation`` (episodes over many languages), the task ``ulr_translation`` (one language pair: adaptation and
generation) and the architectures ``ulr_transformer...``.

To be imported before fairseq: fairseq sets up logging when it is loaded, and only a load from here is kept from that.
"""

from meta_nmt.models import ulr_transformer
from meta_nmt.tasks import meta_translation, ulr_translation

__all__ = ["meta_translation", "ulr_transformer", "ulr_translation"]
