# What recipes/starter_scores.sh tests the starter on, and recipes/starter_peer.sh its peer: source it. Variables that a
# user may set:
#   LANGS   codes of recipes/starter/samples.py
#   SIZES   pairs of a sample: 100, 600, 2000
#   SEEDS   of the sample, for 600 pairs; other sizes have the first alone
set -euo pipefail

LANGS=${LANGS:-ha tn yo ga lv tr fi ko my he tl hyw}
SIZES=${SIZES:-600 100 2000}
SEEDS=${SEEDS:-1 2 3}

cells=() # of "LANG SIZE SEED"
for size in $SIZES; do
  for seed in $SEEDS; do
    [[ "$size" == 600 || "$seed" == "${SEEDS%% *}" ]] || continue
    for lang in $LANGS; do cells+=("$lang $size $seed"); done
  done
done

# english_tokens SAMPLE: the English words of a file of pairs; 0 where DRY_RUN drew none
english_tokens() {
  cut -f 2 "$1" 2>/dev/null | wc -w || true
}
