"""What a run has counted must be numbers, however fairseq saved them."""

import pytest
import torch

from data_prep.base.errors import InputError
from meta_nmt.models.checkpoints import _check_numbers


@pytest.mark.parametrize("seconds", [3.5, torch.tensor(3.5), torch.tensor([3.5], dtype=torch.float64)])
def test_the_mean_time_of_several_workers_is_a_number_too(seconds):
    _check_numbers("run.pt", {"extra_state": {"previous_training_time": seconds}})


@pytest.mark.parametrize("seconds", ["long", True, torch.zeros(2), torch.tensor(float("nan"))])
def test_what_is_no_number_is_named(seconds):
    with pytest.raises(InputError, match="its previous_training_time must be a number"):
        _check_numbers("run.pt", {"extra_state": {"previous_training_time": seconds}})
