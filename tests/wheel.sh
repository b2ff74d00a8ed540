#!/usr/bin/env bash
# What a user of the package index gets: the wheel and the source distribution are built, the wheel is installed into an
# empty environment without a C++ compiler's help, and its commands are driven from another folder, up to an adaptation.
#
#   bash tests/wheel.sh FOLDER      (builds and works in FOLDER, which must be new)
#
#   PYTHON  the Python of the environment (default: as for the recipes)
set -euo pipefail
# shellcheck source=recipes/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../recipes/common.sh"
[[ $# == 1 && ! -e "$1" ]] || die "the one argument must be a folder that does not exist yet"
mkdir -p "$1"
WORK=$(cd "$1" && pwd)
VENV=$WORK/venv
unset PYTHONPATH

start=$SECONDS
make_venv
install_torch
pip_install "Install what builds packages" 'setuptools<81' wheel 'build>=1.2,<2'
READTHEDOCS=1 pip_install "Install fairseq" --no-build-isolation --no-deps "fairseq-fixed==$FAIRSEQ"
echo "== Build"
mkdir "$WORK/source" # a copy, so that nothing of an earlier build gets into the wheel
(cd "$REPO" && git ls-files -z --cached --others --exclude-standard | tar -c --null -T -) | tar -x -C "$WORK/source"
"$VENV/bin/python" -m build --no-isolation --outdir "$WORK/dist" "$WORK/source" >"$WORK/build.log" 2>&1 ||
  die "the build failed: $WORK/build.log"
pip_install "Install the wheel" "$(echo "$WORK"/dist/meta_nmt-*.whl)[$EXTRAS]"
echo "== Installed in $((SECONDS - start)) s"
"$VENV/bin/python" -m pip check
tar tzf "$WORK"/dist/meta_nmt-*.tar.gz | grep -q '/recipes/real/best.yaml$' || die "the source distribution must have the recipes"

export PATH="$VENV/bin:$PATH" OMP_NUM_THREADS=1
mkdir "$WORK/elsewhere"
cd "$WORK/elsewhere"
git init -q . # a repository around the user's work is not ours
echo "== Commands"
for program in "$VENV"/bin/meta-nmt-*; do
  "$program" --help >help.txt
  grep -q "usage" help.txt || die "$program --help must show its usage"
  "$program" --version
done
python - <<'PYTHON'
from importlib.metadata import files
from pathlib import Path
import data_prep, meta_nmt
from data_prep.base.versions import commit
top = {file.parts[0] for file in files("meta-nmt") if file.suffix == ".py"}
assert top == {"data_prep", "meta_nmt"}, f"names in site-packages: {top}"
for package in (data_prep, meta_nmt):
    folder = Path(package.__file__).parent
    assert "site-packages" in folder.parts, f"{package.__name__} must be the installed one, but is {folder}"
    assert (folder / "py.typed").is_file(), "types are for users, too"
assert commit() == "unknown", "the commit is not that of the repository around"
PYTHON
meta-nmt-quickstart --dry-run | grep -q '^+ meta-nmt-adapt ' || die "meta-nmt-quickstart must run the recipe"

echo "== An adaptation"
small=(--arch ulr_transformer_tiny --encoder-layers 1 --decoder-layers 1 --encoder-embed-dim 64 --decoder-embed-dim 64
  --num-workers 0 --warmup-updates 5 --max-update 10)
python -m data_prep synthetic --out corpus --languages qaa,qbb,qav --sentences 400 --mono-sentences 200 >log 2>&1
python -m data_prep synthetic --out new --languages qbx --sentences 300 --mono-sentences 200 >>log 2>&1
meta-nmt-preprocess --out data --corpus corpus --mono corpus/mono --dictionaries corpus/dict --source-langs qaa,qbb \
  --valid-langs qav --vocab-size 300 --universal-tokens 300 --vector-dim 32 >>log 2>&1
meta-nmt-train data --save-dir meta --source-langs qaa,qbb --valid-langs qav --support-tokens 300 --query-tokens 300 \
  --valid-sample-tokens 300 "${small[@]}" >>log 2>&1
paste new/qbx-en/train.qbx new/qbx-en/train.en >qbx-en.tsv
meta-nmt-adapt --pairs qbx-en.tsv --checkpoint meta/checkpoint_best.pt --out qbx-en --max-update 10 \
  --num-workers 0 >>log 2>&1
head -n 3 new/qbx-en/test.qbx | meta-nmt-translate --model qbx-en >translated
[[ "$(wc -l <translated)" == 3 ]] || die "three lines must be translated"
echo "== All is well in $((SECONDS - start)) s"
