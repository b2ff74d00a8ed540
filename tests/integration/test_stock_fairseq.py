"""An export leaves home: stock fairseq, in a process that never imports meta_nmt, writes what our model writes."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import sentencepiece
from arguments import arguments
from data_folder import make_adapted, make_data_folder, make_meta

from meta_nmt import Translator
from meta_nmt.cli import export, generate

LINES = 500
SEARCH = "--beam 5 --max-len-a 1.5 --max-len-b 10 --max-tokens 4000"
BATCHES = Path(__file__).parents[2] / "meta_nmt/runs/batch_by_size.py"
STOCK = """
import importlib.util, json, sys
try:
    import fairseq.data.data_utils_fast
except ImportError:  # it was installed without its compiled parts: one file of ours stands in for what cuts batches
    spec = importlib.util.spec_from_file_location("fairseq.data.data_utils_fast", sys.argv[2])
    sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[spec.name])
from fairseq_cli import generate, preprocess
for command, argv in zip((preprocess, generate), json.loads(sys.argv[1])):
    sys.argv = ["fairseq", *argv]
    command.cli_main()
own = [name for name in sys.modules if name.split(".")[0] in ("meta_nmt", "data_prep", "ctranslate2")]
assert not own, own
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    root = tmp_path_factory.mktemp("export")
    roles = {"aa": "source", "bb": "source", "cc": "valid", "dd": "target"}
    data = make_data_folder(root, roles, test_lines=LINES)
    adapted = make_adapted(data, make_meta(data, root / "meta"), root / "adapted", updates=240)
    argv = arguments("{} --path {} --source-lang dd --out {}/model --quantization float32", data, adapted, root)
    assert export.main(argv) == 0
    return root


@pytest.fixture(scope="module")
def unfolded(work):
    """What the adapted checkpoint itself writes, through fairseq-generate with our task: pieces, line by line."""
    line = "{work}/data --path {work}/adapted/checkpoint_best.pt --source-lang dd --results {work}/results "
    assert generate.main(arguments(line + SEARCH, work=work)) == 0
    return [" ".join(pieces) for pieces in generate.read_hypotheses(work / "results/generate-test.txt")]


def stock(work):
    """fairseq-preprocess and fairseq-generate with nothing but the folder and text cut into pieces."""
    model, pieces = work / "model", work / "pieces"
    pieces.mkdir()
    for lang, name in (("dd", "source.spm"), ("en", "target.spm")):
        spm = sentencepiece.SentencePieceProcessor(model_file=str(model / name))
        text = (work / f"data/text/dd-en/test.{lang}").read_text("utf-8").splitlines()
        (pieces / f"test.{lang}").write_text("".join(f"{' '.join(spm.encode(line, out_type=str))}\n" for line in text))
    pair = "--source-lang dd --target-lang en "
    binarise = pair + "--srcdict {work}/model/dict.dd.txt --tgtdict {work}/model/dict.en.txt --destdir {work}/bin "
    binarise += "--testpref {work}/pieces/test"
    # fairseq leaves out the last sentences of a set where they are no multiple of 8, unless told not to
    translate = pair + "{work}/bin --path {work}/model/model.pt --required-batch-size-multiple 1 " + SEARCH
    translate += " --scoring sacrebleu"  # fairseq's own score needs a compiled part
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    commands = json.dumps([arguments(command, work=work) for command in (binarise, translate)])
    argv = [sys.executable, "-c", STOCK, commands, str(BATCHES)]
    done = subprocess.run(argv, capture_output=True, text=True, env=environment, cwd=work)
    assert done.returncode == 0, done.stderr[-3000:]
    found = {int(m[1]): m[2] for m in re.finditer(r"^H-(\d+)\t\S+\t(.*)$", done.stdout, re.MULTILINE)}
    return [found[i] for i in range(LINES)]


def test_stock_fairseq_writes_the_same_line_for_line(work, unfolded):
    assert len(unfolded) == LINES and len(set(unfolded)) > LINES // 2, "the model says different things"
    assert stock(work) == unfolded


def test_ctranslate2_agrees(work, unfolded):
    text = (work / "data/text/dd-en/test.dd").read_text("utf-8").splitlines()
    results = Translator(work / "model", backend="ctranslate2").results(text)
    same = sum(" ".join(result.hypotheses[0].pieces) == line for result, line in zip(results, unfolded, strict=True))
    assert same >= 0.99 * LINES, f"{same} of {LINES}"
