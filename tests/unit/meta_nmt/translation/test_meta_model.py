"""A meta model for others: no sentence that is held out, a card, and nothing of another checkpoint."""

import json

import numpy as np
import pytest
import torch

from data_prep.base.data_folder import DataFolder
from data_prep.base.files import read_json, sha256
from data_prep.cleaning.held_out import hashes_of, read_held_out
from meta_nmt.cli import export
from meta_nmt.translation.meta_model import find_data
from meta_nmt.translation.starters import starters

SECRETS = ["a sentence that tests will ask for", "another one of them"]


@pytest.fixture
def folder(own_data):
    """A data folder with held-out English as an earlier version kept it, and what a record says of a language."""
    path = DataFolder(own_data).held_out_keys
    path.parent.mkdir()
    path.write_text("".join(f"{key}\n" for key in SECRETS), "utf-8")
    record = json.loads((own_data / "data.json").read_text("utf-8"))
    record["languages"]["aa"] |= {
        "splits": {"train": {"lines": 12345, "english_tokens": 678}}, "alignment": {"precision_at_1": 0.41},
        "licences": ["CC-BY | 2.0"],
    }  # fmt: skip
    (own_data / "data.json").write_text(json.dumps(record), "utf-8")
    np.save(own_data / "lang/en/vectors.npy", np.zeros((4, 16), np.float32))
    return own_data


def texts(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_held_out_sentences_are_hashed_and_the_card_says_what_it_is(folder, meta, tmp_path):
    out = tmp_path / "given"
    assert export.main([str(folder), "--path", str(meta), "--to", "meta", "--out", str(out)]) == 0
    for name, content in texts(out).items():
        assert not any(secret.encode() in content for secret in SECRETS), f"{name} tells a held-out sentence"
    assert list(read_held_out(DataFolder(out))) == list(hashes_of(SECRETS)), "they are recognised all the same"
    card = (out / "MODEL_CARD.md").read_text("utf-8")
    for words in (
        "language:\n- aa\n- bb\n- en", "12,345", "678", "0.41", "CC-BY \\| 2.0", "| bb | trained on |",
        "| cc | validated on |", "trained jointly", "20 steps", "meta-nmt-export", "held-out.en.npy",
    ):  # fmt: skip
        assert words in card, f"{words!r} is not in the card:\n{card}"
    made = texts(out)
    again = tmp_path / "again"
    assert export.main([str(out), "--path", str(out / "meta.pt"), "--to", "meta", "--out", str(again)]) == 0
    assert texts(again)["held-out.en.npy"] == made["held-out.en.npy"], "a meta model can be given on"


def test_another_checkpoint_is_refused_and_no_checkpoint_stands_beside_files_of_another(
    folder, meta, tmp_path, capsys, monkeypatch
):
    from meta_nmt.translation import meta_model

    out, other = tmp_path / "given", tmp_path / "other.pt"
    state = torch.load(meta, weights_only=True)
    state["extra_state"]["best"] = 7.0
    torch.save(state, other)
    flags = [str(folder), "--to", "meta", "--out", str(out)]
    assert export.main([*flags, "--path", str(meta)]) == 0
    made = texts(out)
    assert export.main([*flags, "--path", str(other)]) == 2
    error = capsys.readouterr().err
    assert "of another" in error and "--force" in error and error.count("\n") == 1 and texts(out) == made, error
    with monkeypatch.context() as killed:
        killed.setattr(meta_model, "copy_universal", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            export.main([*flags, "--path", str(other), "--force"])
    assert not (out / "meta.pt").exists(), "the checkpoint comes last"
    assert export.main([*flags, "--path", str(other)]) == 0, "the rerun finishes it"
    assert read_json(out / "meta.json") != json.loads(made["meta.json"])
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "data.json").write_text("x")
    assert export.main([*flags[:-1], str(mine), "--path", str(meta), "--force"]) == 2, "no folder of another kind"
    assert texts(mine) == {"data.json": b"x"}


def test_half_of_the_bits_and_what_its_makers_say(folder, meta, tmp_path):
    about, out = tmp_path / "about.md", tmp_path / "given"
    about.write_text("## Intended use\n\nTo try it.\n", "utf-8")
    flags = [str(folder), "--path", str(meta), "--to", "meta"]
    more = ["--half", "--licence", "cc-by-sa-4.0", "--about", str(about)]
    assert export.main([*flags, *more, "--out", str(out)]) == 0
    assert export.main([*flags, "--out", str(tmp_path / "whole")]) == 0
    half, whole = (torch.load(path / "meta.pt", weights_only=True)["model"] for path in (out, tmp_path / "whole"))
    assert [*half] == [*whole] and {k: v.shape for k, v in half.items()} == {k: v.shape for k, v in whole.items()}
    for name, value in whole.items():
        assert (half[name].dtype == torch.float32) == (name == "encoder.embed_tokens.keys" or not value.numel()), name
        torch.testing.assert_close(half[name].float(), value, rtol=1e-3, atol=1e-6)
    assert half["decoder.embed_tokens.weight"].data_ptr() == half["decoder.output_projection.weight"].data_ptr(), (
        "twice"
    )
    card = (out / "MODEL_CARD.md").read_text("utf-8")
    assert f"sha256: {sha256(out / 'meta.pt')}" in card and "license: cc-by-sa-4.0" in card
    assert card.endswith("## Intended use\n\nTo try it.\n")
    assert find_data(out / "meta.pt") == out, "its universal tokens are those of its checkpoint"
    assert export.main([*flags, "--out", str(out)]) == 2, "of 32 bits is another model"


def test_scores_of_translators_stand_in_the_card(folder, meta, tmp_path, capsys):
    rows = [("ha", 600, "scratch", 1.5, 15.25), ("ha", 600, "starter", 7.25, 30.0), ("ko", 2000, "starter", 9.0, 31.0)]
    names = ("language", "pairs", "system", "bleu", "chrf++")
    scores, out = tmp_path / "scores.json", tmp_path / "given"
    scores.write_text(json.dumps([dict(zip(names, row, strict=True)) for row in rows]))
    flags = [str(folder), "--path", str(meta), "--to", "meta", "--out", str(out), "--scores", str(scores)]
    assert export.main(flags) == 0
    card = (out / "MODEL_CARD.md").read_text("utf-8")
    assert (
        "| ha (Hausa) | 600 | 1.5, 15.2 | 7.2, 30.0 |" in card and "| ko (Korean) | 2,000 |  | 9.0, 31.0 |" in card
    ), card
    (starter,) = starters(tmp_path)
    said = starter.describe()
    assert "ha, 600 pairs: test BLEU 7.25, test chrF2++ 30.0" in said and "1.5" not in said, said
    scores.write_text("[{}]")
    capsys.readouterr()
    assert export.main(flags) == 2 and "recipes/starter/scores.py" in capsys.readouterr().err


@pytest.mark.parametrize("flag", [["--half"], ["--licence", "mit"], ["--about", "x.md"], ["--scores", "x.json"]])
def test_flags_of_a_meta_model_are_refused_for_a_translator(tmp_path, capsys, flag):
    with pytest.raises(SystemExit):
        export.main(["data", "--path", "x.pt", "--source-lang", "aa", "--out", str(tmp_path / "out"), *flag])
    assert "`--to meta`" in capsys.readouterr().err
