"""Every shipped recipe: valid bash that stops at errors, and commands that the real parsers accept."""

import gzip
import importlib
import json
import re
import shlex
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from fairseq import options
from fairseq.models import ARCH_CONFIG_REGISTRY
from run_recipe import REPO, run

from data_prep.__main__ import STAGES as DATA_STAGES
from data_prep.base.errors import InputError
from data_prep.base.text_files import read_lines
from data_prep.cleaning.split import SPLITS_OF_ROLE
from data_prep.corpora.manifest import read_manifest
from data_prep.synthetic.family import main as make_corpora
from meta_nmt.cli import adapt_raw_flags, evaluate
from meta_nmt.evaluation.cells import plan
from meta_nmt.evaluation.experiment import SCRATCH, Experiment, all_systems, parse_experiment
from recipes.real import corpora

SCRIPTS = sorted(path.relative_to(REPO) for path in (REPO / "recipes").rglob("*.sh"))
PEERS_COMMON = Path("recipes/peers/common.sh")
LIBRARIES = {
    Path("recipes/common.sh"), Path("recipes/low_resource.sh"), PEERS_COMMON, Path("recipes/starter/cells.sh")
}  # fmt: skip
INSTALL = Path("recipes/install.sh")
RECIPES = [path for path in SCRIPTS if path not in (*LIBRARIES, INSTALL)]
EVALUATION, REAL = Path("recipes/evaluate.sh"), Path("recipes/real.sh")
EVALUATIONS = (EVALUATION, REAL)  # their trainings and adaptations are jobs of meta-nmt-evaluate
PEERS = Path("recipes/peers.sh")
STARTER_PEER = Path("recipes/starter_peer.sh")  # it reads the folders of the recipes of the starter
STOCK = (PEERS, STARTER_PEER)  # stock fairseq
ABLATION = Path("recipes/ablation.sh")
AUTHORS = Path("recipes/authors.sh")
STARTER_SCORES = Path("recipes/starter_scores.sh")
STARTER = (Path("recipes/starter.sh"), STARTER_SCORES)  # they read packs of their own
ON_REAL = (PEERS, ABLATION, AUTHORS)  # they read the data folder of the real recipe
OURS = [path for path in RECIPES if path not in STOCK]
WITHOUT_TARGETS = (*EVALUATIONS, *STARTER, ABLATION, AUTHORS)
TARGET_RECIPES = [path for path in OURS if path.name != "meta_train.sh" and path not in WITHOUT_TARGETS]
OFFLINE = (Path("recipes/quickstart.sh"), EVALUATION)  # they generate what they need
OF_OTHER_FOLDERS = (*OFFLINE, REAL, *STARTER, STARTER_PEER, *ON_REAL)
TATOEBA, BIBLE, PAPER = Path("recipes/tatoeba"), Path("recipes/bible"), Path("recipes/paper")
PROMISED = {
    *OFFLINE, REAL, *ON_REAL, TATOEBA / "meta_train.sh", BIBLE / "meta_train.sh",
    PAPER / "meta_train.sh",
    *(family / f"{code}-en.sh" for family in (TATOEBA, PAPER) for code in ("ro", "lv", "fi", "ko", "tr")),
    *(BIBLE / f"{code}-en.sh" for code in ("ro", "lv", "fi", "ko")),
}  # fmt: skip


