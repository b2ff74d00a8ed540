"""A run that was stopped and run again ends where an undisturbed one does, to the last bit."""

import sys
from pathlib import Path

import pytest
import torch

from meta_nmt import cost
from meta_nmt.cli import train
from meta_nmt.tasks.ulr_translation import trained_tokens

sys.path.insert(0, str(Path(__file__).parents[1]))
from data_folder import make_data_folder  # noqa: E402


@pytest.mark.parametrize("learner", ["fomaml", "joint"])
def test_resumed_equals_uninterrupted(tmp_path, learner):
    data = make_data_folder(tmp_path, {"aa": "source", "bb": "source", "cc": "valid"})

    def run(name, updates):
        argv = [str(data), "--save-dir", str(tmp_path / name), "--source-langs", "aa,bb", "--valid-langs", "cc"]
        argv += ["--arch", "ulr_transformer_tiny", "--encoder-layers", "1", "--decoder-layers", "1", "--lr", "1e-2"]
        argv += ["--support-tokens", "60", "--query-tokens", "60", "--warmup-updates", "2", "--num-workers", "1"]
        argv += ["--meta-learner", learner, "--updates-per-epoch", "4", "--save-interval-updates", "3"]
        assert train.main([*argv, "--max-update", str(updates)]) == 0
        return torch.load(tmp_path / name / "checkpoint_last.pt", weights_only=True)

    whole = run("whole", 6)
    run("parts", 3)  # in the middle of the first epoch; the second part crosses into the next
    parts = run("parts", 6)
    for name, value in whole["model"].items():
        assert torch.equal(value, parts["model"][name]), f"{name} differs"
    first, second = (state["last_optimizer_state"]["state"] for state in (whole, parts))
    for key, entry in first.items():
        for name, value in entry.items():
            same = torch.equal(value, second[key][name]) if torch.is_tensor(value) else value == second[key][name]
            assert same, f"optimiser state {key} {name} differs"
    assert trained_tokens(whole) == trained_tokens(parts) > 0, "tokens of both parts count"
    records = cost.read_records(tmp_path / "parts")
    assert len(records) == 2 and sum(r["train_tokens"] for r in records) == trained_tokens(parts)
