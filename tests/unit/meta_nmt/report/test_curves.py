"""The course of meta-training, over the tokens spent."""

import pytest

from meta_nmt.report.tables import training_table


def test_curves_run_over_the_tokens_spent(gathered):
    curves = {curve.system: curve.points for curve in gathered.curves}
    assert set(curves) == {"joint", "fomaml", "meta_sgd"}, "of every system that was meta-trained"
    assert curves["joint"][-1] == pytest.approx((0.123456, 3.0, 15.0)), "(million tokens, loss, BLEU)"
    table = training_table(gathered)
    assert [row[1].text for row in table.rows if row[0].text == "joint"] == ["123,456"], "and so does the table"
