"""Translations to look at."""


def test_samples_are_the_best_and_the_worst(gathered):
    fi, ro = gathered.samples
    assert (fi.system, ro.strategy, len(ro.best), len(ro.worst)) == ("fomaml", "emb_enc", 4, 4), "of the best system"
    scores = [s.score for s in ro.best] + [s.score for s in reversed(ro.worst)]
    assert scores == sorted(scores, reverse=True) and scores[0] > scores[-1], "from the best to the worst"
    assert ro.best[0].source == ro.best[0].reference.upper() and ro.best[0].theirs, "source and baseline stand beside"
