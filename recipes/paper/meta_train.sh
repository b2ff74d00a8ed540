#!/usr/bin/env bash
# The experiment of the MetaNMT paper (arXiv 1808.08437, section 4): Europarl and WMT. Fetch the corpora, prepare all
# languages, train jointly and meta-train, once for all targets that share the meta-validation language.
#   CORPUS        optional: a local copy instead of the hub. A folder in any layout of meta-nmt-preprocess, such as
#                 XX-en/{train,valid,test}.{XX,en} (sources need train alone), or a manifest
#   DICTIONARIES  optional: folder with XX-en.train.tsv.gz word lists (MUSE)
#   MONO          optional: folder with more monolingual text, XX.txt, XX.tsv or XX-en.tsv
#   VALID         language of meta-validation: lv (default), or ro, as in the paper; it is then no target
#   EXTRA_PREPARATION   more flags of meta-nmt-preprocess, which win: EXTRA_PREPARATION="--vocab-size 8000"
# What stands for which corpus of the paper: corpora.yaml. Run by the targets' recipes; may be run alone. The sizes are
# the paper's: about 10 GB of text, and training that needs a GPU.
set -euo pipefail
SEEDS=${SEEDS:-1 2 3 4 5}
# shellcheck source=recipes/low_resource.sh
source "$(dirname "${BASH_SOURCE[0]}")/../low_resource.sh"

VALID=${VALID:-lv}
ARCH=${ARCH:-ulr_transformer_metanmt}
SOURCES=${SOURCES:-bg,cs,da,de,el,es,et,fr,hu,it,lt,nl,pl,pt,ru,sk,sl,sv}
TARGETS=${TARGETS:-$(tr , '\n' <<<ro,lv,fi,tr,ko | grep -vx "$VALID" | paste -sd ,)}
read -ra EXTRA_PREPARATION <<<"${EXTRA_PREPARATION:-}"

[[ -z "${DICTIONARIES:-}" ]] || need_folder DICTIONARIES "the folder with the word lists XX-en.train.tsv(.gz)"
[[ -z "${MONO:-}" ]] || need_folder MONO "a folder with monolingual text"
if [[ -f "${CORPUS:-}" ]]; then
  CORPUS=$(realpath "$CORPUS")
elif [[ -n "${CORPUS:-}" ]]; then
  need_folder CORPUS "a folder or manifest of the corpora (or nothing, for the hub)"
fi

PREPARATION=(--vocab-size 40000 --universal-tokens 20000 --vector-dim 300 --english-tokens 160000,40000,16000,4000)
TRAINING=(--support-tokens 4000 --query-tokens 4000 --sampling-temperature 2 --eval-bleu --ulr-top-k 0 --random-start)
SCRATCH_ADAPTATION=(--ulr-top-k 0 --random-start)
ADAPTATION=(--max-update 240 --save-interval-updates 60 --r-drop 0)
BASE_TRAINING=(--meta-learner joint "${TRAINING[@]}" --max-update 50000)
JOINT_TRAINING=(--meta-learner joint "${TRAINING[@]}" --max-update 50000 --lr 5e-4)
FOMAML_TRAINING=(--meta-learner fomaml "${TRAINING[@]}" --max-update 50000 --lr 5e-4)

if [[ -z "${CORPUS:-}" ]]; then
  start_recipe paper
  stage corpora "Fetch the corpora: Europarl, WMT, Korean Parallel Dataset" \
    python -m data_prep fetch recipes/paper/corpora.yaml --out "$RUN/corpora"
  CORPUS=$RUN/corpora
fi

start_recipe "paper/valid-$VALID"
META=$RUN
stage data "Prepare the data: SentencePiece, vectors, alignment, binarised text" \
  meta-nmt-preprocess --out "$RUN/data" --corpus "$CORPUS" ${MONO:+--mono "$MONO"} \
  ${DICTIONARIES:+--dictionaries "$DICTIONARIES"} \
  --source-langs "$SOURCES" --valid-langs "$VALID" --target-langs "$TARGETS" \
  --sample-seeds "${SEEDS// /,}" "${PREPARATION[@]}" "${EXTRA_PREPARATION[@]}"
train_systems
