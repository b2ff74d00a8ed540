"""meta-nmt-generate: translations and their record."""

import json

from meta_nmt.cli import generate
from meta_nmt.translation.loaders import load_checkpoints


def test_an_ensemble_through_fairseq_generate(data, adapted, perturbed, tmp_path):
    """An ensemble is named as the documentation has it: --path A.pt:B.pt."""
    argv = [str(data), "--source-lang", "dd", "--beam", "1", "--results"]
    hypotheses = {}
    for name, path in (("one", f"{adapted}"), ("both", f"{adapted}:{perturbed}")):
        assert generate.main([*argv, str(tmp_path / name), "--path", path]) == 0
        hypotheses[name] = (tmp_path / name / "hypotheses.txt").read_text("utf-8").splitlines()
    source = (data / "text/dd-en/test.dd").read_text("utf-8").splitlines()
    ours = load_checkpoints(data, [adapted, perturbed], "dd", beam=1).translate(source)
    assert hypotheses["both"] == ours and hypotheses["both"] != hypotheses["one"]
    record = json.loads((tmp_path / "both/result.json").read_text("utf-8"))
    assert [entry["kind"] for entry in record["cost"]].count("adapt") == 1, "the second has no record of its own"


def test_killed_over_an_earlier_result_it_leaves_no_record_of_other_texts(data, adapted, tmp_path, monkeypatch):
    argv = [str(data), "--source-lang", "dd", "--beam", "1", "--results", str(tmp_path), "--path", str(adapted)]
    assert generate.main(argv) == 0 and (tmp_path / "result.json").is_file()
    write = generate.write_lines

    def killed(path, lines):
        write(path, lines)
        raise KeyboardInterrupt

    monkeypatch.setattr(generate, "write_lines", killed)
    assert generate.main(argv) == 130, "as a shell says of Ctrl-C"
    assert not (tmp_path / "result.json").exists()
