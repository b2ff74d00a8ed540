"""What meta-nmt-adapt from raw text shows and logs of fine-tuning, and what it does with a folder of an earlier run."""

import io
import logging
import shutil
from pathlib import Path

import pytest
from tqdm import tqdm

from data_prep.base.errors import InputError
from meta_nmt.cli import adapt_raw
from meta_nmt.cli.adapt_raw import Bar, Job, logged_to, shown, train
from meta_nmt.cli.adapt_raw_flags import parse_args
from meta_nmt.runs.progress import Progress
from meta_nmt.runs.run_folder import RunFolder
from meta_nmt.translation.translator_folder import TranslatorFolder

REPORTS = [
    Progress("train", 5, {"loss": 8.0, "num_updates": 5.0}),
    Progress("valid", 10, {"loss": 7.0, "bleu": 3.25, "num_updates": 10.0}),
    Progress("test", 10, {"loss": 7.0, "bleu": 99.0, "num_updates": 10.0}),
    Progress("valid", 20, {"loss": 7.0, "bleu": 0.0, "best_bleu": 3.25, "num_updates": 20.0}),
]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_lines_where_there_is_no_terminal(capsys):
    bar = Bar("adapt emb", 20)
    with bar.bar:
        for report in REPORTS:
            bar.show(report)
    assert capsys.readouterr().err.splitlines() == [
        "adapt emb: 10 updates, dev BLEU 3.25", "adapt emb: 20 updates, dev BLEU 0",
    ], "one a validation of the dev set"  # fmt: skip


def test_a_bar_on_a_terminal(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(adapt_raw, "tqdm", lambda **kwargs: tqdm(file=terminal, ncols=120, mininterval=0, **kwargs))
    bar = Bar("adapt emb", 20)
    with bar.bar:
        for report in REPORTS:
            bar.show(report)
    last = terminal.getvalue().rstrip("\n").split("\r")[-1]
    assert "adapt emb: 100%" in last and "20/20" in last and "dev BLEU 0, best 3.25" in last, last


def test_what_fairseq_says_goes_to_the_file_alone(tmp_path, capfd):
    before = logging.getLogger().handlers[:]
    with pytest.raises(KeyError), logged_to(tmp_path / "log.txt"):
        logging.getLogger("fairseq_cli.train").info("begin")
        raise KeyError
    assert "fairseq_cli.train | begin" in (tmp_path / "log.txt").read_text()
    assert logging.getLogger().handlers == before and "begin" not in capfd.readouterr().err


def test_a_fine_tuning_says_its_validations_and_keeps_its_numbers(data, meta, tmp_path, capfd):
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    flags = [str(data), "--checkpoint", str(meta), "--source-lang", "dd", "--train-subset", "train-300-s1"]
    flags += ["--save-dir", str(run), "--max-update", "4", "--save-interval-updates", "2", "--num-workers", "0"]
    train([*flags, "--max-tokens", "60"], "adapt emb_enc", run)
    said = capfd.readouterr().err.splitlines()
    assert [line.split(" BLEU")[0] for line in said if line.startswith("adapt ")] == [
        "adapt emb_enc: 2 updates, dev", "adapt emb_enc: 4 updates, dev",
    ]  # fmt: skip
    assert "| INFO |" not in "".join(said) and '"valid_bleu"' in run.log.read_text()
    assert run.training_log.read_text().count('"bleu"') == 2, "the numbers are kept in this log format too"


def test_what_a_terminal_would_obey_is_not_shown():
    lines = list(shown([("Ea", "a\x1b[2Jb", "She")]))
    assert lines == ["source:      Ea", "translation: a\N{REPLACEMENT CHARACTER}[2Jb", "reference:   She"]


@pytest.fixture
def job(tmp_path, monkeypatch):
    """Runs the command up to its steps, which are only noted: a function of more flags, that returns what they saw."""
    (tmp_path / "yo-en.tsv").write_text("".join(f"a{i}\tb{i}\n" for i in range(60)))
    (tmp_path / "meta.pt").write_text("x")
    monkeypatch.setattr(Job, "estimate", lambda self, pairs_of: "about a minute")
    monkeypatch.setattr(Job, "warnings", lambda self: ["warning: poor"])

    def run(*flags, steps=lambda job: None):
        argv = ["--pairs", "yo-en.tsv", "--checkpoint", "meta.pt", "--out", "out", "--source-lang", "yo", *flags]
        worked = []

        def work(self, pairs_of):
            worked.append(sorted(path.name for path in self.work.path.iterdir()))
            steps(self)
            (self.work.path / "runs").mkdir(exist_ok=True)
            (self.work.path / "runs/log").touch()
            for path in (TranslatorFolder(self.out).record, TranslatorFolder(self.out).card):
                path.touch()
            return ["verdict: none"]

        monkeypatch.setattr(Job, "steps", work)
        Job(parse_args(argv), "command", tmp_path, "en").run()
        return worked

    monkeypatch.chdir(tmp_path)
    return run


def files(folder):
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_of_other_files_or_flags_is_refused_and_kept(job, tmp_path, capsys):
    assert job() == [["job.json"]]
    made = files(tmp_path)
    assert job() == [] and files(tmp_path) == made
    said = capsys.readouterr().err.splitlines()
    use = "a file: meta-nmt-translate --model out < text.yo; a page: meta-nmt-serve out"
    assert said[-4:] == ["out: finished before, from the same files and flags", "verdict: none", "warning: poor", use]
    with pytest.raises(InputError, match="other: --seed.*--force"):
        job("--seed", "2")
    (tmp_path / "mono.txt").write_text("x")
    with pytest.raises(InputError, match="other: --mono"):
        job("--mono", "mono.txt")
    assert {name: files(tmp_path)[name] for name in made} == made, "nothing is wiped"
    assert job("--seed", "2", "--force") == [["job.json"]], "with --force all starts afresh"
    assert job("--seed", "2", "--force") == [], "and is finished then"


def test_killed_at_any_point_of_clearing_a_rerun_goes_on(job, tmp_path, monkeypatch):
    """After every removal of a file, and after every record, the run is killed; the folder is never refused after."""

    class Killed(BaseException):
        pass

    moments = []

    def killing(function):
        def step(*args, **kwargs):
            function(*args, **kwargs)
            moments.append(function)
            if len(moments) == last:
                raise Killed

        return step

    for last in range(1, 20):
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        job()
        moments.clear()
        with monkeypatch.context() as patched:
            patched.setattr(adapt_raw, "write_json", killing(adapt_raw.write_json))
            patched.setattr(adapt_raw.shutil, "rmtree", killing(shutil.rmtree))
            patched.setattr(Path, "unlink", killing(Path.unlink))
            try:
                job("--seed", "2", "--force", steps=lambda job: 1 / 0)
            except ZeroDivisionError:
                break
            except Killed:
                record, card = (tmp_path / "out" / name for name in ("translator.json", "MODEL_CARD.md"))
                assert card.exists() or not record.exists(), "no record of a translator that is not whole"
        assert job("--seed", "2", "--force") == [["job.json"]], f"killed after step {last}, it starts from nothing"
    assert last >= 5, "the record, translator.json, the card, runs/, the record"


def test_files_of_others_are_never_removed(job, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/translator.json").touch()
    with pytest.raises(InputError, match="holds translator.json"):
        job()
    assert job("--force") == [["job.json"]], "a translator without a record of this command"
    shutil.rmtree(tmp_path / "out/work")
    (tmp_path / "out/precious.txt").touch()
    with pytest.raises(InputError, match="holds precious.txt"):
        job("--force")
