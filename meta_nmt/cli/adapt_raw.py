"""meta-nmt-adapt from raw text: sentence pairs and a meta-trained checkpoint in, a translator folder out.

    OUT/        the translator: models, SentencePiece, card (meta_nmt/translation/translator_folder.py)
    OUT/work/   what is made on the way (meta_nmt/cli/work_folder.py)

Every step leaves a mark when it is done, so the command goes on where it was when it is killed and run again. OUT/work/
can be removed once the translator is made.
"""

from __future__ import annotations

import logging
import shlex
import shutil
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sacrebleu.metrics import BLEU, CHRF
from tqdm import tqdm

from data_prep.base.command_line import writable_directory
from data_prep.base.data_folder import DataFolder
from data_prep.base.errors import InputError
from data_prep.base.evenly import evenly
from data_prep.base.files import read_json, remove_partial, sha256, sole_writer, write_json
from data_prep.base.language_registry import code_and_name
from data_prep.base.text_files import read_lines
from data_prep.cleaning.monolingual import FEWEST
from data_prep.packs import align
from data_prep.pipeline.add_language import NewLanguage, add
from meta_nmt.bleu_tokeniser import bleu_tokeniser
from meta_nmt.cards.checkpoint_facts import facts_of_checkpoint
from meta_nmt.cards.model_card import SHOWN_SAMPLES, write_model_card
from meta_nmt.cards.verdict import judge, repetition
from meta_nmt.cli import adapt_estimate, fine_tune
from meta_nmt.cli.adapt_raw_flags import STRATEGIES
from meta_nmt.cli.adapt_raw_text import Pairs, read_given, split, write_raw
from meta_nmt.cli.work_folder import WorkFolder
from meta_nmt.models.checkpoints import read_checkpoint
from meta_nmt.runs.processor import multiplies_bfloat16
from meta_nmt.runs.progress import Progress, listen
from meta_nmt.runs.run_folder import RunFolder
from meta_nmt.translation import self_training
from meta_nmt.translation.export import export, remove_translator
from meta_nmt.translation.loaders import load_folder
from meta_nmt.translation.meta_model import copy_universal, find_data
from meta_nmt.translation.translator import Translation, Translator
from meta_nmt.translation.translator_folder import TranslatorFolder

AGAIN = "-self"  # ends the name of a run after self-training
INPUTS = ("--pairs", "--dev", "--test", "--dictionary", "--mono")  # flags of files that hold text
CLEARING, STARTED, FINISHED = "clearing", "started", "finished"  # states of the folder


