#!/usr/bin/env bash
# What a user would build without this toolkit, on the same text: stock fairseq with one vocabulary for all languages.
# It is trained with one, two and four times the tokens of recipes/real/best.yaml, fine-tuned whole on the same samples,
# and scored on the same test sets. Run recipes/real.sh first: its data folder is read.
#   bash recipes/peers.sh                              (after a kill: it goes on)
#   BUDGETS="14400" SEEDS="1" bash recipes/peers.sh    (fewer trainings, fewer samples)
set -euo pipefail
# shellcheck source=recipes/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=recipes/peers/common.sh
source "$REPO/recipes/peers/common.sh"

DATA=${DATA:-$OUTPUTS/real/data}
BUDGETS=${BUDGETS:-14400 28800 57600} # updates
TARGETS=${TARGETS:-ro lv fi ko zu ro_tatoeba tr ro_news lv_news fi_news tr_news}
SEEDS=${SEEDS:-1 2 3}
TRAIN+=(--max-tokens 1000) # of an update, as in recipes/real/best.yaml

[[ "$DRY_RUN" == 1 || -f "$DATA/data.json" ]] ||
  die "DATA must name a data folder of meta-nmt-preprocess (bash recipes/real.sh makes one), but $DATA is none"
start_recipe peers
need_compiled_fairseq
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}

# tokens_of TARGET: English tokens of its samples, as in recipes/real.sh
tokens_of() {
  case $1 in
    ro_tatoeba_100 | tr_100) echo 640 ;;
    *_100) echo 2500 ;;
    *) echo 16000 ;;
  esac
}

# a cell is a sample of a target, once with 100 pairs; each depends on the text and the model alone, not on other cells
cells=() # of "TARGET SEED"
for target in $TARGETS; do for seed in $SEEDS; do cells+=("$target $seed" "${target}_100 $seed"); done; done

stage text "One SentencePiece model for all languages, and the training text" python -m recipes.peers.plain text \
  --data "$DATA" --targets "${TARGETS// /,}" --out "$RUN/text" --tokens 57600000
after_text=$STAGES_SO_FAR
binarise_text
after_bin=$STAGES_SO_FAR
for cell in "${cells[@]}"; do
  read -r target seed <<<"$cell"
  sample=train-$(tokens_of "$target")-s$seed name=$target-s$seed
  STAGES_SO_FAR=$after_text
  prepare_cell "$name" "$DATA" "$target" "$sample"
done

# a trunk of a constant rate, from which each budget branches off: in its last sixth the rate falls to zero
trunk=
declare -A after_training
STAGES_SO_FAR=$after_bin
for updates in $(printf '%s\n' $BUDGETS | sort -n); do
  stem=$((updates * 5 / 6)) name=plain-$updates
  stage "train/trunk-$stem" "Train until update $stem" go_on "$RUN/train/trunk-$stem" "$trunk" \
    --lr-scheduler fixed --warmup-updates 300 --max-update "$stem"
  trunk=$RUN/train/trunk-$stem/checkpoint_last.pt after_trunk=$STAGES_SO_FAR
  stage "train/$name" "Let the rate fall to zero until update $updates" go_on "$RUN/train/$name" "$trunk" \
    --lr-scheduler polynomial_decay --warmup-updates "$stem" --total-num-update "$updates" --max-update "$updates"
  after_training[$updates]=$STAGES_SO_FAR STAGES_SO_FAR=$after_trunk
done

# The smallest budget is tested on every sample. Larger ones tell when the peer catches up: there the first sample of the
# Bible's and Tatoeba's targets is enough.
first_seed=${SEEDS%% *} smallest=$(printf '%s\n' $BUDGETS | sort -n | head -n 1)
for updates in $(printf '%s\n' $BUDGETS | sort -n); do
  name=plain-$updates checkpoint=$RUN/train/plain-$updates/checkpoint_last.pt
  for cell in "${cells[@]}"; do
    read -r target seed <<<"$cell"
    [[ "$updates" == "$smallest" || ("$seed" == "$first_seed" && ! "$target" =~ _news|_100) ]] || continue
    if [[ "$seed" == "$first_seed" && "$target" != *_100 ]]; then # 100 pairs: the same zero-shot
      STAGES_SO_FAR=${after_training[$updates]:-}
      stage "results/$target-$name-zero" "$target, zero-shot" \
        translate "$target-$name-zero" "$checkpoint" "$target-s$seed" "$DATA" "$target" "$seed" 0 "plain-$updates"
    fi
    STAGES_SO_FAR=${after_training[$updates]:-}
    tuned=$target-$name-s$seed tune_updates=1200
    [[ "$target" != *_100 ]] || tune_updates=300 # 100 pairs are fitted sooner
    stage "tuned/$tuned" "$target, sample $seed: fine-tune" \
      tune "$RUN/tuned/$tuned" "$checkpoint" "$target-s$seed" "$seed" "$tune_updates"
    stage "results/$tuned" "$target, sample $seed: translate" \
      translate "$tuned" "$RUN/tuned/$tuned/checkpoint_best.pt" "$target-s$seed" "$DATA" "$target" "$seed" \
      "$(tokens_of "$target")" "plain-$updates"
  done
done
run python -m recipes.peers.compare --ours "${OURS:-$OUTPUTS/real/best}" --plain "$RUN/results" --out "$RUN/report"
