"""The few-shot benchmark: its tasks, its stacks of tasks, its rows and its errors."""

import hashlib
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from benchmarks.few_shot import data, peer, run
from benchmarks.few_shot.data import Batch, Characters, Sinusoids, moved, read_omniglot
from benchmarks.few_shot.models import ConvNet, Regressor, stack
from benchmarks.few_shot.plans import OMNIGLOT, SINUSOID
from benchmarks.few_shot.run import save_row
from data_prep.base.errors import InputError
from meta_nmt.meta_learners import Episode
from meta_nmt.meta_learners.inner_loop import SGD

REAL = Path(__file__).parents[3].parent / "shared" / "data" / "omniglot"
ROW_KEYS = {"learner", "task", "ways", "shots", "ci95", "seed", "seconds"}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def images(classes=6, drawings=12):
    """Each drawing's first pixel says which one it is."""
    drawn = torch.rand(classes, drawings, 28, 28, generator=generator())
    drawn[:, :, 0, 0] = torch.arange(classes * drawings).view(classes, drawings).float()
    return drawn


def test_characters_support_and_query_share_classes_but_no_drawing():
    support, query = Characters(images(), ways=3, shots=2, queries=4).draw(5, generator())
    assert support.inputs.shape == (5, 6, 28, 28) and query.inputs.shape == (5, 12, 28, 28)
    for task in range(5):
        seen, asked = (batch.inputs[task, :, 0, 0] for batch in (support, query))
        assert not set(seen.tolist()) & set(asked.tolist()), "a drawing is in both"
        for way in range(3):
            classes = {int(x) // 12 for x in [*seen[support.targets[task] == way], *asked[query.targets[task] == way]]}
            assert len(classes) == 1, f"label {way} names {len(classes)} characters"


def test_sinusoids_are_the_papers():
    support, query = Sinusoids(shots=10, queries=200).draw(50, generator())
    x, y = (torch.cat(parts, 1) for parts in zip(support[:2], query[:2], strict=True))
    assert x.abs().max() <= 5 and y.abs().max() <= 5
    # every task is one sinusoid of period 2 pi: a combination of sin x and cos x, with nothing left over
    basis = torch.cat((x.sin(), x.cos()), 2)
    fitted = basis @ torch.linalg.lstsq(basis, y).solution
    torch.testing.assert_close(fitted, y, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["fomaml", "maml", "reptile", "anil", "meta_sgd"])
def test_an_episode_over_a_stack_is_the_episodes_of_its_tasks(name):
    network = ConvNet(outputs=3, filters=4)
    theta = {n: p.detach().double() for n, p in network.start(generator()).items()}
    theta["head.weight"] += torch.randn(theta["head.weight"].shape, generator=generator(), dtype=torch.float64)
    support, query = (
        Batch(batch.inputs.double(), batch.targets) for batch in Characters(images(), 3, 2, 4).draw(3, generator())
    )
    learner = run.make_learner(name, SGD(0.1), stack(theta, 1)).double()

    def gradients(tasks):
        copies = stack(theta, len(range(3)[tasks]))
        sides = [[Batch(b.inputs[tasks], b.targets[tasks])] * n for b, n in ((support, 2), (query, 1))]
        return learner.episode(Episode(network.loss, copies, list(copies), *sides)).gradients

    whole, singles = gradients(slice(0, 3)), [gradients(slice(n, n + 1)) for n in range(3)]
    assert set(whole) == set(singles[0])
    for key, gradient in whole.items():
        parts = [single[key] for single in singles]
        expected = torch.cat(parts) if key in theta else sum(parts)  # a learner's own parameters have no copies
        torch.testing.assert_close(gradient, expected, rtol=1e-9, atol=1e-12, msg=lambda m, key=key: f"{key}: {m}")


def test_statistics_of_the_support_set_alone():
    network = ConvNet(outputs=3, filters=4)
    theta = stack(network.start(generator()), 2)
    with torch.no_grad():
        theta["head.weight"].normal_(generator=generator())
    support, query = Characters(images(), 3, 2, 4).draw(2, generator())
    whole = network(theta, query.normalised_by(support))
    assert whole.shape == (2, 12, 3), "one prediction for each query image, none for the support's"
    first = Batch(query.inputs[:, :1], query.targets[:, :1])
    torch.testing.assert_close(network(theta, first.normalised_by(support)), whole[:, :1], rtol=1e-4, atol=1e-5)
    own = network(theta, query)
    assert (own - whole).abs().max() > 0.01, "the query's own statistics must differ"
    both = Batch(support.inputs, support.targets).normalised_by(support)
    torch.testing.assert_close(network(theta, both), network(theta, support), rtol=1e-4, atol=1e-4)


def test_remembered_moments_are_those_of_the_drawings():
    network = ConvNet(outputs=3, filters=4)
    theta = network.start(generator())
    with torch.no_grad():
        theta["head.weight"].normal_(generator=generator())
    drawn = images().flatten(0, 1)[None]
    own = Batch(drawn, torch.zeros(1, drawn.shape[1], dtype=torch.long))
    remembering = network.remember(theta, drawn)
    expected = network(stack(theta, 1), own)
    torch.testing.assert_close(remembering(stack(theta, 1), own), expected, rtol=1e-3, atol=1e-4)
    pair = Batch(drawn[:, :2].expand(2, -1, -1, -1), own.targets[:, :2].expand(2, -1))
    torch.testing.assert_close(
        remembering(stack(theta, 2), pair), expected[:, :2].expand(2, -1, -1), rtol=1e-3, atol=1e-4
    )


def test_jitter_moves_each_drawing_by_itself_and_blanks_the_rest():
    still = torch.zeros(30, 28, 28)
    still[:, 10, 12] = 1
    drawn = moved(still.view(5, 6, 28, 28), 2, generator()).view(30, 28, 28)
    places = {tuple(image.nonzero()[0].tolist()) for image in drawn}
    assert drawn.sum() == 30 and len(places) > 10, "each of 30 drawings has one dot, in one of 25 places"
    assert all(8 <= row <= 12 and 10 <= column <= 14 for row, column in places)
    assert moved(torch.ones(40, 28, 28), 2, generator()).amin() == 0, "what comes in from outside is blank"


def archive(folder, name, characters):
    """A zip laid out as Omniglot's; each drawing a square of ink in the upper left corner."""
    with zipfile.ZipFile(folder / name, "w") as file:
        for character in characters:
            for n in range(2):
                image = Image.new("1", (105, 105), 1)
                image.paste(0, (0, 0, 50, 50))
                buffer = io.BytesIO()
                image.save(buffer, "PNG")
                file.writestr(f"{Path(name).stem}/{character}/{n:04}_01.png", buffer.getvalue())
    return hashlib.sha256((folder / name).read_bytes()).hexdigest()


@pytest.fixture
def omniglot(tmp_path, monkeypatch):
    names = list(data.ARCHIVES)
    small1 = ["Greek/character01", "Greek/character02", "Early_Aramaic/character01", "Korean/character01"]
    small2 = ["Greek/character01", "Tagalog/character01", "Sanskrit/character01"]
    sums = {name: archive(tmp_path, name, c) for name, c in zip(names, (small1, small2), strict=True)}
    monkeypatch.setattr(data, "ARCHIVES", sums)
    return tmp_path


def test_split_of_omniglot(omniglot):
    sides = read_omniglot(omniglot)
    assert {side: len(drawings) for side, drawings in sides.items()} == {"train": 24, "valid": 1, "test": 2}
    upright, quarter = sides["train"][0, 0], sides["train"][3, 0]
    assert upright[2, 2] > 0.9 and upright[-3:].abs().max() < 0.1, "ink is 1, paper 0, and the image is upright"
    assert torch.equal(quarter, torch.rot90(upright)), "a class for each quarter turn"
    assert torch.equal(sides["train"][12, 0], upright.flip(1)), "and for the mirror images"


def test_real_omniglot_has_the_classes_of_its_readme():
    if not REAL.is_dir():
        pytest.skip(f"no Omniglot at {REAL}")
    shapes = {side: tuple(drawings.shape) for side, drawings in read_omniglot(REAL).items()}
    assert shapes == {"train": (912, 20, 28, 28), "valid": (22, 20, 28, 28), "test": (106, 20, 28, 28)}


def test_another_archive_is_refused(omniglot):
    name = next(iter(data.ARCHIVES))
    with open(omniglot / name, "ab") as file:
        file.write(b"x")
    with pytest.raises(InputError, match=rf"{name}: sha256 must be \w+, but is \w+"):
        read_omniglot(omniglot)


@pytest.mark.parametrize("name", SINUSOID)
def test_every_system_gives_a_row(name, tmp_path, capsys):
    path = tmp_path / "rows.json"
    arguments = ["--task", "sinusoid", "--learner", name, "--steps", "3", "--episodes", "30", "--json", str(path)]
    assert run.main(arguments) == 0
    (row,) = json.loads(path.read_text())
    assert ROW_KEYS | {"mse"} <= set(row), f"missing: {ROW_KEYS | {'mse'} - set(row)}"
    assert (row["learner"], row["task"], row["shots"], row["seed"]) == (name, "sinusoid", 10, 1)
    assert row["mse"] > 0 and row["ci95"] > 0
    assert json.loads(capsys.readouterr().out) == row


def test_meta_training_lowers_the_error():
    setting = run.sinusoid_setting(10)
    plan = SINUSOID["maml"]
    before, after = (run.run("maml", replace(plan, updates=updates), setting, 1, 96)[0]["mse"] for updates in (1, 150))
    assert after < 0.9 * before, f"{before} before, {after} after"


@pytest.mark.parametrize("name", ["maml", "lstm", "joint"])
def test_omniglot_runs_end_to_end(name, omniglot, monkeypatch, capsys):
    drawn = {side: images(8, 20) for side in ("train", "valid", "test")}
    monkeypatch.setattr(run, "read_omniglot", lambda folder: drawn)
    monkeypatch.setattr(run, "VALIDATION_EPISODES", 4)
    start = "joint" if name == "lstm" else "random"
    monkeypatch.setitem(OMNIGLOT, "joint", replace(OMNIGLOT["joint"], updates=2, test_steps=(2,)))
    arguments = [
        "--learner",
        name,
        "--start",
        start,
        "--steps",
        "2",
        "--episodes",
        "6",
        "--filters",
        "4",
        "--data",
        str(omniglot),
    ]
    assert run.main(arguments) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["statistics"] for row in rows] == ["query", "support"] + ["running"] * (name == "joint")
    for row in rows:
        assert 0 <= row["accuracy"] <= 100 and (row["ways"], row["shots"]) == (5, 1)


