#!/usr/bin/env bash
# What a user would build without this toolkit, on the same text: stock fairseq with one vocabulary for all languages.
# It is trained with one, two and four times the tokens of recipes/real/best.yaml, fine-tuned whole on the same samples,
# and scored on the same test sets. Run recipes/real.sh first: its data folder is read.
#   bash recipes/peers.sh                              (after a kill: it goes on)
#   BUDGETS="14400" SEEDS="1" bash recipes/peers.sh    (fewer trainings, fewer samples)
set -euo pipefail
# shellcheck source=recipes/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

DATA=${DATA:-$OUTPUTS/real/data}
BUDGETS=${BUDGETS:-14400 28800 57600} # updates
TARGETS=${TARGETS:-ro lv fi ko zu ro_tatoeba tr ro_news lv_news fi_news tr_news}
SEEDS=${SEEDS:-1 2 3}
readonly BATCH=1000 # tokens of an update, as in recipes/real/best.yaml

[[ "$DRY_RUN" == 1 || -f "$DATA/data.json" ]] ||
  die "DATA must name a data folder of meta-nmt-preprocess (bash recipes/real.sh makes one), but $DATA is none"
start_recipe peers
[[ "$DRY_RUN" == 1 ]] || python -c 'import fairseq.data.data_utils_fast, fairseq.libbleu' >/dev/null 2>&1 ||
  die "stock fairseq needs its compiled parts; with g++: pip install cython ninja numpy, then pip install \
--force-reinstall --no-deps --no-cache-dir --no-binary fairseq-fixed --no-build-isolation fairseq-fixed==$FAIRSEQ"
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
stage bin "Binarise it" fairseq-preprocess --source-lang x --target-lang en --trainpref "$RUN/text/train" \
  --srcdict "$RUN/text/dict.txt" --tgtdict "$RUN/text/dict.txt" --destdir "$RUN/bin" --workers 2
after_bin=$STAGES_SO_FAR
for cell in "${cells[@]}"; do
  read -r target seed <<<"$cell"
  sample=train-$(tokens_of "$target")-s$seed name=$target-s$seed
  STAGES_SO_FAR=$after_text
  stage "samples/$name" "Cut $target, sample $seed, with its dev and test set" python -m recipes.peers.plain sample \
    --data "$DATA" --text "$RUN/text" --out "$RUN/samples/$name" --target "$target" --sample "$sample"
  stage "bin-$name" "Binarise them" fairseq-preprocess --source-lang x --target-lang en \
    --trainpref "$RUN/samples/$name/train" --validpref "$RUN/samples/$name/valid" \
    --testpref "$RUN/samples/$name/test" --srcdict "$RUN/text/dict.txt" --tgtdict "$RUN/text/dict.txt" \
    --destdir "$RUN/bin-$name"
done

# the sizes of the architecture in recipes/real/best.yaml, with the embeddings of both sides shared
MODEL=(--user-dir recipes/peers/bf16 --task translation -s x -t en --arch transformer --encoder-layers 3
  --decoder-layers 3 --encoder-embed-dim 256 --decoder-embed-dim 256 --encoder-ffn-embed-dim 512
  --decoder-ffn-embed-dim 512 --encoder-attention-heads 4 --decoder-attention-heads 4 --share-all-embeddings
  --criterion label_smoothed_cross_entropy_bf16 --label-smoothing 0.1 --optimizer adam --adam-betas '(0.9, 0.98)'
  --clip-norm 1.0 --no-epoch-checkpoints --max-tokens "$BATCH" --keep-interval-updates 1 --num-workers 1
  --no-progress-bar --log-interval 100)
TRAIN=("${MODEL[@]}" --dropout 0.1 --seed 1 --disable-validation --save-interval-updates 1000)
TUNE=("${MODEL[@]}" --dropout 0.3 --lr 5e-4 --lr-scheduler polynomial_decay --validate-interval 1000000
  --save-interval 1000000 --eval-bleu --eval-bleu-args '{"beam": 1, "max_len_a": 1.5, "max_len_b": 10}'
  --eval-bleu-detok space --eval-bleu-remove-bpe sentencepiece --best-checkpoint-metric bleu
  --maximize-best-checkpoint-metric)

# measured RUN KIND PARENT COMMAND...: runs it, with its log and its cost in the folder RUN
measured() {
  local run=$1 kind=$2 parent=$3
  shift 3
  python -m recipes.peers.measured --run "$run" --kind "$kind" --text "$RUN/text" ${parent:+--parent "$parent"} "$@"
}

# tune RUN CHECKPOINT TARGET SEED: the best of four checkpoints on the dev set; 100 pairs are fitted sooner
tune() {
  local updates=1200
  [[ "$3" != *_100 ]] || updates=300
  measured "$1" adapt "$2" fairseq-train "$RUN/bin-$3-s$4" "${TUNE[@]}" --seed "$4" --finetune-from-model "$2" \
    --save-dir "$1" --max-update "$updates" --total-num-update "$updates" --save-interval-updates $((updates / 4))
}

# translate NAME CHECKPOINT TARGET SEED ENGLISH_TOKENS UPDATES
translate() {
  fairseq-generate "$RUN/bin-$3-s$4" -s x -t en --path "$2" --beam 5 --max-len-a 1.5 --max-len-b 10 --max-tokens 4000 \
    --results-path "$RUN/results/$1" >/dev/null &&
    python -m recipes.peers.plain result --data "$DATA" --text "$RUN/text" --out "$RUN/results/$1" --checkpoint "$2" \
      --generated "$RUN/results/$1/generate-test.txt" --system "plain-$6" --target "$3" --english-tokens "$5" --seed "$4"
}

# go_on RUN START FLAG...: a training in the folder RUN, from where the checkpoint START was ("" for none), its
# optimiser included; after a kill from where it was itself
go_on() {
  local run=$1 start=$2
  shift 2
  if [[ -n "$start" && ! -f "$run/checkpoint_last.pt" ]]; then
    mkdir -p "$run" && cp "$start" "$run/copy.pt" && mv "$run/copy.pt" "$run/checkpoint_last.pt" || return
  fi
  measured "$run" train "$start" fairseq-train "$RUN/bin" "${TRAIN[@]}" --reset-lr-scheduler --lr 7e-4 \
    --save-dir "$run" "$@"
}

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
        translate "$target-$name-zero" "$checkpoint" "$target" "$seed" 0 "$updates"
    fi
    STAGES_SO_FAR=${after_training[$updates]:-}
    tuned=$target-$name-s$seed
    stage "tuned/$tuned" "$target, sample $seed: fine-tune" tune "$RUN/tuned/$tuned" "$checkpoint" "$target" "$seed"
    stage "results/$tuned" "$target, sample $seed: translate" translate "$tuned" \
      "$RUN/tuned/$tuned/checkpoint_best.pt" "$target" "$seed" "$(tokens_of "$target")" "$updates"
  done
done
run python -m recipes.peers.compare --ours "${OURS:-$OUTPUTS/real/best}" --plain "$RUN/results" --out "$RUN/report"
