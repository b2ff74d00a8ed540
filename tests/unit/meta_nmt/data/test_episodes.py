"""Episodes: disjoint, within budget, and a pure function of (seed, epoch, index)."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.base.errors import InputError
from meta_nmt.data.episodes import (
    EpisodeDataset,
    EpisodeSizes,
    MetaValidationDataset,
    language_probabilities,
    with_noise,
)
from meta_nmt.data.language_pack import LanguagePack
from meta_nmt.data.parallel_corpus import ParallelCorpus


def dataset(data, support=60, query=90, steps=1, seed=1, languages=("aa", "bb"), **kwargs):
    corpora = {c: ParallelCorpus.load(data, "train", c, "en", (100, 100)) for c in languages}
    packs = {c: LanguagePack.load(data, c) for c in languages}
    options = {"episodes": 50, "meta_batch_size": 4, "temperature": 1.0} | kwargs
    return EpisodeDataset(corpora, packs, EpisodeSizes(support, query, steps), seed=seed, **options)


@settings(max_examples=60, deadline=None)
@given(
    support=st.integers(1, 150),
    query=st.integers(1, 150),
    steps=st.integers(1, 4),
    seed=st.integers(0, 2**31),
    index=st.integers(0, 10**6),
)
def test_support_and_query_never_share_a_sentence(data, support, query, steps, seed, index):
    episodes = dataset(data, support, query, steps, seed)
    _, support_batches, query_batches = episodes.sentences(index)
    batches = [*support_batches, *query_batches]
    drawn = np.concatenate(batches)
    assert len(support_batches) == steps and len(query_batches) == 1, "one batch a step and one query batch"
    assert all(len(batch) for batch in batches), "no batch is empty"
    assert len(set(drawn.tolist())) == len(drawn), "a sentence was drawn twice"


def test_token_budgets_are_met_on_average(data):
    episodes = dataset(data, support=60, query=120, steps=2)
    costs = np.array(
        [
            [episodes.corpora[language].costs(b).sum() for b in [*support, *query]]
            for language, support, query in (episodes.sentences(i) for i in range(200))
        ]
    )
    assert np.allclose(costs.mean(0), [60, 60, 120], rtol=0.15), costs.mean(0)


def test_an_episode_is_a_function_of_seed_epoch_and_index(data):
    first, second = dataset(data), dataset(data)
    for epoch in (1, 2):
        first.set_epoch(epoch)
        second.set_epoch(epoch)
        a, b = first[7], second[7]
        assert a["language"] == b["language"]
        assert torch.equal(a["queries"], b["queries"])
        assert torch.equal(a["support"][0]["target"], b["support"][0]["target"])
    drawn = [dataset(data, seed=seed).sentences(7)[1][0].tolist() for seed in range(5)]
    assert len({tuple(d) for d in drawn}) == 5, "other seeds draw other sentences"
    first.set_epoch(3)
    assert first.sentences(7)[1][0].tolist() != second.sentences(7)[1][0].tolist(), "another epoch, another draw"


def test_every_sentence_is_seen(data):
    episodes = dataset(data, languages=("aa",))
    seen = {int(i) for n in range(300) for batch in sum(episodes.sentences(n)[1:], []) for i in batch}
    assert seen == set(episodes.corpora["aa"].usable.tolist())


class _CorpusOfLengths:
    """The lengths of a corpus, without its sentences."""

    def __init__(self, lengths):
        self.lengths, self.usable = lengths, np.arange(len(lengths))

    def costs(self, indices):
        return self.lengths[indices]


@pytest.mark.parametrize("sentences, total", [(20_000, 1000), (1000, 1000), (100, 1000), (60, 1000)])
def test_every_sentence_is_equally_likely(sentences, total):
    # verses are long, captions and everyday sentences short: as in the Bible and Tatoeba together
    rng = np.random.default_rng(5)
    short, long = rng.poisson(6, sentences // 4) + 2, rng.gamma(4, 9, sentences - sentences // 4).astype(int) + 2
    corpus = _CorpusOfLengths(np.concatenate([short, long]))
    sizes = EpisodeSizes(total // 2, total // 2, 1)
    options = {"episodes": 10, "meta_batch_size": 1, "temperature": 1.0, "seed": 3}
    episodes = EpisodeDataset({"aa": corpus}, {}, sizes, **options)
    drawn = [np.concatenate(sum(episodes.sentences(n)[1:], [])) for n in range(12_000)]
    lengths = corpus.costs(np.concatenate(drawn))
    assert lengths.mean() == pytest.approx(corpus.lengths.mean(), rel=0.03)
    for share in (0.1, 0.25, 0.5, 0.75, 0.95):  # the corpus's own distribution
        bound = np.quantile(corpus.lengths, share)
        assert (lengths <= bound).mean() == pytest.approx((corpus.lengths <= bound).mean(), abs=0.02), share
    tokens = np.mean([corpus.costs(one).sum() for one in drawn])
    assert tokens == pytest.approx(min(total, corpus.lengths.sum()), rel=0.05)


def test_ids_are_renumbered_by_the_rows_in_play(data):
    episodes = dataset(data)
    episode = episodes[3]
    language, support, query = episodes.sentences(3)
    pack, corpus = episodes.packs[language], episodes.corpora[language]
    special = pack.dictionary.nspecial
    pairs = zip([*episode["support"], *episode["query"]], [*support, *query], strict=True)
    for batch, indices in pairs:
        original = corpus.batch(indices, pack.dictionary)["net_input"]["src_tokens"]
        local = batch["net_input"]["src_tokens"]
        assert torch.equal(local[original < special], original[original < special]), "special symbols keep their ids"
        rows = local[original >= special] - special
        expected = torch.from_numpy(pack.queries[(original[original >= special] - special).numpy()])
        assert torch.equal(episode["queries"][rows], expected), "a token's query is its own vector"


def test_support_larger_than_the_corpus_is_refused(data):
    with pytest.raises(InputError, match=r"must be at most the corpus size \(\d+ tokens, language aa\), but is 100090"):
        dataset(data, support=100_000)


def test_language_probabilities():
    assert np.allclose(language_probabilities([1, 3], 1.0), [0.25, 0.75])
    assert np.allclose(language_probabilities([1, 10**6], 1e9), [0.5, 0.5]), "a high temperature is uniform"


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_workers_share_the_tasks_of_a_step(data, workers):
    episodes = dataset(data, num_shards=workers)
    batches = episodes.batch_by_size(np.arange(12))
    steps = [sum(batches[i : i + workers], []) for i in range(0, len(batches), workers)]
    assert steps == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


def test_meta_validation_is_fixed_and_scores_every_dev_sentence(data):
    train = {"cc": ParallelCorpus.load(data, "train", "cc", "en", (100, 100))}
    valid = {"cc": ParallelCorpus.load(data, "valid", "cc", "en", (100, 100))}
    packs = {"cc": LanguagePack.load(data, "cc")}
    items = [MetaValidationDataset(train, valid, packs, 7, 100, 60, seed=1)[0] for _ in range(2)]
    assert len(items[0]["support"]) == 7, "as many batches as steps"
    assert torch.equal(items[0]["support"][3]["target"], items[1]["support"][3]["target"]), "the same each time"
    scored = sorted(i for batch in items[0]["query"] for i in batch["id"].tolist())
    assert scored == list(range(20)), "every dev sentence once"


def test_query_noise_is_of_an_episode_and_moves_queries_as_far_as_it_says(data):
    clean, noisy, again = dataset(data), dataset(data, query_noise=0.7), dataset(data, query_noise=0.7)
    assert torch.equal(noisy[3]["queries"], again[3]["queries"]), "an episode is a function of seed, epoch and index"
    drawn = [noisy[i]["queries"][0] - clean[i]["queries"][0] for i in (3, 4)]
    assert torch.cosine_similarity(*drawn, dim=0) < 0.9, "each has its own"
    assert torch.equal(noisy[3]["support"][0]["target"], clean[3]["support"][0]["target"]), "of the same sentences"
    assert not torch.isclose(noisy[3]["queries"], clean[3]["queries"]).all(dim=1).any()

    queries = torch.randn(400, 300, generator=torch.Generator().manual_seed(0)) * torch.linspace(0, 2, 400).unsqueeze(1)
    for noise in (0.3, 1.0):
        moved = with_noise(queries, noise, np.random.default_rng(1))
        torch.testing.assert_close(moved.norm(dim=1), queries.norm(dim=1))
        cosines = torch.cosine_similarity(moved[1:], queries[1:])
        assert abs(float(cosines.mean()) - (1 + noise**2) ** -0.5) < 0.01, "what noise orthogonal to a query leaves"
    assert torch.equal(moved[0], torch.zeros(300)), "a token without a vector gets none"
