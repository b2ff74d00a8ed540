"""The report's glossary: what the words in its tables mean, for a reader who did not make the experiment."""

from __future__ import annotations

from data_prep.base.language_registry import language_name
from meta_nmt.report.report import Report
from meta_nmt.report.tables import strategy_title

SYSTEMS = {
    "scratch": "a model trained from random parameters on the sample alone",
    "transfer": "a model trained on one other language (its parent), then adapted",
    "joint": "a model trained on all source languages together, as one task, then adapted",
    "fomaml": "meta-learning: each source language in turn plays the new one; the model learns to be good after a few "
    "steps of adaptation (first-order MAML)",
    "maml": "as fomaml, with second derivatives",
    "reptile": "meta-learning that moves towards the adapted parameters",
    "anil": "as fomaml, but only a part of the model adapts in training",
    "meta_sgd": "as fomaml, and the learning rate of each parameter is learnt",
    "lstm": "meta-learning of the update rule itself, by an LSTM",
    "cts": "meta-learning along long trajectories of adaptation (continual trajectory shifting)",
    "lslr": "a learning rate for each layer, learnt along long trajectories",
    "multi_nmt": "joint training with residual rows of source tokens, which a new language has not",
}
STRATEGIES = {
    "zero": "the trained model as it is, without a sentence pair of the new language",
    "emb": "adaptation of the word representations alone",
    "emb_enc": "adaptation of the word representations and the encoder",
    "all": "adaptation of all parameters",
    "self": "as emb + enc, and then once more with monolingual text that the adapted model has translated itself",
    "learned": "adaptation by the update rule that the system has learnt, in place of gradient descent",
}
# the rule of thumb for BLEU is that of Google's guide to its translation service (AutoML, "Evaluate models")
SCORES = {
    "BLEU": "from 0 to 100: the share of words, and of rows of up to four words, that a translation has in common with "
    "one reference. As a rule of thumb, below 10 is of little use, 10 to 20 lets a reader guess the subject, 20 to 30 "
    "gives the gist with clear faults, and about 35 can be understood. Scores of different test sets, languages or "
    "tokenisers must not be compared",
    "chrF, chrF++": "the same idea with groups of letters (and, for chrF++, words), from 0 to 100; kinder to a word "
    "with a wrong ending",
    "English tokens": "words, split at spaces, of the English side of the sample that a system was adapted on",
    "seed": "the number of the random sample of sentences; the deviation (±) over seeds says how much luck is in it",
    "p": "the probability of so large a difference if both systems were equally good",
}


def glossary(report: Report) -> list[tuple[str, str]]:
    """Words and what they mean: the target languages, and the systems, strategies and scores that the report shows."""
    strategies = {result.strategy for result in report.results}
    names = [(lang, language_name(lang)) for lang in report.targets]
    return [
        *((lang, f"the language {name}, translated from") for lang, name in names if name),
        *((system, SYSTEMS[system]) for system in report.systems if system in SYSTEMS),
        *((strategy_title(strategy), text) for strategy, text in STRATEGIES.items() if strategy in strategies),
        *SCORES.items(),
    ]