@cache
def commands(recipe: Path, folder: Path) -> list[list[str]]:
    """Every command of a recipe, as its dry run prints them."""
    done = run(
        recipe,
        folder,
        DRY_RUN="1",
        CORPUS=str(folder),
        PACKS=str(folder),
        DICTIONARIES=str(folder),
        OUTPUTS=f"{folder}/outputs",
    )
    assert done.returncode == 0, f"{recipe}: {done.stderr}"
    return [shlex.split(line.removeprefix("+ ")) for line in done.stdout.splitlines() if line.startswith("+ ")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corpus")


@cache
def parser(command: tuple[str, ...]) -> Callable[[Sequence[str]], Any]:
    if command[0] == "python":
        module = f"data_prep.{DATA_STAGES[command[3]][0]}" if command[2] == "data_prep" else command[2]
        return importlib.import_module(module).parse_args
    name = command[0].removeprefix("meta-nmt-").replace("-", "_")
    return importlib.import_module(f"meta_nmt.cli.{name}").parse_args


def test_the_promised_recipes_are_there() -> None:
    assert set(RECIPES) >= PROMISED, f"missing: {sorted(map(str, PROMISED - set(RECIPES)))}"


@pytest.mark.parametrize("script", SCRIPTS, ids=str)
def test_scripts_are_valid_bash_and_stop_at_errors(script: Path) -> None:
    done = subprocess.run(["bash", "-n", str(REPO / script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if script not in LIBRARIES:
        lines = [line for line in (REPO / script).read_text("utf-8").splitlines() if not line.startswith("#")]
        assert lines[0] == "set -euo pipefail", f"{script} must stop at errors from its first line on"


@pytest.mark.parametrize("recipe", STOCK, ids=str)
def test_the_peer_is_stock_fairseq(recipe: Path, folder: Path) -> None:
    """Ours are only the commands that write its text, measure its runs, and read its translations."""
    of_the_script = set()
    for command in commands(recipe, folder):
        if command[0] == "python":
            assert command[2] in ("recipes.peers.plain", "recipes.peers.compare")
            parser(tuple(command[:3]))(command[3:])
        if command[0] == "meta-nmt-report":
            parser(("meta-nmt-report",))(command[1:])
        of_the_script |= {command[0]} - {"fairseq-preprocess", "python", "meta-nmt-report"}
    assert of_the_script == {"go_on", "tune", "translate"}
    texts = "\n".join((REPO / path).read_text("utf-8") for path in (recipe, PEERS_COMMON))
    called = re.findall(r"^\s*(?:run )?(meta-nmt-[a-z-]+)", texts, re.MULTILINE)
    assert called == (["meta-nmt-report"] if recipe == STARTER_PEER else [])


@pytest.mark.parametrize("recipe", [REPO / "recipes/real/best.yaml", REPO / "recipes/starter.sh"], ids=lambda p: p.name)
def test_the_peer_has_our_sizes(recipe: Path) -> None:
    """Those of the architecture that is trained beside it: what is compared is not the size."""
    (arch,) = re.findall(r"(?:^arch:|--arch) (\w+)", recipe.read_text("utf-8"), re.MULTILINE)
    ours = Namespace()
    ARCH_CONFIG_REGISTRY[arch](ours)
    sizes = re.findall(r"--((?:en|de)coder-[a-z-]+) (\d+)", (REPO / PEERS_COMMON).read_text("utf-8"))
    assert len(sizes) == 8
    for name, size in sizes:
        assert int(size) == getattr(ours, name.replace("-", "_")), name


def test_stock_fairseq_knows_the_flags_of_the_peer(tmp_path: Path) -> None:
    for flags in ("TRAIN", "TUNE"):
        printed = run(f"source recipes/common.sh; source {PEERS_COMMON}; printf '%s\\n' \"${{{flags}[@]}}\"", REPO)
        assert printed.returncode == 0, printed.stderr
        given = [*printed.stdout.splitlines(), "--lr", "1", "--save-dir", str(tmp_path), str(tmp_path)]
        args = options.parse_args_and_arch(options.get_training_parser(), given)
        assert args.arch == "transformer" and args.task == "translation" and args.share_all_embeddings


def test_the_starter_and_its_peer_are_tested_alike(folder: Path) -> None:
    """Starter and peer have the same pairs, test sets, seeds and tokens; the peer has no other text."""
    scored = {
        (value(command, "--source-lang"), command[1], value(command, "--seed"), value(command, "--english-tokens"))
        for command in commands(STARTER_SCORES, folder)
        if command[0] == "meta-nmt-generate"
    }
    of_peer = commands(STARTER_PEER, folder)
    translated = {
        (lang, data, seed, tokens)
        for _, _, _, _, data, lang, seed, tokens, _ in (command for command in of_peer if command[0] == "translate")
    }
    assert translated == scored and len(scored) == 12 * 5
    (text,) = (command for command in of_peer if command[2:4] == ["recipes.peers.plain", "text"])
    args = parser(tuple(text[:3]))(text[3:])
    training, ending = ([*command] for command in commands(STARTER[0], folder) if command[0] == "meta-nmt-train")
    updates = [int(value(command, "--max-update")) for command in (training, ending)]
    batch = int(value(training, "--meta-batch-size")) * sum(
        int(value(training, f"--{name}-tokens")) for name in ("support", "query")
    )
    assert args.by_english and args.tokens == sum(updates) * batch
    assert args.temperature == float(value(training, "--sampling-temperature"))
    assert not args.targets and args.byte_fallback, "the vocabulary knows no language that it is tested on"
    stem, whole = (int(value(command, "--max-update")) for command in of_peer if command[0] == "go_on")
    assert stem == whole * 7 // 10
    tuned = {command[3]: int(command[5]) for command in of_peer if command[0] == "tune"}
    assert {name: updates for name, updates in tuned.items() if name.startswith("ko-")} == {
        "ko-600-s1": 1200, "ko-600-s2": 1200, "ko-600-s3": 1200, "ko-100-s1": 300, "ko-2000-s1": 1200
    }  # fmt: skip


@pytest.mark.parametrize("recipe", OURS, ids=str)
def test_the_real_parsers_accept_every_command(recipe: Path, folder: Path) -> None:
    names = set()
    for command in commands(recipe, folder):
        split = 1 if command[0] != "python" else 4 if command[2] == "data_prep" else 3
        try:
            raw = command[0] == "meta-nmt-adapt" and adapt_raw_flags.asked_for(command)
            parse = adapt_raw_flags.parse_args if raw else parser(tuple(command[:split]))
            parse(command[split:])
        except SystemExit as stop:
            pytest.fail(f"{recipe}: {shlex.join(command)} is refused with status {stop.code}")
        names.add(command[0])
    if recipe == STARTER_SCORES:  # it trains no model
        return
    assert ("meta-nmt-evaluate" if recipe in EVALUATIONS else "meta-nmt-train") in names, f"{recipe} trains"
    assert recipe in (ABLATION, AUTHORS) or "meta-nmt-preprocess" in names, f"{recipe} prepares"
    if recipe in TARGET_RECIPES:
        assert {"meta-nmt-adapt", "meta-nmt-generate", "meta-nmt-report", "meta-nmt-export"} <= names, (
            f"{recipe} adapts, reports and exports"
        )


def value(command: Sequence[str], flag: str) -> str:
    return command[command.index(flag) + 1]


@pytest.mark.parametrize("recipe", TARGET_RECIPES, ids=str)
def test_targets_are_held_out_and_samples_exist(recipe: Path, folder: Path) -> None:
    by_name: dict[str, list[list[str]]] = {}
    for command in commands(recipe, folder):
        by_name.setdefault(command[0], []).append(command)
    (prepare,) = by_name["meta-nmt-preprocess"]
    held_out = value(prepare, "--target-langs").split(",")
    sizes, seeds = (value(prepare, flag).split(",") for flag in ("--english-tokens", "--sample-seeds"))
    own_sizes = dict(item.split("=") for flag, item in pairwise(prepare) if flag == "--english-tokens-of")
    for command in by_name["meta-nmt-train"]:
        trained_on = value(command, "--source-langs").split(",")
        assert not set(trained_on) & {*held_out, value(command, "--valid-langs")}, "a held-out language is trained on"
        assert value(prepare, "--source-langs").split(",") == trained_on, "prepared and trained languages differ"
    # the starter's language is in no text of the recipe
    adapted = [command for command in by_name["meta-nmt-adapt"] if not adapt_raw_flags.asked_for(command)]
    for command in adapted:
        assert value(command, "--source-lang") in held_out, "the target was not held out"
        _, size, seed = value(command, "--train-subset").split("-")
        drawn = own_sizes.get(value(command, "--source-lang"), ",".join(sizes)).split(",")
        assert size in drawn and seed.removeprefix("s") in seeds, f"the sample {size} {seed} is never drawn"
    assert len({value(command, "--seed") for command in adapted}) >= 3, "fewer than 3 seeds"
    systems = {(value(command, "--system"), value(command, "--strategy")) for command in by_name["meta-nmt-generate"]}
    expected = {
        ("scratch", "all"),
        ("joint", "zero"),
        ("joint", "emb_enc"),
        ("fomaml", "zero"),
        ("fomaml", "emb_enc"),
    }
    assert systems == expected, "scratch, joint and meta, zero-shot and adapted, side by side"


@pytest.mark.parametrize("recipe", EVALUATIONS, ids=str)
def test_the_experiment_fits_its_data_and_every_job_parses(recipe: Path, folder: Path) -> None:
    (prepare,), added, evaluations = (
        [c for c in commands(recipe, folder) if c[0] == f"meta-nmt-{name}"]
        for name in ("preprocess", "add-language", "evaluate")
    )
    experiments = []
    for evaluation in evaluations:
        args = evaluate.parse_args(evaluation[1:])
        experiments.append(parse_experiment(REPO / args.experiment, args.data))
        check_experiment(experiments[-1], prepare, added)
        evaluate.check_commands(plan(experiments[-1]), {"out": str(args.out), "data": args.data})
    assert {SCRATCH, "joint", "fomaml"} <= set(experiments[0].systems), "meta-learning and its baselines"
    if recipe == EVALUATION:
        assert set(experiments[0].systems) == set(all_systems()) and 0 in experiments[0].budgets, (
            "all systems, zero-shot too"
        )


def check_experiment(experiment: Experiment, prepare: list[str], added: list[list[str]]) -> None:
    for flag, langs in (("source", experiment.source_langs), ("valid", experiment.valid_langs)):
        assert value(prepare, f"--{flag}-langs").split(",") == list(langs), f"{flag} languages differ"
    prepared = {value(command, "--lang"): command for command in added}
    prepared |= dict.fromkeys(value(prepare, "--target-langs").split(","), prepare)
    assert set(experiment.targets) <= prepared.keys(), "the targets are held out"
    for target in experiment.targets:
        flags = ("--english-tokens", "--sample-seeds")
        drawn = [set(map(int, value(prepared[target], flag).split(","))) for flag in flags]
        assert {*experiment.budgets_of(target)} - {0} <= drawn[0], f"{target}: a sample is never drawn"
        assert {*experiment.seeds} <= drawn[1], f"{target}: a sample is never drawn"
    assert "joint" in experiment.systems and len(experiment.seeds) >= 3, "three seeds"


@pytest.mark.parametrize("family", [TATOEBA, BIBLE], ids=str)
def test_recipes_of_a_family_share_one_meta_training(family: Path, folder: Path) -> None:
    shared = commands(family / "meta_train.sh", folder)
    for recipe in TARGET_RECIPES:
        if recipe.parent == family:
            assert commands(recipe, folder)[: len(shared)] == shared, f"{recipe} trains something of its own"


@pytest.mark.parametrize(
    ("recipe", "missing"),
    [(path, name) for path in RECIPES if path not in OF_OTHER_FOLDERS for name in ("CORPUS", "DICTIONARIES")]
    + [*((path, "PACKS") for path in (REAL, *STARTER)), *((path, "DATA") for path in (*ON_REAL, STARTER_PEER))]
    + [(STARTER_PEER, "SCORES")],
    ids=str,
)
def test_a_missing_folder_is_one_line(recipe: Path, missing: str, tmp_path: Path) -> None:
    given = {name: str(tmp_path) for name in ("CORPUS", "DICTIONARIES", "PACKS", "DATA", "SCORES")}
    given["OUTPUTS"] = str(tmp_path / "outputs")
    without = {name: folder for name, folder in given.items() if name != missing}
    absent = {**given, missing: str(tmp_path / "absent")}
    for variables in [absent] if recipe.parent == PAPER else [without, absent]:  # the paper's corpora can be fetched
        done = run(recipe, tmp_path, **variables)
        assert done.returncode == 2, f"{recipe}: exit status {done.returncode}"
        assert done.stderr.count("\n") == 1 and missing in done.stderr, done.stderr
    assert not (tmp_path / "outputs").exists(), "something was written"


@pytest.mark.parametrize("recipe", [path for path in RECIPES if path.parent == PAPER], ids=str)
def test_without_a_local_copy_the_paper_fetches_what_it_needs(recipe: Path, tmp_path: Path) -> None:
    done = run(recipe, tmp_path, DRY_RUN="1", OUTPUTS=str(tmp_path))
    assert done.returncode == 0, done.stderr
    fetching, prepare = (shlex.split(line)[1:] for line in done.stdout.splitlines()[1:4:2])
    assert fetching[:4] == ["python", "-m", "data_prep", "fetch"], "the corpora come first"
    args = parser(tuple(fetching[:4]))(fetching[4:])
    assert value(prepare, "--corpus") == str(args.out) == str(tmp_path / "paper/corpora"), "what is fetched is read"
    splits: dict[str, set[str]] = {}
    for corpus in read_manifest(REPO / args.manifest).corpora:
        splits.setdefault(corpus.languages[0], set()).add(corpus.split)
    roles = {role: value(prepare, f"--{role}-langs").split(",") for role in SPLITS_OF_ROLE}
    assert len(roles["source"]) == 18 and len(roles["target"]) == 4, "18 sources; one of the five targets validates"
    assert sorted(splits) == sorted(sum(roles.values(), [])), "the manifest and the recipe have the same languages"
    for role, langs in roles.items():
        for lang in langs:
            assert set(SPLITS_OF_ROLE[role]) <= splits[lang], f"{lang} has no {SPLITS_OF_ROLE[role]}"


def stand_in_venv(folder: Path) -> Path:
    """A virtual environment for recipes that has this Python, prepares data for real, and only notes trainings."""
    (folder / "bin").mkdir(parents=True)
    stamp = run(f'source {REPO}/recipes/common.sh; touch "$(stamp_of "$EXTRAS")"', folder, VENV=str(folder))
    assert stamp.returncode == 0, stamp.stderr
    programs = {
        "python": f'exec {sys.executable} "$@"',
        "meta-nmt-preprocess": f'exec {sys.executable} -m meta_nmt.cli.preprocess "$@"',
        "meta-nmt-train": f'echo "$@" >>{folder}/trainings',
    }
    for name, command in programs.items():
        (folder / "bin" / name).write_text(f"#!/usr/bin/env bash\n{command}\n")
        (folder / "bin" / name).chmod(0o755)
    return folder


def test_the_paper_s_recipe_runs_on_a_local_copy(tmp_path: Path) -> None:
    codes = ("qaa", "qab", "qav", "qbx")
    corpora = tmp_path / "corpora"
    assert make_corpora(["--out", str(corpora), "--languages", ",".join(codes), "--sentences", "200",
                         "--mono-sentences", "100"]) == 0  # fmt: skip
    small = "--vocab-size 120 --universal-tokens 60 --vector-dim 8 --english-tokens 400,200 --workers 1"
    done = run(
        PAPER / "meta_train.sh", tmp_path, CORPUS="corpora", DICTIONARIES="corpora/dict", MONO="corpora/mono",
        OUTPUTS="outputs", SOURCES="qaa,qab", VALID="qav", TARGETS="qbx", SEEDS="1 2", EXTRA_PREPARATION=small,
        VENV=str(stand_in_venv(tmp_path / "venv")), PYTHONPATH=str(REPO),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    data = tmp_path / "outputs/paper/valid-qav/data"
    languages = json.loads((data / "data.json").read_text("utf-8"))["languages"]
    assert {code: entry["role"] for code, entry in languages.items()} == dict(
        zip(codes, ("source", "source", "valid", "target"), strict=True)
    ), "roles of the prepared languages"
    assert {f"train-{size}-s{seed}" for size in (200, 400) for seed in (1, 2)} <= set(languages["qbx"]["splits"])
    assert "Fetch" not in done.stdout, "a local copy needs no download"
    assert len((tmp_path / "venv/trainings").read_text().splitlines()) == 3, "base, joint and fomaml"


def test_the_real_corpora_are_listed(tmp_path: Path) -> None:
    """Packs of one sentence: who is in which, and a target in two packs is two languages with sets of their own."""
    packs = tmp_path / "packs"
    bible = [*corpora.SOURCES, corpora.VALID, *corpora.BIBLE_TARGETS, "en"]
    tatoeba = [*corpora.SOURCES, corpora.VALID, "ro", "fi", "tr"]
    texts = {f"bible/{lang}.tsv.gz": "JHN.1.1\tword\n" for lang in bible}
    texts |= {f"tatoeba/{lang}-en.tsv.gz": "".join(f"a{n}\tb{n}\n" for n in range(1600)) for lang in tatoeba}
    texts |= {"gnome/de.tsv.gz": "a.1\tWort\n", "gnome/en.tsv.gz": "a.1\tword\n"}
    texts |= {"muse-dict/ro-en.train.tsv.gz": "cuvânt\tword\n"}
    news = [f"{document}.{line}\t{{}} {document} {line}\n" for document in ("a.1", "a.2", "a.4") for line in (1, 2)]
    texts |= {f"ntrex/{lang}.tsv.gz": "".join(news).format(*[lang] * 6) for lang in [*corpora.NEWS_TARGETS, "en"]}
    texts |= {f"wmt/{lang}-en/newstest{year}.tsv.gz": "a\tb\n" for lang, year in corpora.NEWS_TARGETS.items()}
    texts |= {f"wmt/{lang}-en/newstest2009.tsv.gz": f"{lang}\tnews\n" for lang in corpora.NEWS_SOURCES}
    for name, text in texts.items():
        (packs / name).parent.mkdir(parents=True, exist_ok=True)
        (packs / name).write_bytes(gzip.compress(text.encode()))
    assert corpora.main(["--packs", str(packs), "--out", str(tmp_path / "out")]) == 0
    manifest = read_manifest(tmp_path / "out/manifest.yaml")
    names = {
        lang: [entry.name for entry in manifest.of(lang, "en")]
        for lang in ("de", "fr", "sl", "ro", "de_tatoeba", "de_news")
    }
    assert names["de"] == ["bible-de", "gnome-de"] and names["fr"] == ["bible-fr"], "a source is of one domain"
    assert names["de_tatoeba"] == ["de_tatoeba-0"] and names["de_news"] == ["de_news-0"]
    assert names["sl"] == ["bible-sl"], "the Tatoeba file of sl is mostly Slovak"
    assert names["ro"] == ["bible-ro"]
    sets = {entry.split: read_lines(*manifest.paths(entry)) for entry in manifest.of("ro_tatoeba", "en")}
    assert {split: len(lines) for split, lines in sets.items()} == {"train": 100, "valid": 500, "test": 1000}
    assert sets["test"][-1] == "a1599\tb1599"
    news_sets = {entry.split: read_lines(*manifest.paths(entry)) for entry in manifest.of("ro_news", "en")}
    documents = {split: {line.split()[1] for line in news_sets[split]} for split in ("train", "valid")}
    assert documents["train"] and documents["valid"] and not documents["train"] & documents["valid"], "by document"
    assert len(news_sets["train"] + news_sets["valid"]) == 6 and news_sets["test"] == ["a\tb"]
    own, english = news_sets["valid"][0].split("\t")
    assert own.startswith("ro ") and own.removeprefix("ro") == english.removeprefix("en"), "joined by id"
    for code in ("ro", "ro_tatoeba", "ro_news"):
        assert read_lines(tmp_path / f"out/dict/{code}-en.train.tsv.gz") == ["cuvânt\tword"]
    for name in ("ro_tatoeba.tsv.gz", "ro_news.tsv.gz", "ro_news-en.tsv.gz", "tr_news-en.tsv.gz"):
        assert (tmp_path / "out/mono" / name).is_file(), name
    assert not (tmp_path / "out/mono/tr.tsv.gz").exists()
    for code in ("ro", "ro_tatoeba", "ro_news"):
        own, few = (manifest.of(lang, "en") for lang in (code, f"{code}_100"))
        assert [(e.split, e.path) for e in few] == [(e.split, e.path) for e in own] != [], "the same text"
        assert not (tmp_path / f"out/dict/{code}_100-en.train.tsv.gz").exists(), "and no word list"
    mono = [read_lines(tmp_path / f"out/mono/{code}-en.tsv.gz") for code in ("ro_news", "ro_news_100")]
    assert mono[0] == mono[1]


def test_a_missing_pack_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must have bg in bible or gnome, but has not"):
        corpora.main(["--packs", str(tmp_path), "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()
