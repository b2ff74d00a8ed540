"""Averages of adapted checkpoints."""

import pytest
import torch

from meta_nmt.translation import average
from meta_nmt.translation.loaders import load_checkpoints


def test_the_average_is_the_mean(adapted, perturbed, tmp_path, capsys):
    out = tmp_path / "average.pt"
    assert average.main(["--inputs", str(adapted), str(perturbed), "--output", str(out)]) == 0
    models = [torch.load(path, weights_only=True)["model"] for path in (adapted, perturbed, out)]
    assert not torch.equal(models[0]["encoder.embed_tokens.residual"], models[1]["encoder.embed_tokens.residual"])
    for name, value in models[2].items():
        assert value.dtype == models[0][name].dtype
        torch.testing.assert_close(value, (models[0][name] + models[1][name]) / 2, rtol=1e-6, atol=1e-7, msg=name)


def test_an_average_translates(data, adapted, perturbed, tmp_path):
    out = tmp_path / "average.pt"
    assert average.main(["--inputs", str(adapted), str(perturbed), str(adapted), "--output", str(out)]) == 0
    assert load_checkpoints(data, [out], "dd", beam=1).translate(["ddwaa ddwab"])[0]


def test_averages_of_other_models_are_refused(adapted, meta, tmp_path, capsys):
    out = tmp_path / "average.pt"
    assert average.main(["--inputs", str(adapted), str(meta), "--output", str(out)]) == 2
    error = capsys.readouterr().err
    assert "must be of the same model and language" in error and error.count("\n") == 1
    state = torch.load(adapted, weights_only=True)
    state["model"]["encoder.embed_tokens.queries"].neg_()
    torch.save(state, tmp_path / "other.pt")
    assert average.main(["--inputs", str(adapted), str(tmp_path / "other.pt"), "--output", str(out)]) == 2
    assert "encoder.embed_tokens.queries differs" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        average.main(["--inputs", str(adapted), "--output", str(out)])
    assert not out.exists()
