"""Monolingual text for self-training: which lines."""

from data_prep.base.data_folder import DataFolder
from data_prep.cleaning.monolingual import FEWEST, fault_of_lines, monolingual_lines


def test_lines_of_the_domain_and_none_of_the_sample(tmp_path):
    data = DataFolder(tmp_path, "en")
    domain, extra = data.text("yo").sides("train")[0], data.mono("yo").extra
    for path in (domain, extra):
        path.parent.mkdir(parents=True)
    domain.write_text("".join(f"d{n}\n" for n in [*range(FEWEST + 2), 0]), "utf-8")
    extra.write_text("".join(f"e{n}\n" for n in range(500)) + "d3\n", "utf-8")

    def lines(most, seed=1):
        return monolingual_lines(data, "yo", ["d1", "d2"], most, seed)

    of_domain = {f"d{n}" for n in range(FEWEST + 2)} - {"d1", "d2"}
    assert {*lines(1000)} == of_domain and len(lines(1000)) == FEWEST, "enough of the domain: nothing else"
    assert {*lines(5)} < of_domain and len(lines(5)) == 5 and lines(5) != sorted(lines(5)), "drawn at random"
    assert lines(20) == lines(20) != lines(20, seed=2)
    domain.write_text("d1\nd3\n", "utf-8")
    assert lines(50)[0] == "d3" and all(line[0] == "e" for line in lines(50)[1:]) and len(lines(50)) == 50
    assert len(lines(1000)) == len({*lines(1000)}) == 501, "no line twice"
    extra.unlink()
    assert lines(1000) == ["d3"]


def test_the_fewest_lines_are_refused_alike():
    assert fault_of_lines(0) is None is fault_of_lines(FEWEST)
    assert fault_of_lines(FEWEST - 1) == f"`--self-train` must be 0 or at least {FEWEST}, but is {FEWEST - 1}"
