"""Episodes that go on where the last episode of their language ended.

A trajectory reads one small sample over and over, as fine-tuning on a low-resource pair does. Its queries are other
sentences. It is for meta-learners that keep trajectories (continual trajectory shifting, Shin et al. 2021, arXiv
2102.07215).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from data_prep.base.errors import InputError
from meta_nmt.data.episodes import EpisodeDataset, EpisodeSample, batches_of, draw_sample, make_episode, with_noise


@dataclass(frozen=True)
class Place:
    """The place of an episode: numbers of its language, of its trajectory in the epoch, and of its visit to that."""

    language: int
    trajectory: int
    visit: int


@dataclass
class Sample:
    """The text that a trajectory reads.

    trajectory: the number of the trajectory in the epoch.
    batches: support batches, in a new order each time the sample is read again.
    sentences: the sentences of the sample, as indices.
    queries: (V, Q) vectors of the language, with the trajectory's own errors of alignment.
    """

    trajectory: int
    batches: list[np.ndarray]
    sentences: np.ndarray
    queries: Tensor


class TrajectoryDataset(EpisodeDataset):
    """An EpisodeDataset whose support batches come from the sample of the trajectory.

    Args: those of an EpisodeDataset, and
        visits: episodes of a trajectory. Languages begin at different places of their first trajectory, so that a
            meta-step sees short and long trajectories.
        sample_tokens: target tokens of a trajectory's sample.

    Raises:
        InputError: a corpus is too small for a sample and a query set beside it.
    """

    def __init__(self, *args: Any, visits: int, sample_tokens: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for code, corpus in self.corpora.items():
            available, needed = int(corpus.target_sizes[corpus.usable].sum()), sample_tokens + self.sizes.total
            if available < needed:
                raise InputError(
                    f"`--trajectory-tokens` + the tokens of an episode must be at most the corpus size ({available} "
                    f"tokens, language {code}), but is {needed}"
                )
        self.visits, self.sample_tokens = visits, sample_tokens
        self._places: tuple[int, list[Place]] = (0, [])  # an epoch, and its places
        self._samples: dict[int, Sample] = {}  # the present sample of each language

    def place(self, index: int) -> Place:
        """The place of episode ``index``: a pure function of seed, epoch and index, as the episode is."""
        if self._places[0] != self.epoch:
            visits_so_far: dict[int, int] = {}
            places = []
            for number in range(self.episodes):
                language = self.languages.index(self.language(number)[0])
                if language not in visits_so_far:
                    visits_so_far[language] = int(np.random.default_rng([self.seed, language, 3]).integers(self.visits))
                trajectory, visit = divmod(visits_so_far[language], self.visits)
                visits_so_far[language] += 1
                places.append(Place(language, trajectory, visit))
            self._places, self._samples = (self.epoch, places), {}
        return self._places[1][index]

    def _sample(self, place: Place) -> Sample:
        sample = self._samples.get(place.language)
        if sample is None or sample.trajectory != place.trajectory:
            code = self.languages[place.language]
            corpus = self.corpora[code]
            rng = np.random.default_rng([self.seed, self.epoch, place.language, place.trajectory, 4])
            sentences = draw_sample(corpus, self.sample_tokens, rng)
            batches = batches_of(corpus, sentences, self.sizes.support_tokens)
            rounds = -(-self.visits * self.sizes.inner_steps // len(batches))
            order = [int(i) for _ in range(rounds) for i in rng.permutation(len(batches))]
            queries = torch.from_numpy(np.array(self.packs[code].queries))
            if self.query_noise:
                queries = with_noise(queries, self.query_noise, rng)
            sample = Sample(place.trajectory, [batches[i] for i in order], sentences, queries)
            self._samples[place.language] = sample
        return sample

    def __getitem__(self, index: int) -> EpisodeSample:
        place = self.place(index)
        language, _, query = self.sentences(index)
        corpus, sample = self.corpora[language], self._sample(place)
        unread = [np.setdiff1d(batch, sample.sentences) for batch in query]
        if not len(unread[0]):  # a small query set may lie in the sample as a whole: take any sentence outside
            unread = [np.setdiff1d(corpus.usable, sample.sentences)[:1]]
        steps = self.sizes.inner_steps
        support = sample.batches[place.visit * steps : (place.visit + 1) * steps]
        episode = make_episode((corpus, corpus), self.packs[language], support, unread)
        return episode | {
            "number": index,
            "queries": sample.queries[episode["rows"]],
            "trajectory": (self.epoch, place.trajectory),
        }
