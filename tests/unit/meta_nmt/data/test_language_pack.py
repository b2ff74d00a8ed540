"""Language packs: the vectors that a sample's pairs have aligned, and those that know none."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from data_prep.base.data_folder import DataFolder
from data_prep.base.errors import InputError
from meta_nmt.data.language_pack import LanguagePack, has_alignment


@pytest.fixture
def with_sample(data):
    """The data folder, where the pack of dd has vectors for the sample train-300-s1."""
    pack = DataFolder(data).pack("dd")
    path = pack.vectors_with("train-300-s1")
    np.save(path, -np.load(pack.vectors))
    yield data
    path.unlink()


def test_a_sample_has_vectors_of_its_own(with_sample):
    plain, aligned = (LanguagePack.load(with_sample, "dd", sample) for sample in (None, "train-300-s1"))
    assert np.array_equal(aligned.queries, -plain.queries) and aligned.file.name == "vectors.train-300-s1.npy"
    assert has_alignment(with_sample, "dd", "train-300-s1")
    assert not has_alignment(with_sample, "dd", "train") and not has_alignment(with_sample, "aa", "train-300-s1")


def test_a_sample_without_vectors_is_refused_and_those_that_are_there_are_named(with_sample):
    with pytest.raises(InputError, match=r"`--aligned-with` must be .*, but is train-9-s9 \(there are train-3"):
        LanguagePack.load(with_sample, "dd", "train-9-s9")


def test_another_process_maps_the_vectors_and_gets_no_copy(data):
    pack = LanguagePack.load(data, "dd")
    moved = pickle.loads(pickle.dumps(pack))
    assert isinstance(moved.queries, np.memmap) and np.array_equal(moved.queries, pack.queries)
    assert (moved.code, moved.file, moved.dictionary.symbols) == (pack.code, pack.file, pack.dictionary.symbols)
    large = replace(pack, queries=np.zeros((50_000, 16), np.float32))
    assert len(pickle.dumps(pack)) < 100_000 < large.queries.nbytes < len(pickle.dumps(large)), (
        "vectors in memory go along"
    )
    assert np.array_equal(pickle.loads(pickle.dumps(large)).queries, large.queries)
