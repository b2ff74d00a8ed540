"""The tasks that we give to fairseq, which is mended before the first file here that stands on it is loaded."""

from meta_nmt import compat  # noqa: F401  it mends
