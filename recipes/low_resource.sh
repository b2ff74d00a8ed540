# The experiment that all recipes share: joint and meta-training over many languages, then, for a target language and
# every seed, adaptation from a small sample, translation of the test set and a BLEU table. Source it after setting
#   SOURCES, VALID   languages of meta-training and of meta-validation, comma-separated
#   ARCH             architecture
#   *_TRAINING, *_ADAPTATION   flags of each system (below; the recipe may replace them)
# A user may set
#   SEEDS             seeds of the samples and of adaptation (default "1 2 3")
#   STRATEGY          what is adapted: emb, emb_enc (default) or all
#   EXTRA_TRAINING, EXTRA_ADAPTATION   more flags, which win: EXTRA_TRAINING="--max-update 100" for a short run
set -euo pipefail
# shellcheck source=recipes/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

SEEDS=${SEEDS:-1 2 3}
STRATEGY=${STRATEGY:-emb_enc}
read -ra EXTRA_TRAINING <<<"${EXTRA_TRAINING:-}"
read -ra EXTRA_ADAPTATION <<<"${EXTRA_ADAPTATION:-}"

# Both systems go on from the same joint model, over as many updates: BASE is that model, JOINT and FOMAML go on.
BASE_TRAINING=(--meta-learner joint --max-update 4000)
JOINT_TRAINING=(--meta-learner joint --max-update 4000)
FOMAML_TRAINING=(--meta-learner fomaml --max-update 4000)
SCRATCH_ADAPTATION=()
ADAPTATION=()

# train SYSTEM TITLE FLAG...: one model over all source languages, in $META/SYSTEM
train() {
  local system=$1 title=$2
  shift 2
  stage "$system" "$title" meta-nmt-train "$META/data" --save-dir "$META/$system" --arch "$ARCH" \
    --source-langs "$SOURCES" --valid-langs "$VALID" --seed 1 "$@" "${EXTRA_TRAINING[@]}"
}

# The models of all targets of a family. META, the folder of the data and the models, is where the recipe writes now.
train_systems() {
  local from_base=(--finetune-from-model "$META/base/checkpoint_last.pt")
  train base "Train the joint model that both systems start from" "${BASE_TRAINING[@]}"
  train joint "Joint multilingual training, continued (the strong baseline)" "${from_base[@]}" "${JOINT_TRAINING[@]}"
  train fomaml "Meta-training, from the same start" "${from_base[@]}" "${FOMAML_TRAINING[@]}"
}

# translate CHECKPOINT TARGET SYSTEM STRATEGY TOKENS SEED: the test set, scored in the report
translate() {
  local checkpoint=$1 target=$2 system=$3 strategy=$4 tokens=$5 seed=$6
  local name=$target-$system-$strategy-$tokens-s$seed
  RESULTS+=("$RUN/results/$name")
  stage "results/$name" "Translate the $target test set: $system, $strategy, seed $seed" \
    meta-nmt-generate "$META/data" --path "$checkpoint" --source-lang "$target" --gen-subset test \
    --results "$RUN/results/$name" --system "$system" --strategy "$strategy" --english-tokens "$tokens" --seed "$seed"
}

# adapt TARGET SYSTEM STRATEGY TOKENS SEED FLAG...: fine-tune on the seed's sample, then translate the test set
adapt() {
  local target=$1 system=$2 strategy=$3 tokens=$4 seed=$5
  local name=$target-$system-$strategy-$tokens-s$seed
  shift 5
  stage "adapted/$name" "Adapt to $target from $tokens English tokens: $system, $strategy, seed $seed" \
    meta-nmt-adapt "$META/data" --save-dir "$RUN/adapted/$name" --source-lang "$target" \
    --train-subset "train-$tokens-s$seed" --seed "$seed" "$@" "${EXTRA_ADAPTATION[@]}"
  translate "$RUN/adapted/$name/checkpoint_best.pt" "$target" "$system" "$strategy" "$tokens" "$seed"
}

# what_next TARGET: the table of the report, and what can be done with what is there
what_next() {
  local target=$1 translator
  translator=$(printf '%q' "$RUN/translator")
  awk '/^## / { exit } 1' "$RUN/report.md"
  python "$REPO/recipes/above_joint.py" "$RUN/report.json"
  echo "The whole report: $RUN/report.html (for a browser) and $RUN/report.md"
  echo "The meta-trained translator, in $PWD:"
  [[ "$INSTALL" == 0 ]] || echo "  source $(printf '%q' "$VENV/bin/activate")"
  echo "  head -n 3 $(printf '%q' "$META/data/text/$target-en/test.$target") | meta-nmt-translate --model $translator"
  echo "  meta-nmt-serve $translator"
}

# low_resource TARGET TOKENS TITLE: all systems on one target, the report, and a translator
low_resource() {
  local target=$1 tokens=$2 title=$3 system seed
  RESULTS=()
  for system in joint fomaml; do
    translate "$META/$system/checkpoint_best.pt" "$target" "$system" zero 0 1
  done
  for seed in $SEEDS; do
    adapt "$target" scratch all "$tokens" "$seed" --from-scratch --arch "$ARCH" "${SCRATCH_ADAPTATION[@]}"
    for system in joint fomaml; do
      adapt "$target" "$system" "$STRATEGY" "$tokens" "$seed" --checkpoint "$META/$system/checkpoint_best.pt" \
        --strategy "$STRATEGY" "${ADAPTATION[@]}"
    done
  done
  stage report "Report" meta-nmt-report "${RESULTS[@]}" --out "$RUN" --title "$title"
  stage translator "Export the meta-trained translator of the first seed" meta-nmt-export "$META/data" \
    --path "$RUN/adapted/$target-fomaml-$STRATEGY-$tokens-s${SEEDS%% *}/checkpoint_best.pt" \
    --source-lang "$target" --out "$RUN/translator"
  [[ "$DRY_RUN" == 1 ]] || what_next "$target"
}
