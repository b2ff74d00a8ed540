"""Loading fairseq: logging stays as it is, and types are understood however Python writes them."""

# ruff: noqa: UP007, UP045  (the spellings are what is tested)

import subprocess
import sys
from typing import Any, Optional, Union

import pytest

from data_prep.base.fairseq_loading import type_of_flag

LOAD = """
import logging, sys
from data_prep.base.fairseq_loading import fairseq_loading, type_of_flag
logging.disable(logging.DEBUG)
with fairseq_loading():
    from fairseq.data import Dictionary
from fairseq.dataclass import utils
root = logging.getLogger()
assert not root.handlers and root.level == logging.WARNING and root.manager.disable == logging.DEBUG
assert utils.interpret_dc_type is type_of_flag
assert "fairseq.tasks.translation" in sys.modules and Dictionary.__module__ == "fairseq.data.dictionary"
with fairseq_loading():
    import fairseq
assert fairseq.data.Dictionary is Dictionary, "loaded once"
"""


@pytest.mark.parametrize(
    ("field_type", "wanted"),
    [
        (Optional[int], int), (Union[str, None], str), (Union[int, str, None], int), (Union[int, str], Union[int, str]),
        (list[int], list[int]), (Optional[list[str]], list[str]), (str, str), (Any, str),
    ],
)  # fmt: skip
def test_types_of_flags(field_type: Any, wanted: Any) -> None:
    assert type_of_flag(field_type) == wanted


def test_a_type_that_is_written_as_python_3_14_writes_it() -> None:
    written = int | None
    assert str(written) == "int | None", "as str(Optional[int]) is there"
    assert type_of_flag(written) is int


def test_a_name_in_place_of_a_type_is_refused() -> None:
    with pytest.raises(RuntimeError, match="field should be a type"):
        type_of_flag("int")


def test_fairseq_is_loaded_with_its_flags_mended_and_logging_left_alone() -> None:
    done = subprocess.run([sys.executable, "-c", LOAD], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
