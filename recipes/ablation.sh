#!/usr/bin/env bash
# What each part of the training of recipes/real/best.yaml is worth: it is left out alone, then all are. Trainings of two
# million tokens at small sizes, BLEU on dev sets, zero-shot and from 16,000 English tokens. Run recipes/real.sh first:
# its data folder is read.
#   bash recipes/ablation.sh                 (after a kill: it goes on)
#   SEEDS="1" TARGETS="ro tr" bash recipes/ablation.sh
set -euo pipefail
# shellcheck source=recipes/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

DATA=${DATA:-$OUTPUTS/real/data}
SEEDS=${SEEDS:-1 2} # of the training, and of the sample
TARGETS=${TARGETS:-ro ko ro_tatoeba tr}

[[ "$DRY_RUN" == 1 || -f "$DATA/data.json" ]] ||
  die "DATA must name a data folder of meta-nmt-preprocess (bash recipes/real.sh makes one), but $DATA is none"
start_recipe ablation
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}

bible=bg,cs,da,de,el,es,et,fr,hr,hu,it,nl,no,pl,pt,ru,sv
tatoeba=$(echo "$bible" | sed 's/[a-z]\+/&_tatoeba/g')
news=cs_news,de_news,es_news,fr_news,hu_news,it_news,pl_news,ru_news
TRAINING=(--source-langs "$bible,$tatoeba,$news" --valid-langs sl --meta-learner joint --arch ulr_transformer_small
  --sampling-temperature 2 --bf16-autocast --dropout 0.1 --meta-batch-size 1 --support-tokens 500 --query-tokens 500
  --max-update 2000 --lr 1e-3 --warmup-updates 100 --lr-scheduler polynomial_decay --total-num-update 2000
  --save-interval-updates 500)
ADAPTATION=(--max-tokens 1000 --max-update 240 --lr-scheduler polynomial_decay --save-interval-updates 120 --r-drop 0)
# 4,000 tokens an update
LARGE=(--support-tokens 2000 --query-tokens 2000 --max-update 500 --total-num-update 500 --warmup-updates 25)

# variant NAME FLAG...: the training with these flags instead, and what it is worth on the dev sets
variant() {
  local name=$1 seed target run
  shift
  for seed in $SEEDS; do
    run=train/$name-$seed
    stage "$run" "Train: $name, seed $seed" meta-nmt-train "$DATA" --save-dir "$RUN/$run" --seed "$seed" \
      "${TRAINING[@]}" "$@"
    for target in $TARGETS; do
      score "$RUN/$run/checkpoint_last.pt" "$name" "$target" zero 0 "$seed"
      stage "adapted/$target-$name-$seed" "Adapt to $target: $name, seed $seed" meta-nmt-adapt "$DATA" \
        --save-dir "$RUN/adapted/$target-$name-$seed" --checkpoint "$RUN/$run/checkpoint_last.pt" \
        --source-lang "$target" --train-subset "train-16000-s$seed" --seed "$seed" "${ADAPTATION[@]}"
      score "$RUN/adapted/$target-$name-$seed/checkpoint_best.pt" "$name" "$target" emb_enc 16000 "$seed"
    done
  done
}

# score CHECKPOINT NAME TARGET STRATEGY TOKENS SEED: translates the dev set
score() {
  local results=results/$3-$2-$4-$6
  stage "$results" "Translate the $3 dev set: $2, $4, seed $6" meta-nmt-generate "$DATA" --path "$1" \
    --source-lang "$3" --gen-subset valid --results "$RUN/$results" --system "$2" --strategy "$4" \
    --english-tokens "$5" --seed "$6"
}

variant full
variant random-start --random-start
variant large-updates "${LARGE[@]}"
variant no-dropout --dropout 0
variant one-domain --source-langs "$bible"
variant old --random-start "${LARGE[@]}" --source-langs "$bible"
run meta-nmt-report "$RUN/results" --baseline full --title "What each part of the training is worth" --out "$RUN/report"
