#!/usr/bin/env bash
# The comparison of the MetaNMT paper (Gu et al. 2018) as its authors' code makes it: their baseline trains residual
# rows of source tokens, and is tested without them. Is that the published gap? Beside it joint training that never has
# rows, has them in half of its episodes, or has a table for each language. Each is fine-tuned as the authors' code
# does, and as ours does.
# Run recipes/real.sh first: its data folder is read.
#   bash recipes/authors.sh                  (after a kill: it goes on)
#   SEEDS="1" TARGETS="ro ko" bash recipes/authors.sh
set -euo pipefail
# shellcheck source=recipes/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

DATA=${DATA:-$OUTPUTS/real/data}
SEEDS=${SEEDS:-1 2 3} # of the sample
TARGETS=${TARGETS:-ro lv fi ko zu}

[[ "$DRY_RUN" == 1 || -f "$DATA/data.json" ]] ||
  die "DATA must name a data folder of meta-nmt-preprocess (bash recipes/real.sh makes one), but $DATA is none"
start_recipe authors
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}

# 8.4 million tokens from random parameters, as the paper starts; 4,000 of support and of query
LR=1e-3
TRAINING=(--source-langs bg,cs,da,de,el,es,et,fr,hr,hu,it,nl,no,pl,pt,ru,sv --valid-langs sl
  --arch ulr_transformer_small --random-start --sampling-temperature 2 --bf16-autocast --dropout 0.1 --meta-batch-size 1
  --support-tokens 4000 --query-tokens 4000 --max-update 1050 --lr "$LR" --warmup-updates 100
  --lr-scheduler polynomial_decay --total-num-update 1050 --save-interval-updates 350 --seed 1)
# 64 steps of 4,000 tokens at a constant rate, the best by dev BLEU; theirs may also keep the start, and ours never does
THEIRS=(--max-tokens 4000 --max-update 64 --lr 1.4e-4 --lr-scheduler fixed --warmup-updates 0 --save-interval-updates 16
  --patience -1 --r-drop 0)
OURS=(--max-tokens 1000 --max-update 240 --lr 1e-3 --lr-scheduler polynomial_decay --save-interval-updates 120
  --patience -1 --r-drop 0)

# system NAME FLAG...: the training with these flags, and its translations of the test sets
system() {
  local name=$1 seed target
  shift
  stage "train/$name" "Train: $name" meta-nmt-train "$DATA" --save-dir "$RUN/train/$name" "${TRAINING[@]}" "$@"
  for target in $TARGETS; do
    translate "$RUN/train/$name/checkpoint_last.pt" "$name" "$target" zero 0 1
    for seed in $SEEDS; do
      adapt "$name" "$target" "$seed" theirs "${THEIRS[@]}"
      adapt "$name" "$target" "$seed" ours "${OURS[@]}"
    done
  done
}

# adapt NAME TARGET SEED WAY FLAG...: fine-tune words and encoder in one of the two ways, and translate
adapt() {
  local name=$1 target=$2 seed=$3 way=$4
  local run=adapted/$target-$name-$way-$seed
  shift 4
  stage "$run" "Adapt to $target, as $way: $name, sample $seed" meta-nmt-adapt "$DATA" --save-dir "$RUN/$run" \
    --checkpoint "$RUN/train/$name/checkpoint_last.pt" --source-lang "$target" --train-subset "train-16000-s$seed" \
    --strategy emb_enc --seed "$seed" "$@"
  translate "$RUN/$run/checkpoint_best.pt" "$name" "$target" "$way" 16000 "$seed"
}

# translate CHECKPOINT NAME TARGET WAY TOKENS SEED: the test set
translate() {
  local results=results/$3-$2-$4-$6
  stage "$results" "Translate the $3 test set: $2, $4, sample $6" meta-nmt-generate "$DATA" --path "$1" \
    --source-lang "$3" --gen-subset test --results "$RUN/$results" --system "$2" --strategy "$4" \
    --english-tokens "$5" --seed "$6"
}

system multi_nmt --meta-learner multi_nmt
system multi_nmt_half --meta-learner multi_nmt --row-dropout 0.5
system multi_nmt_own --meta-learner multi_nmt --own-rows
system joint --meta-learner joint
system fomaml --meta-learner fomaml --support-weight 0 --inner-lr "$LR"
run meta-nmt-report "$RUN/results" --baseline multi_nmt --title "The paper's comparison" --out "$RUN/report"
