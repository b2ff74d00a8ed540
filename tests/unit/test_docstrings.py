"""Docstrings: all that is public in meta_nmt and data_prep has one, and each begins by naming its subject.

Public is what has no leading underscore: modules (a package's is its `__init__.py`), classes, functions and methods.
A method that overrides one of a base class needs none. What is not as it should be yet is listed below. The lists may
only shrink: an entry that is not needed any more is refused too.
"""

import ast
import importlib
import re
from collections.abc import Iterator, Mapping
from functools import reduce
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
# what cannot be read without what stands above it: of what? the same as what? whose?
SUBJECTLESS = re.compile(
    r"(Of|The same|Its|Their|Those|That|As|Also|By|To|What it|At(?! most| least)|For(?! each| every))\b|fairseq's[,;.]"
)
# file: its names, without a docstring; MODULE is the file's own
WITHOUT: Mapping[str, str] = {
    "meta_nmt/cli/__init__.py": "MODULE",
    "meta_nmt/cli/adapt.py": "body main own_parser",
    "meta_nmt/cli/adapt_raw.py": "Job.strategies Job.training_flags is_whole say translated",
    "meta_nmt/cli/evaluate.py": "body main",
    "meta_nmt/cli/export.py": "body main",
    "meta_nmt/cli/fairseq_front.py": "command_line wants_help",
    "meta_nmt/cli/generate.py": "body main own_parser record",
    "meta_nmt/cli/report.py": "body main",
    "meta_nmt/cli/serve.py": "body main",
    "meta_nmt/cli/train.py": "body main",
    "meta_nmt/cli/translate.py": "Feed.batches body build_parser load main read_files translate",
    "meta_nmt/compat.py": "set_early_stopping_state",
    "meta_nmt/data/__init__.py": "MODULE",
    "meta_nmt/data/episodes.py": "EpisodeSizes.total",
    "meta_nmt/evaluation/cells.py": "Choice.needs",
    "meta_nmt/evaluation/experiment.py": "Experiment.updates",
    "meta_nmt/ledger.py": "Ledger.close",
    "meta_nmt/models/__init__.py": "MODULE",
    "meta_nmt/models/ulr_transformer.py": "base_ulr_architecture",
    "meta_nmt/modules/__init__.py": "MODULE",
    "meta_nmt/report/gather.py": "Report.is_full Report.seeds Report.systems Report.targets full_name",
    "meta_nmt/report/markdown.py": "as_markdown",
    "meta_nmt/report/page.py": "main_caption",
    "meta_nmt/report/plots.py": "Theme",
    "meta_nmt/report/results.py": "Result.name Result.order Result.system_order",
    "meta_nmt/report/significance.py": "Comparison.as_row Pair.seeds",
    "meta_nmt/report/tables.py": (
        "Cell.plain Table.has_notes Table.is_text all_commands all_costs budget_title cost_table count number "
        "p_value runs_table signatures strategy_title"
    ),
    "meta_nmt/runs/__init__.py": "MODULE",
    "meta_nmt/serving/__init__.py": "MODULE",
    "meta_nmt/serving/server.py": "Answered Near Piece answer",
    "meta_nmt/tasks/__init__.py": "MODULE",
    "meta_nmt/tasks/config.py": "TranslationDataConfig",
    "meta_nmt/tasks/episode_loss.py": "EpisodeLoss.restart",
    "meta_nmt/tasks/faults.py": "is_out_of_memory",
    "meta_nmt/tasks/meta_translation_config.py": "MetaTranslationConfig",
    "meta_nmt/tasks/ulr_translation.py": (
        "CountsTokens.get_checkpoint_dict CountsTokens.set_checkpoint_dict ULRTranslationConfig"
    ),
    "meta_nmt/translation/__init__.py": "MODULE",
    "meta_nmt/translation/average.py": "main run",
    "meta_nmt/translation/backends.py": "CTranslate2Backend.translate TorchBackend.translate",
}
# file: its names, with a docstring that does not name its subject
WITHOUT_SUBJECT: Mapping[str, str] = {
    "meta_nmt/cli/adapt_estimate.py": "characters seconds",
    "meta_nmt/cli/adapt_raw.py": "split",
    "meta_nmt/data/episodes.py": "EpisodeDataset.language",
    "meta_nmt/data/trajectories.py": "Place",
    "meta_nmt/evaluation/experiment.py": "parse_experiment",
    "meta_nmt/ledger.py": "choices",
    "meta_nmt/meta_learners/base.py": "MetaLearner.adapt MetaLearner.inner_names",
    "meta_nmt/meta_learners/lstm_meta_learner.py": "LSTMMetaLearner",
    "meta_nmt/meta_learners/meta_sgd.py": "MetaSGD",
    "meta_nmt/meta_learners/trajectory_shifting.py": "TrajectoryShifting.displacement TrajectoryShifting.own_gradients",
    "meta_nmt/models/ulr_transformer.py": "ULRTransformer.load_state_dict small tiny",
    "meta_nmt/modules/attention.py": "CrossAttention",
    "meta_nmt/report/gather.py": "added_record",
    "meta_nmt/runs/workers.py": "total",
    "meta_nmt/serving/server.py": "Desk.work",
    "meta_nmt/tasks/faults.py": "StepGuard.may_step",
    "meta_nmt/tasks/meta_translation.py": "MetaTranslationTask.build_criterion",
    "meta_nmt/translation/export.py": "transformer_arguments",
}


