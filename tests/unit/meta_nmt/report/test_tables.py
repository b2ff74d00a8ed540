"""The tables of a report."""

from meta_nmt.report.tables import paper_table


def test_the_main_table_is_the_paper_s(gathered):
    table = paper_table(gathered)
    assert gathered.budget == 16_000, "the paper's size"
    assert table.groups == [("", 1), ("fi", 2), ("ro", 3)], "zero-shot beside the strategies, for each target"
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}
    assert list(rows) == ["scratch", "joint", "fomaml", "meta_sgd"], "baselines come first"
    assert rows["scratch"][0] == "" and rows["scratch"][1] != "", "scratch has no zero-shot, but stands by emb_enc"
    assert rows["scratch"][3] != "" == rows["scratch"][4], "by every fine-tuning, and by no learned rule"
    runs = [r.bleu for r in gathered.results
            if (r.system, r.target, r.english_tokens, r.strategy) == ("fomaml", "fi", 16_000, "emb_enc")]  # fmt: skip
    assert rows["fomaml"][1] == f"{sum(runs) / 3:.2f}", "the mean over seeds"
    for column in range(1, 6):
        values = [row[column].value or 0 for row in table.rows]
        assert [row[column].best for row in table.rows] == [v == max(values) for v in values], "the best is marked"
    full = {cell.text for cell in table.foot[0]}
    whole = [r for r in gathered.results if r.english_tokens == 30_000]
    assert {f"{r.bleu:.2f}" for r in whole} < full and len(table.foot) == 1, "what the whole text gives, as reference"
