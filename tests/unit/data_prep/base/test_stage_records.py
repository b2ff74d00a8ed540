"""Stages are done again when anything changed, and a killed run ends as if nothing had happened."""

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from data_prep.base import stage_records
from data_prep.base.errors import InputError
from data_prep.base.files import remove_partial, sole_writer
from data_prep.base.stage_records import code_hash, run_stage
from meta_nmt.cli.preprocess import main

REPO = Path(__file__).parents[4]
WORDS = [a + b for a in ("ka", "lo", "mi", "ru") for b in ("nda", "fter", "wing", "pose", "gri")]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    rng = random.Random(1)
    for lang in ("aa", "tt"):
        lines = [" ".join(rng.choices(WORDS, k=rng.randint(3, 7))) for _ in range(120)]
        (folder / f"{lang}-en.tsv").write_text(
            "".join(f"{lang[0]}{line.replace(' ', f' {lang[0]}')}\t{line}\n" for line in lines)
        )
    return folder


def command(corpus: Path, out: Path, *more: str) -> list[str]:
    flags = {
        "corpus": corpus, "out": out, "source-langs": "aa", "target-langs": "tt", "hold-out-last": "10,10",
        "english-tokens": "100", "sample-seeds": "1,2", "vocab-size": "60", "vector-dim": "8", "workers": "1",
    }  # fmt: skip
    return [*(str(item) for name, value in flags.items() for item in (f"--{name}", value)), *more]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def made_again(before: dict[str, int], folder: Path) -> set[str]:
    """Stages whose records were written since ``before``."""
    return {name for name, written in records(folder).items() if before.get(name) != written}