class Job:
    """One run of the command.

    Args:
        command: as it was given, for the card.
        universe: folder with the universal space that the checkpoint was trained in.
        english: code of the language translated into.
    """

    def __init__(self, args: Namespace, command: str, universe: Path, english: str) -> None:
        self.args, self.command, self.universe, self.english = args, command, universe, english
        self.lang, self.out = args.source_lang, args.out
        self.work = WorkFolder(self.out / "work", self.lang, self.english)
        self.data = self.work.data

    @property
    def strategies(self) -> tuple[str, ...]:
        """The strategies to try: the one asked for, or all of them for ``--strategy auto``."""
        return STRATEGIES if self.args.strategy == "auto" else (self.args.strategy,)

    @property
    def role(self) -> str:
        """data_prep's role of the language: target where there is a test set, valid where there is none."""
        return "target" if self.work.text("test")[1].exists() else "valid"

    def made_from(self) -> dict[str, Any]:
        """All that decides what the command makes, by flag: names and hashes of its input files, and its options."""
        args = self.args
        files = {
            "--pairs": [args.pairs], "--dev": [args.dev], "--test": [args.test], "--dictionary": [args.dictionary],
            "--mono": args.mono, "--checkpoint": [args.checkpoint],
        }  # fmt: skip
        given = {flag: [path for path in paths if path is not None] for flag, paths in files.items()}
        options = {
            "--source-lang": args.source_lang, "--strategy": args.strategy, "--seed": args.seed,
            "--self-train": args.self_train if args.mono else 0, "--float32": args.float32,
            "--quantization": args.quantization, "flags of fine-tuning": args.training,
        }  # fmt: skip
        hashed = {
            flag: [{"name": path.name, "sha256": sha256(path)} for path in paths] for flag, paths in given.items()
        }
        return hashed | options

    def run(self) -> None:
        """Do all steps that are not done yet."""
        made_from, pairs_of = self.made_from(), read_given(self.args)
        self.refuse_strangers()
        estimate = self.estimate(pairs_of)
        writable_directory(self.work.path, "--out")
        with sole_writer(self.out):
            remove_partial(self.out)
            record = read_json(self.work.record) if self.work.record.is_file() else {}
            if self.state(record, made_from) == FINISHED:
                say(f"{self.out}: finished before, from the same files and flags")
                say("\n".join([*record["said"], self.use]))
                return
            if self.state(record, made_from) != STARTED:
                self.clear(made_from)
            say(estimate)
            closing = [*self.steps(pairs_of), *self.warnings()]
            write_json(self.work.record, {"made_from": made_from, "state": FINISHED, "said": closing})
            say("\n".join([*closing, self.use]))

    def refuse_strangers(self) -> None:
        """InputError if --out holds files and is not of this command.

        With --force, files that a translator has are no strangers, though no record says where they are from.
        """
        if self.work.record.is_file():
            return
        own = {self.work.path, *(TranslatorFolder(self.out).files if self.args.force else ())}
        if strangers := sorted(path.name for path in set(self.out.glob("*")) - own):
            raise InputError(f"--out {self.out}: must be new, or made by this command, but holds {strangers[0]}")

    def state(self, record: Mapping[str, Any], made_from: Mapping[str, Any]) -> str | None:
        """How far the folder is with what is asked for; None where that has to start afresh.

        InputError where the folder was made from other files or flags, unless with --force.
        """
        # an earlier version knew no self-training and no bfloat16
        before = {"--self-train": 0, "--float32": False} | record.get("made_from", {})
        if record and before != made_from and not self.args.force:
            differ = ", ".join(name for name in made_from if before.get(name) != made_from[name])
            raise InputError(
                f"--out {self.out}: was made from other files or flags (other: {differ}); give another folder, or "
                "`--force` to make this one anew"
            )
        return record["state"] if before == made_from else None

    def clear(self, made_from: Mapping[str, Any]) -> None:
        """Empty the folder of what an earlier run made; killed meanwhile, a rerun does so again."""
        write_json(self.work.record, {"made_from": made_from, "state": CLEARING})
        remove_translator(TranslatorFolder(self.out))
        for path in self.work.path.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path != self.work.record:
                path.unlink()
        write_json(self.work.record, {"made_from": made_from, "state": STARTED})

    def estimate(self, pairs_of: dict[str, Pairs]) -> str:
        """How long all steps take, as a line for a person. InputError or SystemExit on wrong flags of fine-tuning."""
        training = fine_tune.parse_args(self.training_flags(self.strategies[0]))
        bleu_tokeniser(self.english, training.bleu_tokenizer)
        lines = self.args.self_train if self.args.mono else 0
        time_s = adapt_estimate.seconds(
            self.args.checkpoint, pairs_of, self.args.mono, training, len(self.strategies), lines
        )
        pair = f"{code_and_name(self.lang)} to {code_and_name(self.english)}"
        return adapt_estimate.describe(pair, self.strategies, time_s)

    @property
    def use(self) -> str:
        """How the translator is used, as a line for a person."""
        place = shlex.quote(str(self.out))
        return f"a file: meta-nmt-translate --model {place} < text.{self.lang}; a page: meta-nmt-serve {place}"

    def steps(self, pairs_of: dict[str, Pairs]) -> list[str]:
        """Do every step, from the pairs that were given to the model card; skip what is done.

        Returns what there is to say of the translator: some translations, and the verdict.
        """
        if not self.work.written.exists():
            write_raw(self.work, split(pairs_of, self.args.seed), self.args.mono, self.args.dictionary)
        if not DataFolder(self.data).pack(self.lang).card.is_file():
            say(f"language pack of {self.lang}")
            self.make_pack()
        say(f"alignment of {self.lang} to {self.english}: {align.precision_in_words(self.alignment)}")
        for warning in self.warnings():
            say(warning)
        scores = {strategy: self.fine_tune(strategy, self.training_flags(strategy)) for strategy in self.strategies}
        scores |= self.self_train(best_of(scores))
        best = best_of(scores)
        checkpoint = self.work.run(best).best
        say(f"export of {best}, the best on dev" if len(scores) > 1 else f"export of {best}")
        export(
            self.data, checkpoint, self.lang, self.out, target_lang=self.english, quantization=self.args.quantization
        )
        return self.write_card(checkpoint, scores)

    def make_pack(self) -> None:
        """Make the data folder: the universal space and the new language."""
        shutil.rmtree(self.data, ignore_errors=True)
        copy_universal(self.universe, self.data, without=self.lang)
        dictionaries = self.work.dictionaries if self.args.dictionary else None
        new = NewLanguage(
            self.data, self.lang, self.work.corpus, (self.work.mono,), dictionaries,
            role=self.role, trained_in=self.universe,
        )  # fmt: skip
        add(new)

    @property
    def alignment(self) -> dict[str, Any]:
        """How well the language is aligned with all that is given, as its pack's card has it."""
        return align.best_alignment(read_json(DataFolder(self.data).pack(self.lang).card))

    def warnings(self) -> list[str]:
        """The warning of a poor alignment, if it is poor."""
        advice = "a word list (--dictionary), more pairs or more monolingual text (--mono)"
        pack = DataFolder(self.data).pack(self.lang)
        warning = align.poor_warning(pack, self.english, self.alignment, advice)
        return [warning] if warning else []

    def fine_tune(self, name: str, flags: Sequence[str]) -> float:
        """Fine-tune in the run of that name to the end; returns the best dev BLEU (greedy search)."""
        run = self.work.run(name)
        if not run.finished.exists():
            if run.path.exists() and not (is_whole(run.last) and is_whole(run.best)):
                shutil.rmtree(run.path)  # killed before its first checkpoint was whole
            run.path.mkdir(parents=True, exist_ok=True)
            train(flags, f"adapt {name}", run)
            run.finished.touch()
        return float(read_checkpoint(run.best)["extra_state"]["best"])

    def self_train(self, strategy: str) -> dict[str, float]:
        """Translate monolingual text with the model of a strategy, and fine-tune again to that text too.

        Returns the dev BLEU by the run's name; none without enough monolingual text.
        """
        if not (self.args.mono and self.args.self_train):
            return {}
        most, flags = self.args.self_train, self.training_flags(strategy)
        say(f"self-training: translation of up to {most:,} lines")
        options = self_training.make_pairs(
            self.data, self.work.run(strategy).best, self.lang, self.english, "train", most, self.args.seed,
            self.work.own_pairs, self.command,
        )  # fmt: skip
        if not options:
            say(f"no self-training: fewer than {FEWEST} lines of --mono are translated without loops")
            return {}
        first, name = vars(fine_tune.parse_args(flags)), strategy + AGAIN
        longer = [option for option in ("max_update", "total_num_update", "save_interval_updates") if first.get(option)]
        options |= {option: str(self_training.LONGER * first[option]) for option in longer}
        options["save_dir"] = str(self.work.run(name))
        again = [f"--{option.replace('_', '-')}={value}" for option, value in options.items()]
        return {name: self.fine_tune(name, [*flags, *again])}

    @property
    def precision(self) -> list[str]:
        """The flag of bfloat16, where it is faster on this machine and not declined."""
        return ["--bf16-autocast"] if multiplies_bfloat16() and not self.args.float32 else []

    def training_flags(self, strategy: str) -> list[str]:
        """The flags of meta-nmt-adapt on a data folder that fine-tune by one strategy."""
        return [
            str(self.data), "--checkpoint", str(self.args.checkpoint), "--source-lang", self.lang,
            "--target-lang", self.english, "--train-subset", "train", "--strategy", strategy,
            "--seed", str(self.args.seed), "--num-workers", "0", *self.precision, *self.args.training,
            "--save-dir", str(self.work.run(strategy)),
        ]  # fmt: skip

    def write_card(self, checkpoint: Path, scores: dict[str, float]) -> list[str]:
        """Write MODEL_CARD.md, with scores of the exported model, which is what users run; returns what it comes to."""
        split = "test" if self.role == "target" else "valid"
        source, reference = (
            read_lines(path) for path in DataFolder(self.data, self.english).text(self.lang).sides(split)
        )
        translations = list(translated(load_folder(self.out), source))
        hypotheses = [translation.text for translation in translations]
        training = fine_tune.parse_args(self.training_flags(self.strategies[0]))
        tokeniser = bleu_tokeniser(self.english, training.bleu_tokenizer)
        metrics = {"BLEU": BLEU(tokenize=tokeniser), "chrF2++": CHRF(word_order=2)}
        name = "test" if split == "test" else "dev"
        score_of = {f"{name} {k}": m.corpus_score(hypotheses, [reference]).score for k, m in metrics.items()}
        facts = facts_of_checkpoint(self.data, checkpoint, self.lang, self.english, self.command)
        dev_scores = ", ".join(f"{strategy} {score:.1f}" for strategy, score in scores.items())
        notes = [
            f"The {name} scores are of the exported model ({self.args.quantization}), beam 5, on {len(source)} pairs."
        ]
        if len(scores) > 1:
            notes.append(f"Chosen by dev BLEU (greedy): {dev_scores}.")
        if best_of(scores).endswith(AGAIN):
            texts = self.work.own_pairs / f"pairs.{self.lang}", DataFolder(self.data).text(self.lang).sides("train")[0]
            every, real = (len(read_lines(path)) for path in texts)
            notes.append(
                f"It learnt from {every - real:,} pairs more (self-training): monolingual text, as an earlier state of "
                "this model translated it. Its alignment knows them too."
            )
        made_from = read_json(self.work.record)["made_from"]
        inputs = [entry for flag in INPUTS for entry in made_from[flag]]
        bleu, chrf = score_of.values()
        verdict = judge(name, bleu, chrf, repetition(hypotheses, reference))
        facts = replace(
            facts, pack={**facts.pack, "sources": inputs}, scores={**facts.scores, **score_of}, notes=notes,
            verdict=verdict,
            commands=[*facts.commands[:-2], self.command],
            samples=[(source[i], hypotheses[i], reference[i]) for i in evenly(len(source), SHOWN_SAMPLES)],
            signatures=[metric.get_signature().format() for metric in metrics.values()],
        )  # fmt: skip
        write_model_card(facts, self.out)
        return [f"translations of {name} sentences:", *shown(facts.samples), verdict.line]


