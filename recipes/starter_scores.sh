#!/usr/bin/env bash
# How good the translators are that people make from the starter: pairs of languages that it has never read, and nothing
# else, go through meta-nmt-adapt as theirs would. Beside it a model of the same shape that is trained on the pairs alone.
#   PACKS=DIR bash recipes/starter_scores.sh    (bible, bible-world, tatoeba, ntrex, wmt, lafand, loresmt-ga; it goes on)
#   STARTER=outputs/starter/many-en/meta.pt     (default: the one that came with the package)
#   LANGS="ha ko" SIZES="100 600 2000" SEEDS="1 2 3"
set -euo pipefail
# shellcheck source=recipes/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=recipes/starter/cells.sh
source "$REPO/recipes/starter/cells.sh"

need_folder PACKS "the folder with the packs bible, bible-world, tatoeba, ntrex, wmt, lafand and loresmt-ga"
STARTER=${STARTER:-meta_nmt/starters/many-en/meta.pt}

start_recipe starter-scores
[[ "$DRY_RUN" == 1 || -f "$STARTER" ]] || die "STARTER must name a meta model, but $STARTER does not exist"
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
stage samples "Draw the pairs" python -m recipes.starter.samples --packs "$PACKS" --out "$RUN/samples"
after_samples=$STAGES_SO_FAR

# result NAME RUN SYSTEM STRATEGY LANG SIZE SEED: translates the test set with the run's best checkpoint
result() {
  stage "results/$1" "Translate: $1" meta-nmt-generate "$RUN/made/$5-$6-s$7/work/data" --path "$2/checkpoint_best.pt" \
    --source-lang "$5" --gen-subset test --results "$RUN/results/$1" --system "$3" --strategy "$4" \
    --english-tokens "$(english_tokens "$RUN/samples/$5/$6-s$7.tsv")" --seed "$7"
}

declare -A after_made
for cell in "${cells[@]}"; do
  read -r lang size seed <<<"$cell"
  name=$lang-$size-s$seed made=$RUN/made/$lang-$size-s$seed
  STAGES_SO_FAR=$after_samples
  stage "made/$name" "$lang, $size pairs, sample $seed: adapt the starter" meta-nmt-adapt --checkpoint "$STARTER" \
    --source-lang "$lang" --pairs "$RUN/samples/$lang/$size-s$seed.tsv" --test "$RUN/samples/$lang/test.tsv" \
    --seed "$seed" --strategy emb_enc --out "$made"
  after_made[$name]=$STAGES_SO_FAR
  result "$name-starter" "$made/work/runs/emb_enc" starter emb_enc "$lang" "$size" "$seed"
done
for cell in "${cells[@]}"; do
  read -r lang size seed <<<"$cell"
  name=$lang-$size-s$seed
  STAGES_SO_FAR=${after_made[$name]}
  stage "scratch/$name" "$lang, $size pairs, sample $seed: train from random parameters" meta-nmt-adapt \
    "$RUN/made/$name/work/data" --from-scratch --arch ulr_transformer_small --source-lang "$lang" \
    --train-subset train --seed "$seed" --max-update 1200 --save-interval-updates 300 --save-dir "$RUN/scratch/$name"
  result "$name-scratch" "$RUN/scratch/$name" scratch all "$lang" "$size" "$seed"
done
run meta-nmt-report "$RUN/results" --baseline scratch --title "Translators from the starter" --out "$RUN/report"
run python -m recipes.starter.scores "$RUN/report/report.csv" --out "$RUN/scores.json"
echo "meta-nmt-export --to meta --scores $RUN/scores.json puts them into the card of the starter"
