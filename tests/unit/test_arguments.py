"""The helper that splits command lines."""

from pathlib import Path

import pytest
from arguments import arguments


def test_words_and_values() -> None:
    line = """{} --out={work}/a --pair {}:{} --from {work} --json '{"beam": 1}' --empty ''"""
    argv = ["a b", "--out=x y/a", "--pair", "1:2", "--from", "x y", "--json", '{"beam": 1}', "--empty", ""]
    assert arguments(line, Path("a b"), 1, 2, work="x y") == argv


@pytest.mark.parametrize("values", [(), (1, 2)])
def test_a_value_for_each_place(values: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="a value for each {}"):
        arguments("--seed {}", *values)


def test_a_name_that_has_no_value() -> None:
    with pytest.raises(KeyError, match="seed"):
        arguments("--seed {seed}")
