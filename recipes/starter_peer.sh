#!/usr/bin/env bash
# What a user would build without the starter, on the starter's text: stock fairseq with one vocabulary for all sources.
# It is trained on no fewer English tokens, fine-tuned whole on the same pairs, and scored on the same test sets. The
# report has the starter and scratch beside it. Run recipes/starter.sh and recipes/starter_scores.sh first: the folders
# that they make are read.
#   bash recipes/starter_peer.sh                                  (after a kill: it goes on)
#   LANGS="ha ko" SIZES="600" SEEDS="1"                           (those that starter_scores.sh has, or fewer)
#   UPDATES=1000, TOKENS=2000000 English tokens, PIECES=4000      (a shorter training, less text, a smaller vocabulary)
set -euo pipefail
# shellcheck source=recipes/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=recipes/peers/common.sh
source "$REPO/recipes/peers/common.sh"
# shellcheck source=recipes/starter/cells.sh
source "$REPO/recipes/starter/cells.sh"

DATA=${DATA:-$OUTPUTS/starter/data}
SCORES=${SCORES:-$OUTPUTS/starter-scores}
TOKENS=${TOKENS:-10000000} # 5,000 updates of 2,000, as recipes/starter.sh has them
PIECES=${PIECES:-16000}
readonly BATCH=2000 # tokens of an update, as the starter's
TRAIN+=(--max-tokens "$BATCH")

[[ "$DRY_RUN" == 1 || -d "$SCORES" ]] ||
  die "SCORES must name the folder that bash recipes/starter_scores.sh makes, but $SCORES is none"
[[ "$DRY_RUN" == 1 || -f "$DATA/data.json" ]] ||
  die "DATA must name a data folder of meta-nmt-preprocess (bash recipes/starter.sh makes one), but $DATA is none"
start_recipe starter-peer
need_compiled_fairseq
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}

# The starter draws a source by its tokens, and then 1,000 of its tokens: sources share tokens there, and not pairs. Its
# tokens are those of the longer side of a pair, so it reads 10 million English tokens at most. The peer reads as many.
# The vocabulary reads no text of the languages tested, so scripts that no source has are spelled as bytes. Otherwise
# all their words would be one unknown symbol.
stage text "One SentencePiece model for all sources and English, and the training text" \
  python -m recipes.peers.plain text --data "$DATA" --out "$RUN/text" --tokens "$TOKENS" --by-english \
  --temperature 10 --pieces "$PIECES" --byte-fallback
after_text=$STAGES_SO_FAR
binarise_text
after_bin=$STAGES_SO_FAR

# before the training, which takes hours: a cell that is missing is said at once
for cell in "${cells[@]}"; do
  read -r lang size seed <<<"$cell"
  name=$lang-$size-s$seed
  STAGES_SO_FAR=$after_text
  prepare_cell "$name" "$SCORES/made/$name/work/data" "$lang" train
done

# One pass over the text is TOKENS English tokens. It takes more than TOKENS / BATCH updates, as a batch counts the
# longer side of a pair, and padding.
[[ "$DRY_RUN" != 1 ]] || UPDATES=${UPDATES:-5000} # there is no text to count
UPDATES=${UPDATES:-$(python -m recipes.peers.plain updates --text "$RUN/text" --batch "$BATCH")}
stem=$((UPDATES * 7 / 10)) # then the rate falls to zero, as the starter's
STAGES_SO_FAR=$after_bin
stage train/stem "Train until update $stem" go_on "$RUN/train/stem" "" \
  --lr-scheduler fixed --warmup-updates 400 --max-update "$stem"
stage train/plain "Let the rate fall to zero until update $UPDATES" \
  go_on "$RUN/train/plain" "$RUN/train/stem/checkpoint_last.pt" \
  --lr-scheduler polynomial_decay --warmup-updates "$stem" --total-num-update "$UPDATES" --max-update "$UPDATES"
after_training=$STAGES_SO_FAR

for cell in "${cells[@]}"; do
  read -r lang size seed <<<"$cell"
  name=$lang-$size-s$seed tune_updates=1200
  [[ "$size" != 100 ]] || tune_updates=300 # 100 pairs are fitted sooner
  STAGES_SO_FAR=$after_training
  stage "tuned/$name" "$lang, $size pairs, sample $seed: fine-tune" \
    tune "$RUN/tuned/$name" "$RUN/train/plain/checkpoint_last.pt" "$name" "$seed" "$tune_updates"
  stage "results/$name-plain" "$lang, $size pairs, sample $seed: translate" \
    translate "$name-plain" "$RUN/tuned/$name/checkpoint_best.pt" "$name" "$SCORES/made/$name/work/data" "$lang" \
    "$seed" "$(english_tokens "$SCORES/samples/$lang/$size-s$seed.tsv")" plain
done
run meta-nmt-report "$SCORES/results" "$RUN/results" --baseline scratch --title "The starter beside a plain peer" \
  --out "$RUN/report"
