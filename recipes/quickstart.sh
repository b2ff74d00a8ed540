#!/usr/bin/env bash
# The main job on the embedded family of languages, offline: generate the languages, prepare, train jointly and
# meta-train, adapt to a held-out language from 600 sentence pairs, translate, and print a BLEU table. Then a real
# language: the starter that comes with the package is adapted to Tagalog, which it has never read, from 600 pairs.
#   bash recipes/quickstart.sh       (again: finished stages are skipped)
set -euo pipefail
# shellcheck source=recipes/low_resource.sh
source "$(dirname "${BASH_SOURCE[0]}")/low_resource.sh"

ARCH=ulr_transformer_tiny
SOURCES=qaa,qab,qac,qad,qba,qbb,qbc,qbd,qca,qcb,qcc,qcd,qda,qdb,qdc,qdd,qea,qeb,qec,qed,qfa,qfb,qfc,qfd
VALID=qav
TARGETS=qbx,qdx,qfx
TARGET=qbx
ENGLISH_TOKENS=4800 # about 600 sentence pairs

PREPARATION=(--vocab-size 1000 --universal-tokens 1000 --vector-dim 64)
TRAINING=(--support-tokens 500 --query-tokens 500 --sampling-temperature 5 --valid-sample-tokens 5000 --eval-bleu)
BASE_TRAINING=(--meta-learner joint "${TRAINING[@]}" --max-update 300 --lr 2e-3 --warmup-updates 100)
JOINT_TRAINING=(--meta-learner joint "${TRAINING[@]}" --max-update 120 --lr 1e-3 --warmup-updates 20)
FOMAML_TRAINING=(--meta-learner fomaml "${TRAINING[@]}" --max-update 120 --lr 1e-3 --warmup-updates 20)
SCRATCH_ADAPTATION=(--max-tokens 1000 --max-update 300 --save-interval-updates 100 --patience 2)
ADAPTATION=(--max-tokens 1000 --max-update 120 --save-interval-updates 40 --r-drop 0)

start_recipe quickstart
META=$RUN
stage corpus "Generate the languages" python -m data_prep synthetic --out "$RUN/corpus" --mono-sentences 2000
stage data "Prepare the data: SentencePiece, vectors, alignment, binarised text" \
  meta-nmt-preprocess --out "$RUN/data" --corpus "$RUN/corpus" --mono "$RUN/corpus/mono" \
  --dictionaries "$RUN/corpus/dict" --source-langs "$SOURCES" --valid-langs "$VALID" --target-langs "$TARGETS" \
  --english-tokens "$ENGLISH_TOKENS" --sample-seeds "${SEEDS// /,}" "${PREPARATION[@]}"
train_systems
low_resource "$TARGET" "$ENGLISH_TOKENS" "Quickstart: $TARGET to English, a generated language"

echo "== Tagalog, a real language that the starter has never read, from 600 pairs"
PAIRS=$REPO/recipes/real_language
run meta-nmt-adapt --pairs "$PAIRS/tl-en.tsv" --test "$PAIRS/tl-en.test.tsv" --out "$RUN/tl-en"
