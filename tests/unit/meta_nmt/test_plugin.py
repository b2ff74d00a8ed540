"""How fairseq comes to know our tasks and architectures, and what can be had without it."""

import os
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).parents[3]
REGISTERED = """
from fairseq.models import ARCH_MODEL_REGISTRY
from fairseq.tasks import TASK_REGISTRY
assert {"meta_translation", "ulr_translation"} <= {*TASK_REGISTRY}
assert "ulr_transformer_small" in ARCH_MODEL_REGISTRY
"""
USER_DIR = """
import sys
from argparse import Namespace
from fairseq import utils
utils.import_user_module(Namespace(user_dir=sys.argv[1]))
"""
QUIET = """
import logging
assert not logging.getLogger().handlers and logging.getLogger().level == logging.WARNING
"""


def run(script: str, *argv: object) -> None:
    done = subprocess.run([sys.executable, "-c", script, *map(str, argv)], text=True, capture_output=True, cwd=REPO,
                          env={**os.environ, "PYTHONPATH": str(REPO)})  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_user_dir_may_name_the_package() -> None:
    run(USER_DIR + REGISTERED, REPO / "meta_nmt")


def test_user_dir_may_name_a_module_that_imports_something_of_the_package(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/__init__.py").write_text("from meta_nmt.meta_learners import MetaLearner\n")
    run(USER_DIR + REGISTERED, tmp_path / "mine")


def test_the_plugin_registers_and_leaves_logging_alone() -> None:
    run("import meta_nmt.plugin\n" + REGISTERED + QUIET)


def test_a_translator_in_torch_leaves_logging_alone(model: Path) -> None:
    script = "import sys\nfrom meta_nmt import Translator\nassert Translator(sys.argv[1], backend='torch')\n"
    run(script + "assert 'fairseq' in sys.modules\n" + QUIET, model)


def test_meta_learners_need_torch_alone() -> None:
    run("import sys\nimport meta_nmt\nassert 'torch' not in sys.modules\n"
        "import meta_nmt.meta_learners\nassert 'fairseq' not in sys.modules and 'torch' in sys.modules")  # fmt: skip
