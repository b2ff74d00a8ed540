"""Optimisers of the outer loop and of fine-tuning that fairseq does not have.

These files import fairseq, so `meta_nmt.compat` mends it before the first of them is loaded.
"""

from meta_nmt import compat  # noqa: F401  it mends
