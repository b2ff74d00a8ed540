#!/usr/bin/env bash
# The Bible: prepare all languages, train jointly and meta-train, once for all targets.
#   CORPUS        folder with XX.tsv.gz (verse id<TAB>text) of every language below and en.tsv.gz
#   DICTIONARIES  folder with XX-en.train.tsv.gz word lists (MUSE)
#   MONO          optional: folder with more monolingual text, XX.txt, XX.tsv or XX-en.tsv
# Run by the targets' recipes; may be run alone. One English side for all languages, so the same books are held out
# everywhere: the Gospel of John is the test set, Hebrews and James the dev set.
set -euo pipefail
# shellcheck source=recipes/low_resource.sh
source "$(dirname "${BASH_SOURCE[0]}")/../low_resource.sh"

need_folder CORPUS "the folder with the Bible files XX.tsv or XX.tsv.gz"
need_folder DICTIONARIES "the folder with the word lists XX-en.train.tsv or XX-en.train.tsv.gz"
[[ -z "${MONO:-}" ]] || need_folder MONO "a folder with monolingual text"

ARCH=${ARCH:-ulr_transformer_metanmt}
SOURCES=${SOURCES:-bg,cs,da,de,el,es,et,fr,hr,hu,it,nl,no,pl,pt,ru,sv}
VALID=sl
TARGETS=${TARGETS:-ro,lv,fi,ko}

PREPARATION=(--vocab-size 8000 --universal-tokens 8000 --vector-dim 300 --english-tokens 16000)
TRAINING=(--support-tokens 2000 --query-tokens 2000 --sampling-temperature 2 --eval-bleu)
BASE_TRAINING=(--meta-learner joint "${TRAINING[@]}" --max-update 20000)
JOINT_TRAINING=(--meta-learner joint "${TRAINING[@]}" --max-update 10000 --lr 5e-4)
FOMAML_TRAINING=(--meta-learner fomaml "${TRAINING[@]}" --max-update 10000 --lr 5e-4)

start_recipe bible/meta_train
META=$RUN
stage data "Prepare the data: SentencePiece, vectors, alignment, binarised text" \
  meta-nmt-preprocess --out "$RUN/data" --corpus "$CORPUS" ${MONO:+--mono "$MONO"} \
  --dictionaries "$DICTIONARIES" --source-langs "$SOURCES" --valid-langs "$VALID" --target-langs "$TARGETS" \
  --valid-ids HEB,JAS --test-ids JHN --sample-seeds "${SEEDS// /,}" "${PREPARATION[@]}"
train_systems