def best_of(scores: Mapping[str, float]) -> str:
    """The name with the highest score, the first of equals."""
    return max(scores, key=lambda name: scores[name])


def shown(samples: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    """Lines for a person that show each (source, translation, reference)."""
    for source, translation, reference in samples:
        # a model may spell control characters as bytes, which would be commands to a terminal
        translation = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in translation)
        yield from (f"source:      {source}", f"translation: {translation}", f"reference:   {reference}")


def say(message: str) -> None:
    """Write a line to standard error, above any progress bar."""
    tqdm.write(message, file=sys.stderr)


def is_whole(checkpoint: Path) -> bool:
    """Whether a checkpoint is there and can be read."""
    try:
        read_checkpoint(checkpoint)
    except InputError:
        return False
    return True


def translated(translator: Translator, lines: Sequence[str]) -> Iterator[Translation]:
    """The translation of each line, in order, under a progress bar."""
    for start in tqdm(range(0, len(lines), 64), desc="translate", unit=" batches", disable=None):
        yield from translator.results(lines[start : start + 64])


class Bar:
    """The progress of fine-tuning: a bar on a terminal, or else a line at each validation."""

    def __init__(self, title: str, updates: int) -> None:
        self.title = title
        self.bar = tqdm(desc=title, total=updates, unit=" updates", disable=None)

    def show(self, progress: Progress) -> None:
        """Move the bar to where the run is, and show the dev BLEU of a validation."""
        self.bar.update(progress.updates - self.bar.n)
        bleu = progress.numbers.get("bleu")
        if progress.split == "valid" and bleu is not None:
            self.bar.set_postfix_str(f"dev BLEU {bleu:g}, best {progress.numbers.get('best_bleu', bleu):g}")
            if self.bar.disable:
                say(f"{self.title}: {progress.updates} updates, dev BLEU {bleu:g}")


