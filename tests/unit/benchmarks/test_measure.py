"""The arithmetic of the benchmarks: rows, medians, spreads, the table, counted operations. Nothing is timed."""

import json

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import __main__ as command
from benchmarks import gpu, measure
from benchmarks.fraction import products_of
from benchmarks.measure import compare, in_turns, line_of, rounded, speeds, table, unmeasured
from benchmarks.settings import Settings


def test_ratio_is_the_median_of_the_rounds_own():
    row = compare("x", "s", [1.0, 2.0, 9.0], [1.0, 4.0, 3.0])
    assert (row.ours, row.peer) == (2.0, 3.0)
    assert row.ratio == 1.0, "ratios 1, 0.5 and 3; not the ratio of the medians"
    assert row.spread == (0.5, 3.0)


def test_half_the_seconds_is_twice_the_speed():
    row = speeds("x", "tokens/s", 100, [1.0, 1.0], [2.0, 2.0])
    assert (row.ours, row.peer, row.ratio) == (100.0, 50.0, 2.0)


def test_rounds_of_different_number_are_refused():
    with pytest.raises(ValueError):
        compare("x", "s", [1.0], [1.0, 2.0])


@pytest.mark.parametrize(("value", "shown"), [(1234.56, 1235.0), (0.0123456, 0.01235), (3.0, 3.0)])
def test_four_digits_count(value, shown):
    assert rounded(value) == shown


def test_in_turns_warms_up_once_and_goes_backwards_every_other_round():
    calls = []
    seconds = in_turns({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 2)
    assert "".join(calls) == "ba" + "ab" + "ba"
    assert {name: len(times) for name, times in seconds.items()} == {"a": 2, "b": 2}


def test_table_has_figures_spread_and_the_reason_where_there_are_none():
    rows = [compare("fast", "s", [1.0, 2.0], [2.0, 2.0]), unmeasured("gone", "s", ImportError("no such\nthing"))]
    head, fast, gone = table(rows)
    assert head.split() == ["name", "ours", "peer", "ratio", "unit", "spread"]
    assert fast.split() == ["fast", "1.5", "2", "0.75", "s", "0.5", "to", "1"]
    assert gone.split(maxsplit=1) == ["gone", "unmeasured: ImportError: no such"]


def test_unmeasured_row_has_no_figures_in_json():
    record = json.loads(json.dumps(unmeasured("gone", "s", "why").record()))
    assert {"name", "ours", "peer", "ratio", "unit"} <= set(record)
    assert record["ours"] is record["peer"] is record["ratio"] is None
    assert record["unmeasured"] == "why"


def test_gpu_rows_are_unmeasured_without_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    rows = list(gpu.rows(Settings(quick=True)))
    assert [row.name for row in rows] == ["gpu_small"]
    assert all("unmeasured: no GPU here" in line_of(row) for row in rows)


def test_peak_counts_what_was_let_go_of():
    def work():
        torch.ones(16 * 2**20)  # 64 MiB: what malloc may have kept of earlier tests has at most 32 a piece

    assert 62 < measure.peak_of(work)["added"] < 96


def test_products_of_a_linear_layer_forward_and_backward():
    layer, x = torch.nn.Linear(5, 7), torch.ones(3, 5, requires_grad=True)
    products = products_of(lambda: layer(x).sum().backward())
    assert products.flops == 3 * (2 * 3 * 5 * 7), "forward, gradient of the weight, of the input"
    with FlopCounterMode(display=False) as counter:
        layer(x).sum().backward()
    assert products.flops == counter.get_total_flops()


def test_products_of_fused_attention_are_its_own():
    q, k, v = (torch.randn(2, 3, length, 16, requires_grad=True) for length in (5, 6, 6))
    forward = 2 * (2 * 2 * 3 * 5 * 6 * 16)
    found = products_of(lambda: torch.nn.functional.scaled_dot_product_attention(q, k, v)).flops
    assert found == forward, "scores and mixture"
    both = products_of(lambda: torch.nn.functional.scaled_dot_product_attention(q, k, v).sum().backward()).flops
    assert both == forward + 5 * forward // 2, "backward: the scores again, gradients of weights, q, k and v"


def test_list_names_all_subjects(capsys):
    assert command.main(["--list"]) == 0
    named = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert named == list(command.SUBJECTS)
    for name in named:
        assert callable(command.importlib.import_module(f"benchmarks.{name}").rows)


def test_unknown_subject_is_one_line(capsys):
    assert command.main(["--only", "nothing"]) == 2
    assert capsys.readouterr().err.startswith("python -m benchmarks: error: `--only` must name some of meta_step,")


def test_subject_that_fails_is_an_unmeasured_row_and_what_it_measured_stays(monkeypatch):
    def rows(settings):
        yield compare("x", "s", [1.0], [1.0])
        raise RuntimeError("no room")

    monkeypatch.setattr(gpu, "rows", rows)
    first, second = command.measure("gpu", Settings())
    assert first.ratio == 1.0
    assert second.unmeasured == "RuntimeError: no room"
