"""What a user's own learner can get wrong at the task's border: one line that names the learner and its file."""

from types import SimpleNamespace

import pytest
import torch

from meta_nmt.meta_learners import Episode, EpisodeResult, InnerLoopResult, MetaLearner
from meta_nmt.tasks.faults import StepError
from meta_nmt.tasks.learner import ask, has_own_parameters, own_parameters

LOSS = torch.tensor(1.0)
EPISODE = Episode(lambda parameters, batch: LOSS, {}, [], [])


def learner(answer=None, method="episode", **of_class):
    """A learner whose method gives ``answer``."""
    kind = type("Mine", (MetaLearner,), {method: lambda self, episode: answer, "__module__": __name__, **of_class})
    return kind(None, {}, [])


RESULTS = {
    "nothing": (None, "must return an EpisodeResult, but returns a NoneType"),
    "gradients alone": ({}, "must return an EpisodeResult, but returns a dict"),
    "a list of gradients": (EpisodeResult([LOSS], [LOSS], []), "must give a gradient, a tensor, for each name"),
    "gradients that are numbers": (EpisodeResult({"a": 1.0}, [LOSS], []), "must give a gradient, a tensor"),
    "no list of losses": (EpisodeResult({}, LOSS, []), "must give lists of losses"),
    "losses that are numbers": (EpisodeResult({}, [1.0], []), "must give lists of losses"),
    "losses of many numbers": (EpisodeResult({}, [], [torch.zeros(3)]), "must give lists of losses"),
    "no losses": (EpisodeResult({"a": LOSS}, [], []), "must give the losses .* but gives none"),
}


@pytest.mark.parametrize("answer, words", RESULTS.values(), ids=RESULTS)
def test_a_wrong_result_names_the_learner_and_its_file(answer, words):
    with pytest.raises(StepError, match=rf"^episode of the meta-learner Mine \(.*test_learner.py\) {words}"):
        ask(learner(answer), "episode", EPISODE, EpisodeResult)


def test_an_old_signature_is_shown():
    old = learner(episode=lambda self, loss, theta, adapted, support, query: None)
    with pytest.raises(StepError, match=r"must take an Episode, but is episode\(loss, theta, adapted, support"):
        ask(old, "episode", EPISODE, EpisodeResult)


def test_meta_validation_is_checked_too():
    with pytest.raises(StepError, match="adapt of the meta-learner Mine .* must return an InnerLoopResult"):
        ask(learner(None, "adapt"), "adapt", EPISODE, InnerLoopResult)


def test_a_good_result_passes_and_own_errors_stay_what_they_are():
    result = EpisodeResult({"a": LOSS}, [], [LOSS])
    assert ask(learner(result), "episode", EPISODE, EpisodeResult) is result

    def fails(self, episode):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        ask(learner(episode=fails), "episode", EPISODE, EpisodeResult)


@pytest.fixture
def own_learner(monkeypatch):
    """A learner with parameters of its own that is no `learned_rule`."""
    from meta_nmt.meta_learners import META_LEARNERS

    class Weighted(MetaLearner):
        def __init__(self, settings, theta, adapted):
            super().__init__(settings, theta, adapted)
            self.weight = torch.nn.Parameter(torch.zeros(len(adapted)))

    monkeypatch.setitem(META_LEARNERS, "weighted", Weighted)


def test_parameters_of_a_learner_without_a_learned_rule_count(own_learner):
    weights = {"encoder.layers.0.fc1.weight": LOSS, "encoder.embed_tokens.residual": LOSS}
    for name, has in (("weighted", True), ("fomaml", False), ("anil", False), ("meta_sgd", True)):
        cfg = SimpleNamespace(meta_learner=name, adapt_params=None, head_params="encoder.layers.*")
        assert has_own_parameters(cfg, weights) == has, name
    cfgs = [SimpleNamespace(meta_learner="weighted", adapt_params=group) for group in (None, "emb")]
    assert own_parameters(cfgs[0]) != own_parameters(cfgs[1])
    assert own_parameters(SimpleNamespace(meta_learner="of somebody")) == "--meta-learner of somebody"
