#!/usr/bin/env bash
# Everyday sentences (Tatoeba): prepare all languages, train jointly and meta-train, once for all targets.
#   CORPUS        folder with XX-en.tsv.gz (X<TAB>English) of every language below
#   DICTIONARIES  folder with XX-en.train.tsv.gz word lists (MUSE)
#   MONO          optional: folder with more monolingual text, XX.txt, XX.tsv or XX-en.tsv
# Run by the targets' recipes; may be run alone. The test lines of all five targets are held out from the start.
set -euo pipefail
# shellcheck source=recipes/low_resource.sh
source "$(dirname "${BASH_SOURCE[0]}")/../low_resource.sh"

need_folder CORPUS "the folder with the Tatoeba files XX-en.tsv or XX-en.tsv.gz"
need_folder DICTIONARIES "the folder with the word lists XX-en.train.tsv or XX-en.train.tsv.gz"
[[ -z "${MONO:-}" ]] || need_folder MONO "a folder with monolingual text"

ARCH=${ARCH:-ulr_transformer_small}
SOURCES=${SOURCES:-bg,cs,da,de,el,es,et,fr,hr,hu,it,lt,nl,no,pl,pt,ru,sv}
VALID=sl
TARGETS=${TARGETS:-ro,lv,fi,ko,tr}

PREPARATION=(--vocab-size 8000 --universal-tokens 4000 --vector-dim 300 --english-tokens 16000,4000,400)
TRAINING=(--support-tokens 500 --query-tokens 500 --sampling-temperature 2 --save-interval-updates 200 --eval-bleu)
BASE_TRAINING=(--meta-learner joint "${TRAINING[@]}" --max-update 1400 --lr 1e-3 --warmup-updates 300)
JOINT_TRAINING=(--meta-learner joint "${TRAINING[@]}" --max-update 500 --lr 5e-4 --warmup-updates 50)
FOMAML_TRAINING=(--meta-learner fomaml "${TRAINING[@]}" --max-update 500 --lr 5e-4 --warmup-updates 50)
SCRATCH_ADAPTATION=(--max-tokens 1000 --max-update 500 --save-interval-updates 100 --patience 3)
ADAPTATION=(--max-tokens 1000 --max-update 160 --save-interval-updates 40 --r-drop 0)

# what the split leaves of these two languages is less than 16,000 English tokens
[[ $TARGETS != *lv* ]] || PREPARATION+=(--english-tokens-of lv=400)
[[ $TARGETS != *ko* ]] || PREPARATION+=(--english-tokens-of ko=4000,400)

start_recipe tatoeba/meta_train
META=$RUN
stage data "Prepare the data: SentencePiece, vectors, alignment, binarised text" \
  meta-nmt-preprocess --out "$RUN/data" --corpus "$CORPUS" ${MONO:+--mono "$MONO"} \
  --dictionaries "$DICTIONARIES" --source-langs "$SOURCES" --valid-langs "$VALID" --target-langs "$TARGETS" \
  --hold-out-last 500,1000 --sample-seeds "${SEEDS// /,}" "${PREPARATION[@]}"
train_systems