def records(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*.stage.json")}


@pytest.fixture(scope="module")
def whole(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a run that nobody disturbs makes."""
    out = tmp_path_factory.mktemp("whole") / "data"
    assert main(command(corpus, out)) == 0
    return contents(out)


def run_and_be_killed(argv: list[str], moment: int, before: bool) -> None:
    """Run, and be killed at the ``moment``-th file that is put into place, before or after that."""
    count, replace = 0, os.replace

    def counted(*paths: Path) -> None:
        nonlocal count
        count += 1
        if count == moment and before:
            os.kill(os.getpid(), signal.SIGKILL)
        replace(*paths)
        if count == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    os.replace = counted  # type: ignore[assignment]
    sys.exit(main(argv))


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_again_and_again_it_ends_the_same(
    corpus: Path, whole: dict[str, bytes], tmp_path: Path, seed: int
) -> None:
    rng, out = random.Random(seed), tmp_path / "data"
    kills = 0
    while True:
        arguments = (command(corpus, out), rng.randint(2, 25), rng.random() < 0.5)
        process = multiprocessing.get_context("fork").Process(target=run_and_be_killed, args=arguments)
        process.start()
        process.join()
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL, f"ended with {process.exitcode}"
        kills += 1
        assert kills < 100, "it never gets anywhere"
    assert kills >= 4, "the test must disturb it"
    assert contents(out) == whole, "the folder must be what an undisturbed run makes, byte for byte"


@pytest.mark.slow
def test_killed_from_outside_with_workers_it_ends_the_same(
    corpus: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    rng, out = random.Random(3), tmp_path / "data"
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    argv = [sys.executable, "-m", "meta_nmt.cli.preprocess", *command(corpus, out, "--workers", "2")]
    start = time.monotonic()
    subprocess.run(argv, env=environment, check=True)
    whole_run = time.monotonic() - start
    assert contents(out) == whole, "two workers make the same"
    subprocess.run(["rm", "-r", str(out)], check=True)
    for _ in range(4):
        with subprocess.Popen(argv, env=environment, stderr=subprocess.DEVNULL) as process:
            time.sleep(rng.uniform(0.3, 0.9) * whole_run)
            process.kill()  # the workers must end by themselves
    assert subprocess.run(argv, env=environment).returncode == 0, "it must go on"
    assert contents(out) == whole, "the folder must be what an undisturbed run makes, byte for byte"


@pytest.fixture
def data(corpus: Path, whole: dict[str, bytes], tmp_path: Path) -> Path:
    for name, content in whole.items():
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_bytes(content)
    return tmp_path / "data"


def test_an_option_redoes_what_depends_on_it(corpus: Path, data: Path) -> None:
    before = records(data)
    assert main(command(corpus, data, "--universal-tokens", "20")) == 0
    assert made_again(before, data) == {"lang/en/universal.stage.json"}, "keys alone"
    before = records(data)
    assert main(command(corpus, data, "--universal-tokens", "20", "--length-ratio", "5")) == 0
    assert {name.split("/")[-1] for name in made_again(before, data)} >= {"text.stage.json"}, "cleaning"
    assert "bin/aa-en.stage.json" not in made_again(before, data), "the same text is not binarised again"


def test_an_input_redoes_what_depends_on_it(corpus: Path, data: Path, tmp_path: Path) -> None:
    own, before = tmp_path / "corpus", records(data)
    own.mkdir()
    for path in corpus.iterdir():
        (own / path.name).write_bytes(path.read_bytes())
    with open(own / "aa-en.tsv", "a") as file:
        file.write("akanda alofter amiwing\tkanda lofter miwing\n")
    assert main(command(own, data)) == 0
    again = made_again(before, data)
    assert {"text/aa-en/text.stage.json", "work/mono/aa.stage.json", "work/mono/en.stage.json"} <= again, again
    assert not {"text/tt-en/text.stage.json", "work/mono/tt.stage.json"} & again, "the other language is not"


def test_code_redoes_what_depends_on_it(corpus: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, before = stage_records.source_of, records(data)
    edited: Callable[[str], str] = lambda module: read(module) + "# new\n" * (module == "data_prep.packs.binarise")  # noqa: E731
    monkeypatch.setattr(stage_records, "source_of", edited)
    assert main(command(corpus, data)) == 0
    again = made_again(before, data)
    assert {name for name in again if "audit" not in name} == {"bin/aa-en.stage.json", "bin/tt-en.stage.json"}, again


TEXT = "data_prep.cleaning.text"
REACHED = {
    "data_prep.corpora.readers": True, "data_prep.base.workers": True, "data_prep.packs.align": False,
    "data_prep.pipeline.prepare": False,
}  # fmt: skip


def test_code_hash_follows_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    text = code_hash([TEXT])
    read = stage_records.source_of
    for module, reaches in REACHED.items():
        monkeypatch.setattr(stage_records, "source_of", lambda name, m=module: read(name) + "# new\n" * (name == m))
        assert (code_hash([TEXT]) != text) == reaches, f"text.py depends on {module}: {reaches}"
        assert code_hash([TEXT], ["data_prep.pipeline.prepare"]) != text, "and on what is named beside it"


def test_what_is_made_no_more_is_removed_and_nothing_else(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    folder = tmp_path / "data"

    def stage(*names: str) -> bool:
        files = [folder / name for name in names]
        return run_stage(
            folder / "x.stage.json", lambda: [path.write_text("new") for path in files] and None,
            inputs=[], outputs=files, options={"names": names},
        )  # fmt: skip

    folder.mkdir()
    assert stage("a", "b") and stage("b", "c"), "both run"
    assert sorted(path.name for path in folder.iterdir()) == ["b", "c", "x.stage.json"], "a is gone"
    record = json.loads((folder / "x.stage.json").read_text())
    record["outputs"]["../outside"] = ""
    (folder / "x.stage.json").write_text(json.dumps(record))
    assert stage("c") and outside.read_text() == "mine", "a record must not reach outside"
    assert sorted(path.name for path in folder.iterdir()) == ["c", "x.stage.json"], "b is gone"


def test_an_unfinished_stage_is_said(tmp_path: Path) -> None:
    def fails() -> None:
        raise OSError("no space")

    with pytest.raises(OSError):
        run_stage(tmp_path / "x.stage.json", fails, inputs=[], outputs=[], options={})
    with pytest.raises(InputError, match="was not finished"):
        stage_records.main([str(tmp_path)])


def test_why_a_stage_runs_is_returned(tmp_path: Path) -> None:
    given, made, record = tmp_path / "given", tmp_path / "made", tmp_path / "x.stage.json"

    def stage(option: int = 1, code: str = "a") -> tuple[str, ...]:
        def work() -> None:
            made.write_text("made")

        return run_stage(record, work, inputs=[given], outputs=[made], options={"option": option}, code=code)

    given.write_text("1")
    assert stage() == ("new",) and stage() == (), "nothing where it is up to date"
    given.write_text("2")
    assert stage() == ("inputs changed",)
    assert stage(option=2) == ("options changed",)
    assert stage(option=2, code="b") == ("code changed",)
    assert stage(option=3, code="c") == ("options changed", "code changed"), "all that no longer holds"
    changed = json.loads(record.read_text())
    record.write_text(json.dumps(changed | {"versions": {"python": "2"}}))
    assert stage(option=3, code="c") == ("versions changed",)
    made.write_text("damaged")
    assert stage(option=3, code="c") == ("outputs changed",)
    made.unlink()
    assert stage(option=3, code="c") == ("outputs changed",), "a missing one too"
    for content in ('{"unfinished": ["made"]}', "damaged", "[]", '{"outputs": 5}'):
        record.write_text(content)
        assert stage(option=3, code="c") == ("unfinished",), content
    assert stage(option=3, code="c") == ()


def test_why_stages_run_is_said(
    corpus: Path, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(corpus, data)) == 0
    said = capsys.readouterr().err
    assert "0 made, 2 up to date" in said and "1 made" not in said, said
    assert "another version" not in said, f"the same code made it (is stages.WORKING complete?): {said}"
    (data / "bin/aa-en.stage.json").unlink()
    (data / "lang/tt/vectors.npy").write_text("damaged")
    assert main(command(corpus, data, "--length-ratio", "5")) == 0
    said = capsys.readouterr().err
    assert "2 made (options changed: 2), 0 up to date" in said, f"cleaning: {said}"
    assert "1 made (outputs changed: 1), 1 up to date" in said, f"alignment: {said}"
    assert "1 made (new: 1), 1 up to date" in said, f"binarised data: {said}"
    read = stage_records.source_of
    monkeypatch.setattr(stage_records, "source_of", lambda name: read(name) + "# new\n" * (name == STAGES))
    assert main(command(corpus, data, "--length-ratio", "5")) == 0
    said, stages = capsys.readouterr().err, len(records(data))
    assert f"{data}: {stages} of {stages} finished stages were made by another version of the code" in said, said
    assert "2 made (code changed: 2), 0 up to date" in said, said


STAGES = "data_prep.pipeline.stages"


def test_partial_files_are_removed_and_others_stay(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/.train.en.x1.partial").write_text("half")
    (tmp_path / ".bin.y.partial").mkdir()
    (tmp_path / ".bin.y.partial/file").write_text("half")
    (tmp_path / "a/train.partial").write_text("mine")
    remove_partial(tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "train.partial"], "only what atomic writes leave"


def test_one_run_at_a_time(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").mkdir()
    with sole_writer(tmp_path / "data"):
        assert main(command(corpus, tmp_path / "data")) == 2, "a second run must be refused"
    assert "another run is writing to this folder" in capsys.readouterr().err, "and told why"
    assert not list((tmp_path / "data").iterdir()), "nothing may be written"
