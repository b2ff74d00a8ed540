"""Trajectories that go on from episode to episode: what they read."""

import numpy as np
import pytest
import torch

from data_prep.base.errors import InputError
from meta_nmt.data.episodes import EpisodeSizes
from meta_nmt.data.language_pack import LanguagePack
from meta_nmt.data.parallel_corpus import ParallelCorpus
from meta_nmt.data.trajectories import TrajectoryDataset

VISITS, SAMPLE = 5, 120


def dataset(data, seed=1, visits=VISITS, sample=SAMPLE, **kwargs):
    corpora = {c: ParallelCorpus.load(data, "train", c, "en", (100, 100)) for c in ("aa", "bb")}
    packs = {c: LanguagePack.load(data, c) for c in corpora}
    options = {"episodes": 60, "meta_batch_size": 4, "temperature": 1.0, "query_noise": 0.5} | kwargs
    return TrajectoryDataset(
        corpora, packs, EpisodeSizes(40, 60, 1), seed=seed, visits=visits, sample_tokens=sample, **options
    )


def test_trajectories_last_as_many_visits_and_languages_begin_apart(data):
    places = [dataset(data, seed).place(i) for seed in (1, 2) for i in range(60)]
    first = {seed: dataset(data, seed).place(0).visit for seed in range(20)}
    assert len(set(first.values())) > 1, "not all languages begin at the same place"
    for seed in (0, 1):
        for language in (0, 1):
            own = [(p.trajectory, p.visit) for p in places[60 * seed : 60 * seed + 60] if p.language == language]
            flat = [trajectory * VISITS + visit for trajectory, visit in own]
            assert flat == list(range(flat[0], flat[0] + len(flat))), "one visit after the other"
            assert flat[0] < VISITS and max(flat) >= 2 * VISITS, "the test needs several trajectories"


def test_a_trajectory_reads_one_sample_and_is_asked_about_other_sentences(data):
    episodes = dataset(data, visits=12)
    read, asked, noise = {}, {}, {}
    for index in range(60):
        place, episode = episodes.place(index), episodes[index]
        key = place.language, place.trajectory
        assert episode["trajectory"] == (1, place.trajectory)
        sample = episodes._samples[place.language]
        corpus = episodes.corpora[episode["language"]]
        tokens = int(corpus.target_sizes[sample.sentences].sum())
        assert SAMPLE <= tokens <= SAMPLE + int(corpus.target_sizes.max()), tokens
        read.setdefault(key, []).append(tuple(episode["support"][0]["id"].tolist()))
        asked.setdefault(key, set()).update(episode["query"][0]["id"].tolist())
        for row, vector in zip(episode["rows"].tolist(), episode["queries"], strict=True):
            torch.testing.assert_close(noise.setdefault((key, row), vector), vector, msg="errors of a trajectory's own")
    again = [key for key, batches in read.items() if len(batches) > len(set(batches))]
    assert again, "a sample is read over and over"
    assert not any(asked[key] & {i for batch in batches for i in batch} for key, batches in read.items())
    vectors = {}
    for ((language, _), row), vector in noise.items():
        vectors.setdefault((language, row), set()).add(tuple(vector.tolist()))
    assert any(len(several) > 1 for several in vectors.values()), "and not those of the next"


def test_it_is_a_function_of_seed_epoch_and_index(data):
    first, second = dataset(data), dataset(data)
    for epoch in (1, 2):
        first.set_epoch(epoch)
        second.set_epoch(epoch)
        for index in (0, 17, 41):
            one, other = first[index], second[index]
            assert one["trajectory"] == other["trajectory"] == (epoch, first.place(index).trajectory)
            assert torch.equal(one["queries"], other["queries"])
            assert torch.equal(one["support"][0]["id"], other["support"][0]["id"])
    assert not np.array_equal(first[3]["support"][0]["id"], dataset(data, seed=2)[3]["support"][0]["id"])


def test_refusals(data):
    with pytest.raises(InputError, match=r"`--trajectory-tokens` .* language aa.*, but is 1000100"):
        dataset(data, sample=1_000_000)
