"""What a data folder says of itself."""

import json

from results_folder import write_data_record

from meta_nmt.report.data_record import data_record
from meta_nmt.report.tables import audit_table


def test_a_target_that_was_added_later_stands_in_the_audit(tmp_path):
    data = write_data_record(tmp_path / "data", ["ro"], 30_000)
    sizes = {"train": (90, 1200), "valid": (30, 400), "test": (20, 300)}
    splits = {name: {"lines": lines, "english_tokens": tokens} for name, (lines, tokens) in sizes.items()}
    card = {"lang": "fi", "role": "target", "alignment": {"precision_at_1": 0.32}, "text": {"splits": splits}}
    card["held_out_in_meta_training"] = 5
    (data / "lang/fi").mkdir(parents=True)
    (data / "lang/fi/card.json").write_text(json.dumps(card))
    record = data_record(data, ["ro", "fi", "absent"])
    rows = {row[0].text.split(" (")[0]: [cell.text for cell in row[1:8]] for row in audit_table(record).rows}
    assert list(rows) == ["src", "ro", "fi", "en"], "after those that preprocess made; what has no card is left out"
    assert rows["fi"] == ["target, added", "90", "1,200", "0.32", "", "50", "5"]
    assert audit_table(record).rows[1][0].text == "ro (Romanian)", "a name beside the code"
    assert rows["ro"][:2] == ["target", "3,750"]
