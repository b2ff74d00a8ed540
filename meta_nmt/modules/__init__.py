"""Parts of models: the universal lexical representation, and faster versions of some of fairseq's modules.

These files import fairseq, so `meta_nmt.compat` mends it before the first of them is loaded.
"""

from meta_nmt import compat  # noqa: F401  it mends