def public(node: ast.Module | ast.ClassDef, prefix: str = "") -> Iterator[tuple[str, str | None]]:
    """The dotted names of the classes and functions of a module or a class, with their docstrings."""
    for child in node.body:
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and not child.name.startswith("_"):
            yield prefix + child.name, ast.get_docstring(child)
            if isinstance(child, ast.ClassDef):
                yield from public(child, f"{prefix}{child.name}.")


def docstrings(*packages: str) -> Iterator[tuple[str, str, str | None]]:
    """File, name and docstring of all that is public in packages."""
    for file in (file for package in packages for file in sorted((REPO / package).rglob("*.py"))):
        tree, path = ast.parse(file.read_text("utf-8")), str(file.relative_to(REPO))
        yield path, "MODULE", ast.get_docstring(tree)
        yield from ((path, name, text) for name, text in public(tree))


def overrides(path: str, name: str) -> bool:
    """Whether a base class of a method's class has a method of that name."""
    *owners, method = name.split(".")
    if not owners:
        return False
    module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
    return any(method in vars(base) for base in reduce(getattr, owners, module).__mro__[1:])


def check(offenders: set[tuple[str, str]], listed: Mapping[str, str], wrong: str) -> None:
    """Every offender is listed, and everything listed is an offender."""
    known = {(path, name) for path, names in listed.items() for name in names.split()}
    new, mended = sorted(offenders - known), sorted(known - offenders)
    assert not new, f"{wrong}: {', '.join(map(':'.join, new))}"
    assert not mended, f"to be taken off the list in {Path(__file__).name}: {', '.join(map(':'.join, mended))}"


def test_all_that_is_public_has_a_docstring() -> None:
    missing = {(path, name) for path, name, text in docstrings("data_prep", "meta_nmt") if not text}
    offenders = {(path, name) for path, name in missing if not overrides(path, name)}
    check(offenders, WITHOUT, "without a docstring")


def test_docstrings_begin_with_their_subject() -> None:
    all_of_them = docstrings("data_prep", "meta_nmt", "benchmarks")
    offenders = {(path, name) for path, name, text in all_of_them if SUBJECTLESS.match(text or "")}
    check(offenders, WITHOUT_SUBJECT, "a docstring that does not begin with its subject")


@pytest.mark.parametrize(
    "text, good",
    [
        ("The cost of a run.", True),
        ("Read a checkpoint.", True),
        ("Offsets of lines.", True),
        ("At most ``most`` of the rows.", True),
        ("For each piece, its universal tokens.", True),
        ("fairseq's sampler, seeded.", True),
        ("Of both sides, padding not counted.", False),
        ("The same for several files.", False),
        ("Its own side and English.", False),
        ("What it does at meta-test.", False),
        ("For JSON.", False),
        ("fairseq's, one process a worker.", False),
    ],
)
def test_what_a_docstring_may_begin_with(text: str, good: bool) -> None:
    assert (SUBJECTLESS.match(text) is None) == good


def test_names_are_found() -> None:
    source = "class A:\n  'An A.'\n  def f(self): ...\n  def _g(self): ...\nclass _B: ...\nasync def h(): ...\n"
    assert list(public(ast.parse(source))) == [("A", "An A."), ("A.f", None), ("h", None)]


def test_the_lists_may_only_shrink() -> None:
    check({("a.py", "f"), ("a.py", "A.g")}, {"a.py": "A.g f"}, "")
    with pytest.raises(AssertionError, match="wrong: a.py:f"):
        check({("a.py", "f"), ("a.py", "A.g")}, {"a.py": "A.g"}, "wrong")
    with pytest.raises(AssertionError, match="taken off the list .*: a.py:f"):
        check({("a.py", "A.g")}, {"a.py": "A.g f"}, "wrong")
