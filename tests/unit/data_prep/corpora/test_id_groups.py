"""Groups of ids: every spelling of a verse belongs to its book, and a group that names nothing is refused."""

import pytest

from data_prep.base.errors import InputError
from data_prep.corpora.id_groups import MOST_NAMED, SeenIds, in_groups

SPELLINGS = {
    "dots": ("JHN.{c}.{v}", ("JHN", "JHN.{c}")),
    "colon": ("JHN {c}:{v}", ("JHN", "JHN {c}", "JHN.{c}")),
    "underscores": ("JHN_{c}_{v}", ("JHN", "JHN_{c}", "JHN.{c}")),
    "zeros": ("JHN.{c:03}.{v:03}", ("JHN", "JHN.{c}", "JHN.{c:03}")),
    "with a prefix": ("b.JHN.{c}.{v}", ("b.JHN", "b.JHN.{c}")),
    "one number": ("43{c:03}{v:03}", ("43", "43.{c}", "43{c:03}")),
}


@pytest.mark.parametrize("form, groups", SPELLINGS.values(), ids=SPELLINGS)
def test_every_spelling_of_a_verse(form: str, groups: tuple[str, ...]) -> None:
    for group in groups:
        for chapter in (2, 3):
            key, named = form.format(c=chapter, v=16), group.format(c=2)
            assert in_groups(key, ["MAT", named]) == (chapter == 2 or "{c" not in group), f"{key} in {named}"
    assert in_groups(form.format(c=2, v=16), [form.format(c=2, v=16)]), "a verse alone"


@pytest.mark.parametrize(
    "key, group",
    [("JHNX.1.1", "JHN"), ("1JN.1.1", "JN"), ("JHN.21.1", "JHN.2"), ("JHN.2", "JHN.2.1"), ("44002001", "43"),
     ("4300200", "43"), ("43021001", "43002"), ("123456", "12"), ("JHN.1.1", ""), ("JHN.1.1", ".")],
)  # fmt: skip
def test_what_only_looks_alike_is_no_group(key: str, group: str) -> None:
    assert not in_groups(key, [group])


def test_a_group_that_names_no_id_is_refused_with_those_that_are_there() -> None:
    seen = SeenIds()
    for key in ("b.JHN.1.1", "MAT 1:2", "MAT 3:4"):
        seen.see(key, ("MAT.3", "MAT", "MRK"))
    seen.check(("MAT.3", "MAT"), "yo.tsv")
    with pytest.raises(InputError, match=r"--test-ids: MRK must name ids of yo.tsv, .* like 'b.JHN.1.1', 'MAT 1:2'$"):
        seen.check(("MAT", "MRK"), "yo.tsv")
    for number in range(100):
        seen.see(f"B{number}.1", ())
    assert len(seen.examples) <= MOST_NAMED + 1 and seen.describe().endswith(", ..."), "memory is bounded"
    with pytest.raises(InputError, match="MRK must name ids of .*; there are no ids"):
        SeenIds().check(("MRK",), "yo.tsv")
