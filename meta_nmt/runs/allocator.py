"""How the C library keeps memory: what a training frees, its next update takes again.

The logits of an update, a row of the vocabulary for each token, are tens of megabytes. By default glibc gives so large
a block back to the system when it is freed, and the system clears each page of it anew in every update.
"""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # malloc.h of glibc
MOST = 2**31 - 1  # bytes at the end of the heap that are kept
STEP = 64 * 2**20  # bytes that the heap grows by


def keep_freed_memory() -> None:
    """Let this process keep the memory that it frees; nothing changes where the C library is not glibc."""
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        for option, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, MOST), (M_TOP_PAD, STEP)):
            set_option(option, value)
