"""Memory that a training frees stays with its process."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import sys
from meta_nmt.runs.allocator import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
pages = lambda: int(open("/proc/self/statm").read().split()[1])
before = pages()
block = bytearray(b"x") * 100_000_000
del block
print((pages() - before) * 4096)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
@pytest.mark.parametrize("how", ["keep", "leave"])
def test_freed_memory_is_kept(how):
    done = subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True)
    assert (int(done.stdout) > 90_000_000) == (how == "keep"), done.stdout