def test_the_validation_split_never_looks_at_a_test_task(omniglot, monkeypatch, capsys):
    drawn = {"train": images(8, 20), "valid": images(8, 20), "test": torch.empty(0, 20, 28, 28)}
    monkeypatch.setattr(run, "read_omniglot", lambda folder: drawn)
    arguments = ["--learner", "fomaml", "--steps", "2", "--episodes", "72", "--filters", "4", "--data", str(omniglot)]
    assert run.main([*arguments, "--split", "valid"]) == 0, "there are no test tasks to look at"
    for row in map(json.loads, capsys.readouterr().out.splitlines()):
        assert row["split"] == "valid" and row["accuracy"] == row["valid"], "the same 72 tasks chose the inner steps"


def test_the_command_line_sets_the_plan():
    flags = {"--steps": 7, "--lr": 0.5, "--tasks": 3, "--inner-lr": 0.25, "--inner-steps": 2}
    words = [word for flag, value in flags.items() for word in (flag, str(value))]
    args = run.parse(["--learner", "maml", *words, "--train-statistics", "support"])
    expected = {"updates": 7, "lr": 0.5, "tasks": 3, "stacked": 3, "rule": SGD(0.25), "steps": 2}
    assert run.plan_of(args, "maml") == replace(OMNIGLOT["maml"], **expected, statistics="support")
    assert run.plan_of(args, "scratch-sgd") == OMNIGLOT["scratch-sgd"], "it is not trained"