@contextmanager
def logged_to(path: Path) -> Iterator[None]:
    """In this context, what fairseq logs goes to the file at ``path`` alone."""
    root = logging.getLogger()
    handlers_and_level = root.handlers[:], root.level
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s | %(name)s | %(message)s"))
    root.handlers[:], root.level = [handler], logging.INFO
    try:
        yield
    finally:
        root.handlers[:], root.level = handlers_and_level
        handler.close()


def train(flags: Sequence[str], title: str, run: RunFolder) -> None:
    """Run meta-nmt-adapt on a prepared data folder, in this process."""
    argv = [*flags, "--log-format", "json", "--log-interval", "5"]
    args = fine_tune.parse_args(argv)
    bar = Bar(title, args.max_update)
    with logged_to(run.log), listen(bar.show), bar.bar:
        fine_tune.run(args, argv)


def run(args: Namespace, command: str) -> None:
    """Make the translator. ``command``: how it was called, for the card."""
    universe = find_data(args.checkpoint, args.data)
    english = DataFolder(universe).english
    if args.source_lang == english:
        raise InputError(f"`--source-lang` must not be the language translated into, but is {english}")
    if args.named_target not in (None, english):
        raise InputError(
            f"{args.pairs}: its name says pairs of {args.source_lang} and {args.named_target}, but {args.checkpoint} "
            f"translates into {english}; give `--source-lang` if the second column is {english}"
        )
    Job(args, command, universe, english).run()
