#!/usr/bin/env bash
# All systems, three seeds, on the embedded family of languages, offline, and the report with their significance:
# recipes/evaluate.yaml says what is compared.
#   bash recipes/evaluate.sh            (again, or after a kill: it goes on where it stopped)
#   CLUSTER=slurm JOBS=20 bash recipes/evaluate.sh
set -euo pipefail
# shellcheck source=recipes/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

SOURCES=qaa,qab,qac,qad,qba,qbb,qbc,qbd,qca,qcb,qcc,qcd,qda,qdb,qdc,qdd,qea,qeb,qec,qed,qfa,qfb,qfc,qfd
VALID=qav
TARGETS=qbx,qdx,qfx
JOBS=${JOBS:-2} # at a time, one thread each
CLUSTER=${CLUSTER:-local}

start_recipe evaluate
stage corpus "Generate the languages" python -m data_prep synthetic --out "$RUN/corpus" --mono-sentences 2000
stage data "Prepare the data: SentencePiece, vectors, alignment, binarised text" \
  meta-nmt-preprocess --out "$RUN/data" --corpus "$RUN/corpus" --mono "$RUN/corpus/mono" \
  --dictionaries "$RUN/corpus/dict" --source-langs "$SOURCES" --valid-langs "$VALID" --target-langs "$TARGETS" \
  --english-tokens 1200,4800 --sample-seeds 1,2,3 --vocab-size 1000 --universal-tokens 1000 --vector-dim 64

# no stage: it knows itself what has finished, and the file may have changed
echo "== Evaluate every system, and write the report"
run meta-nmt-evaluate recipes/evaluate.yaml --data "$RUN/data" --out "$RUN/experiment" \
  --jobs "$JOBS" --cluster "$CLUSTER"
