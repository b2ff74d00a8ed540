"""Faults inside a step, in whole runs."""

import pytest
from campaign import steps


@pytest.mark.parametrize(
    "check", [steps.some_tasks, steps.every_task, steps.far_too_little_memory, steps.dead_data_worker]
)
def test_faults_in_a_step(data, tmp_path, check):
    assert (wrong := check(data, tmp_path / "run")) is None, wrong


@pytest.mark.slow
@pytest.mark.parametrize("check", [steps.one_language, steps.workers_in_step])
def test_more_faults_in_a_step(data, tmp_path, check):
    assert (wrong := check(data, tmp_path / "run")) is None, wrong


def test_an_episode_out_of_memory(data, tmp_path):
    assert (wrong := steps.out_of_memory(data, tmp_path / "run", 8)) is None, wrong
