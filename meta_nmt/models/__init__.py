"""The architectures that we give to fairseq.

These files stand on fairseq, so it is mended before the first of them is loaded.
"""

from meta_nmt import compat  # noqa: F401  it mends
