#!/usr/bin/env bash
# The starter: a model that has read sixty languages and is given away, so that a person with 600 sentence pairs
# of another language trains nothing but that. It takes text that may be given away alone (recipes/starter/corpora.py).
#   PACKS=DIR bash recipes/starter.sh     (DIR: bible, bible-world, tatoeba, gnome, ntrex; after a kill: it goes on)
#   WORKERS=2    processes of one thread each that train together; another number later goes on from the same checkpoint
#   UPDATES=3500 ENDING=1500    updates at one rate, and then updates at a rate that falls to zero
#   START=meta_nmt/starters/many-en/meta.pt    a starter to go on from (default: random parameters)
set -euo pipefail
# shellcheck source=recipes/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

need_folder PACKS "the folder with the packs bible, bible-world, tatoeba, gnome and ntrex"
WORKERS=${WORKERS:-2}
UPDATES=${UPDATES:-3500}
ENDING=${ENDING:-1500}

start_recipe starter
FROM=()
if [[ -n "${START:-}" ]]; then
  [[ "$DRY_RUN" == 1 || -f "$START" ]] || die "START must name the meta.pt of a starter, but $START does not exist"
  FROM=(--finetune-from-model "$START")
fi
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
stage corpus "List the corpora" python -m recipes.starter.corpora --packs "$PACKS" --out "$RUN/corpus"
SOURCES=$(cat "$RUN/corpus/sources.txt" 2>/dev/null || echo SOURCES) # SOURCES where DRY_RUN listed nothing
VALID=sl,ceb,nde,csy
# no word lists: those at hand are not free. So sources are aligned with 600 of their pairs, as a new language will be
stage data "Prepare the data: SentencePiece, vectors, alignment, binarised text" \
  meta-nmt-preprocess --out "$RUN/data" --corpus "$RUN/corpus" --mono "$RUN/corpus/mono" \
  --source-langs "$SOURCES" --valid-langs "$VALID" --valid-ids HEB,JAS --test-ids JHN --universal-tokens 4000 \
  --vector-dim 300 --align-as-targets
TRAINING=(--meta-learner joint --arch ulr_transformer_small --source-langs "$SOURCES" --valid-langs "$VALID"
  --sampling-temperature 10 --bf16-autocast --dropout 0.1 --meta-batch-size 2 --support-tokens 500 --query-tokens 500
  --seed 1 --lr 7e-4 --save-interval-updates 1000)
WORLD=()
((WORKERS == 1)) || WORLD=(--distributed-world-size "$WORKERS")
# no stages: they know themselves how far they are, and the number of workers changes nothing
echo "== Train at one rate"
run meta-nmt-train "$RUN/data" --save-dir "$RUN/base" "${TRAINING[@]}" "${WORLD[@]}" "${FROM[@]}" \
  --lr-scheduler fixed --warmup-updates 400 --max-update "$UPDATES"
echo "== Train at a rate that falls to zero"
run meta-nmt-train "$RUN/data" --save-dir "$RUN/ending" "${TRAINING[@]}" "${WORLD[@]}" \
  --finetune-from-model "$RUN/base/checkpoint_last.pt" --lr-scheduler polynomial_decay --warmup-updates 100 \
  --total-num-update "$ENDING" --max-update "$ENDING" --validate-interval 1000
STAGES_SO_FAR="$UPDATES $ENDING $VALID"
stage many-en "Make the starter" meta-nmt-export "$RUN/data" --path "$RUN/ending/checkpoint_last.pt" --to meta --half \
  --licence cc-by-sa-4.0 --about recipes/starter/about.md --out "$RUN/many-en"
[[ "$DRY_RUN" == 1 ]] || cp "$RUN/corpus/ATTRIBUTION.md" "$RUN/many-en/"
echo "meta_nmt/starters/ is where the package looks for it: rm -rf meta_nmt/starters/many-en; cp -r $RUN/many-en meta_nmt/starters/"