def test_a_row_takes_the_place_of_the_same_run(tmp_path):
    path = tmp_path / "rows.json"
    run = {"learner": "maml", "task": "omniglot", "ways": 5, "shots": 1, "filters": 16, "start": "random", "seed": 1}
    for row in ({**run, "accuracy": 1.0}, {**run, "seed": 2, "accuracy": 2.0}, {**run, "accuracy": 3.0}):
        save_row(path, row)
    assert [(row["seed"], row["accuracy"]) for row in json.loads(path.read_text())] == [(2, 2.0), (1, 3.0)]
    assert [p.name for p in tmp_path.iterdir()] == ["rows.json"], "something half-written is left"


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--shots", "11"], "--shots must be at most 10, since a character has 20 drawings, but is 11"),
        (["--ways", "1"], "--ways must be at least 2, but is 1"),
        (["--learner", "joint", "--start", "joint"], "but has omniglot and joint"),
        (["--lr", "0"], "--lr must be above 0, but is 0"),
        (["--inner-steps", "0"], "--inner-steps must be at least 1, but is 0"),
        (["--learner", "nobody"], "argument --learner: invalid choice: 'nobody'"),
    ],
)
def test_bad_flags_are_one_line(arguments, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        run.main(arguments)
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and message in error and error.count("\n") == 1


@pytest.mark.parametrize("kind", ["missing data", "bad json"])
def test_bad_files_are_one_line(kind, tmp_path, capsys):
    (tmp_path / "rows.json").write_text("{")
    if kind == "missing data":
        arguments, message = (
            ["--data", str(tmp_path)],
            "--data: must be a folder with Omniglot's images_background_small1",
        )
    else:
        arguments = ["--task", "sinusoid", "--learner", "scratch-sgd", "--episodes", "24"]
        arguments, message = [*arguments, "--json", str(tmp_path / "rows.json")], "--json: must name a list of rows"
    assert run.main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert (tmp_path / "rows.json").read_text() == "{", "the file was changed"


def test_the_peer_is_optional(monkeypatch, capsys):
    monkeypatch.setattr(peer.importlib.util, "find_spec", lambda name: None)
    assert peer.main([]) == 0
    assert capsys.readouterr().out == "skipped: learn2learn is not installed\n"


def test_the_peers_network_is_ours():
    network = ConvNet(outputs=5, filters=4)
    theta = network.start(generator())
    with torch.no_grad():
        theta["head.weight"].normal_(generator=generator())
    _, query = Characters(images(), 5, 1, 2).draw(1, generator())
    ours = network(stack(theta, 1), query)[0]
    torch.testing.assert_close(peer.module_of(network, theta)(query.inputs[0, :, None]), ours)


def test_the_regressor_keeps_tasks_apart():
    network = Regressor(hidden=5)
    theta = stack(network.start(generator()), 2)
    with torch.no_grad():
        for name in ("layer2.weight", "layer2.bias"):
            theta[name][1].zero_()
    predicted = network(theta, Batch(torch.ones(2, 4, 1), torch.zeros(2, 4, 1)))
    assert predicted[1].abs().max() == 0 and predicted[0].abs().max() > 0
