"""Episodes: a language, with a support set and a query set that share no sentence.

An episode is a pure function of (seed, epoch, index): a resumed run, and a run on other workers, see the same tasks.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypedDict

import numpy as np
import torch
from fairseq.data import FairseqDataset
from torch import Tensor

from data_prep.base.errors import InputError
from meta_nmt.data.language_pack import LanguagePack, check_finite
from meta_nmt.data.parallel_corpus import Batch, ParallelCorpus


class EpisodeSample(TypedDict, total=False):
    """One task's sentences, as a data worker hands them over (fairseq moves dictionaries to the device).

    language: its code.
    rows: (U,) the rows of the U distinct source tokens in the language pack.
    queries: (U, Q) the vectors of these tokens.
    support, query: fairseq batches, whose source ids are renumbered by ``rows``.
    number: the number of the episode in its epoch, in training.
    trajectory: the name of the trajectory, for learners that keep trajectories.
    """

    language: str
    rows: Tensor
    queries: Tensor
    support: list[Batch]
    query: list[Batch]
    number: int
    trajectory: Hashable


def language_probabilities(sizes: Sequence[int], temperature: float) -> np.ndarray:
    """p(language) proportional to size^(1/temperature): 1 follows the data, large values approach uniform."""
    weights = np.asarray(sizes, dtype=np.float64) ** (1.0 / temperature)
    return weights / weights.sum()


def make_episode(
    corpora: tuple[ParallelCorpus, ParallelCorpus],
    pack: LanguagePack,
    support: Sequence[np.ndarray],
    query: Sequence[np.ndarray],
) -> EpisodeSample:
    """Batches of one language whose source ids are renumbered by the rows in play.

    Args:
        corpora: the corpus of the support sentences, and the corpus of the query sentences.
        support, query: the indices of the sentences, an array for each batch.

    Returns:
        an episode. Source id ``nspecial + r`` in its batches means row r of its ``rows`` and ``queries``. Special
        symbols keep their ids.

    Raises:
        InputError: an id is in no dictionary, or a vector is not finite.
    """
    special = pack.dictionary.nspecial
    batches = [corpora[0].batch(indices, pack.dictionary) for indices in support]
    batches += [corpora[1].batch(indices, pack.dictionary) for indices in query]
    tokens = torch.cat([batch["net_input"]["src_tokens"].flatten() for batch in batches]).unique()
    rows = tokens[tokens >= special] - special
    for batch in batches:
        source = batch["net_input"]["src_tokens"]
        local = torch.searchsorted(rows, source - special) + special
        batch["net_input"]["src_tokens"] = torch.where(source < special, source, local)
    queries = np.ascontiguousarray(pack.queries[rows.numpy()])
    check_finite(queries, pack.file)
    return {
        "language": pack.code,
        "queries": torch.from_numpy(queries),
        "rows": rows,
        "support": batches[: len(support)],
        "query": batches[len(support) :],
    }


def draw_sample(corpus: ParallelCorpus, tokens: int, rng: np.random.Generator) -> np.ndarray:
    """Indices of usable sentences, drawn at random, with about ``tokens`` target tokens in all."""
    drawn = rng.permutation(corpus.usable)
    return drawn[: int(np.searchsorted(np.cumsum(corpus.target_sizes[drawn]), tokens)) + 1]


def batches_of(corpus: ParallelCorpus, indices: np.ndarray, tokens: int) -> list[np.ndarray]:
    """Sort indices by length and cut them into batches of at most ``tokens`` tokens, padding included."""
    order = indices[np.argsort(corpus.costs(indices), kind="stable")]
    batches: list[list[int]] = [[]]
    for index, cost in zip(order, corpus.costs(order), strict=True):
        if batches[-1] and (len(batches[-1]) + 1) * cost > tokens:
            batches.append([])
        batches[-1].append(int(index))
    return [np.array(batch) for batch in batches]


def with_noise(queries: Tensor, noise: float, rng: np.random.Generator) -> Tensor:
    """Queries (U, Q) as a worse alignment would have placed them.

    Gaussian noise moves each query by ``noise`` times its length in expectation; then it gets its old length back. A
    zero row stays zero.
    """
    lengths = queries.norm(dim=-1, keepdim=True)
    drawn = torch.from_numpy(rng.standard_normal(queries.shape, dtype=np.float32)) / queries.size(-1) ** 0.5
    moved = queries + noise * lengths * drawn
    return moved * lengths / moved.norm(dim=-1, keepdim=True).clamp_min(1e-12)


@dataclass(frozen=True)
class EpisodeSizes:
    """The size of an episode, in tokens as ``--max-tokens`` counts them: the longer side of each sentence.

    support_tokens: tokens of each of the ``inner_steps`` support batches.
    query_tokens: tokens of the query batch.
    """

    support_tokens: int
    query_tokens: int
    inner_steps: int

    @property
    def total(self) -> int:
        """The tokens of all batches of an episode."""
        return self.support_tokens * self.inner_steps + self.query_tokens


class EpisodeDataset(FairseqDataset):
    """The episodes of an epoch: item i is one task's episode, and a batch is the tasks of one meta-step.

    Each epoch cuts the corpus, sorted by length, into windows of the same number of tokens; ties and neighbours are
    shuffled anew. An episode is one window, drawn at random, so every sentence of the corpus is equally likely. (A
    window around a sentence drawn at random would prefer short ones: it holds more of them.) Its sentences are dealt at
    random to support and query, so there is little padding, and both sets are from the same distribution.

    With ``query_noise`` each episode has its own errors of alignment, the same in support and query. A model that has
    fitted its source languages needs no support set for them. A language whose words have moved is newer to the model,
    as a target language is. This follows the meta-augmentation of Rajendran, Irpan and Jang 2020 (arXiv 2007.05549),
    who disturb labels. It is meta-augmentation here because the whole episode shares its noise.
    """

    def __init__(
        self,
        corpora: Mapping[str, ParallelCorpus],
        packs: Mapping[str, LanguagePack],
        sizes: EpisodeSizes,
        episodes: int,
        meta_batch_size: int,
        temperature: float,
        seed: int,
        num_shards: int = 1,
        query_noise: float = 0.0,
    ) -> None:
        self.languages = list(corpora)
        self.corpora, self.packs, self.sizes = corpora, packs, sizes
        self.episodes, self.meta_batch_size, self.num_shards = episodes, meta_batch_size, num_shards
        self.seed, self.epoch, self.query_noise = seed, 1, query_noise
        tokens = {code: int(corpus.costs(corpus.usable).sum()) for code, corpus in corpora.items()}
        for code, available in tokens.items():
            if available < sizes.total or len(corpora[code].usable) < sizes.inner_steps + 1:
                raise InputError(
                    f"`--support-tokens` x `--inner-steps` + `--query-tokens` must be at most the corpus size "
                    f"({available} tokens, language {code}), but is {sizes.total}"
                )
        self.probabilities = language_probabilities(list(tokens.values()), temperature)
        self._by_length = lru_cache(maxsize=len(self.languages))(self._sort_by_length)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_by_length"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._by_length = lru_cache(maxsize=len(self.languages))(self._sort_by_length)

    def _sort_by_length(self, language: str, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Usable sentences by length plus noise of less than two tokens, and the running sum of their tokens."""
        corpus = self.corpora[language]
        noise = np.random.default_rng([self.seed, epoch, self.languages.index(language), 1]).random(len(corpus.usable))
        order = corpus.usable[np.argsort(corpus.costs(corpus.usable) + 2 * noise, kind="stable")]
        return order, np.concatenate([[0], np.cumsum(corpus.costs(order))])

    def language(self, index: int) -> tuple[str, np.random.Generator]:
        """The language of episode ``index`` of the current epoch, and the generator that draws all else in it."""
        rng = np.random.default_rng([self.seed, self.epoch, index])
        return self.languages[int(rng.choice(len(self.languages), p=self.probabilities))], rng

    def sentences(self, index: int) -> tuple[str, list[np.ndarray], list[np.ndarray]]:
        """The language of episode ``index`` of the current epoch, and its support and query sentences, as indices."""
        language, rng = self.language(index)
        order, tokens_before = self._by_length(language, self.epoch)
        windows = max(1, int(tokens_before[-1]) // self.sizes.total)
        window_tokens, number = tokens_before[-1] / windows, int(rng.integers(windows))
        # a sentence is of the window in which it begins
        first, last = np.searchsorted(tokens_before, [number * window_tokens, (number + 1) * window_tokens]).tolist()
        batches = self.sizes.inner_steps + 1  # each has at least one sentence, however small the budgets
        last = min(max(last, first + batches), len(order))
        first = min(first, last - batches)
        window = rng.permutation(order[first:last])
        costs = self.corpora[language].costs(window)
        taken = max(batches, int(np.searchsorted(np.cumsum(costs), self.sizes.total)) + 1)  # a small corpus has more
        return language, *self._deal(window[:taken], costs[:taken])

    def _deal(self, window: np.ndarray, costs: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Cut a shuffled window into support batches and a query batch, in proportion to their token budgets.

        No batch is empty.
        """
        budgets = [self.sizes.support_tokens] * self.sizes.inner_steps + [self.sizes.query_tokens]
        ends = np.cumsum(budgets)[:-1] * (costs.sum() / self.sizes.total)
        cuts = np.searchsorted(np.cumsum(costs), ends)
        lowest = np.arange(1, len(cuts) + 1)
        cuts = np.clip(np.maximum.accumulate(cuts - lowest) + lowest, lowest, len(window) - len(cuts) - 1 + lowest)
        parts = np.split(window, cuts)
        return parts[:-1], parts[-1:]

    def __getitem__(self, index: int) -> EpisodeSample:
        language, support, query = self.sentences(index)
        corpus = self.corpora[language]
        episode = make_episode((corpus, corpus), self.packs[language], support, query) | {"number": index}
        if self.query_noise:
            rng = np.random.default_rng([self.seed, self.epoch, index, 2])
            episode["queries"] = with_noise(episode["queries"], self.query_noise, rng)
        return episode

    def __len__(self) -> int:
        return self.episodes

    def collater(self, samples: list[EpisodeSample]) -> dict[str, Any]:
        return {"episodes": samples} if samples else {}

    def batch_by_size(self, indices: np.ndarray, *_: Any, **__: Any) -> list[list[int]]:
        """The tasks of each meta-step, dealt to the workers: each ``num_shards`` consecutive batches are one step.

        A step takes the same tasks for any number of workers; where there are fewer tasks than workers, some batches
        are empty.
        """
        steps = [indices[i : i + self.meta_batch_size] for i in range(0, len(indices), self.meta_batch_size)]
        return [list(map(int, part)) for step in steps for part in np.array_split(step, self.num_shards)]

    def filter_indices_by_size(self, indices: np.ndarray, max_sizes: Any) -> tuple[np.ndarray, list[int]]:
        return indices, []  # over-long sentences never enter an episode (ParallelCorpus.usable)

    def size(self, index: int) -> int:
        return self.sizes.total

    num_tokens = size

    @property
    def can_reuse_epoch_itr_across_epochs(self) -> bool:
        return False  # data workers hold a copy of this dataset: a new epoch needs new workers

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch


class MetaValidationDataset(FairseqDataset):
    """An item for each language: ``steps`` batches of a fixed sample as support, and the whole dev set as query."""

    def __init__(
        self,
        train: Mapping[str, ParallelCorpus],
        valid: Mapping[str, ParallelCorpus],
        packs: Mapping[str, LanguagePack],
        steps: int,
        sample_tokens: int,
        batch_tokens: int,
        seed: int,
    ) -> None:
        self.languages = list(valid)
        self.train, self.valid, self.packs = train, valid, packs
        self.steps, self.sample_tokens, self.batch_tokens, self.seed = (
            steps,
            sample_tokens,
            batch_tokens,
            seed,
        )

    def __len__(self) -> int:
        return len(self.languages)

    def __getitem__(self, index: int) -> EpisodeSample:
        language = self.languages[index]
        train, valid = self.train[language], self.valid[language]
        rng = np.random.default_rng([self.seed, index])
        sample = draw_sample(train, self.sample_tokens, rng)
        batches = batches_of(train, sample, self.batch_tokens)
        rounds = -(-self.steps // len(batches))
        order = [int(i) for _ in range(rounds) for i in rng.permutation(len(batches))]
        support = [batches[i] for i in order[: self.steps]]
        return make_episode(
            (train, valid), self.packs[language], support, batches_of(valid, valid.usable, self.batch_tokens)
        )

    def collater(self, samples: list[EpisodeSample]) -> dict[str, Any]:
        return {"episodes": samples} if samples else {}

    def batch_by_size(self, indices: np.ndarray, *_: Any, **__: Any) -> list[list[int]]:
        return [[int(i)] for i in indices]

    def filter_indices_by_size(self, indices: np.ndarray, max_sizes: Any) -> tuple[np.ndarray, list[int]]:
        return indices, []

    def size(self, index: int) -> int:
        return self.batch_tokens

    num_tokens = size
