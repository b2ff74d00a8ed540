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
readonly BATCH=1000 ENGLISH_TOKENS=16000 # tokens of an update and of a sample, as in recipes/real/best.yaml

[[ "$DRY_RUN" == 1 || -f "$DATA/data.json" ]] ||
  die "DATA must name a data folder of meta-nmt-preprocess (bash recipes/real.sh makes one), but $DATA is none"
start_recipe peers
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
samples=()
for seed in $SEEDS; do samples+=("train-$ENGLISH_TOKENS-s$seed"); done
stage text "One SentencePiece model for all languages, and the training text" \
  python -m recipes.peers.plain text --data "$DATA" --out "$RUN/text" --tokens 57600000
stage bin "Binarise it" fairseq-preprocess --source-lang x --target-lang en --trainpref "$RUN/text/train" \
  --srcdict "$RUN/text/dict.txt" --tgtdict "$RUN/text/dict.txt" --destdir "$RUN/bin" --workers 2
stage samples "The samples, dev and test sets of the targets" python -m recipes.peers.plain samples --data "$DATA" \
  --text "$RUN/text" --out "$RUN/samples" --targets "${TARGETS// /,}" --samples "$(IFS=,; echo "${samples[*]}")"
for target in $TARGETS; do
  for sample in "${samples[@]}"; do
    stage "bin-$target-$sample" "Binarise $target, $sample" fairseq-preprocess --source-lang x --target-lang en \
      --trainpref "$RUN/samples/$target/$sample/train" --validpref "$RUN/samples/$target/$sample/valid" \
      --testpref "$RUN/samples/$target/$sample/test" --srcdict "$RUN/text/dict.txt" --tgtdict "$RUN/text/dict.txt" \
      --destdir "$RUN/bin-$target-$sample"
  done
done

# the sizes of ulr_transformer_small, with the embeddings of both sides shared
MODEL=(--user-dir recipes/peers/bf16 --task translation -s x -t en --arch transformer --encoder-layers 3
  --decoder-layers 3 --encoder-embed-dim 256 --decoder-embed-dim 256 --encoder-ffn-embed-dim 512
  --decoder-ffn-embed-dim 512 --encoder-attention-heads 4 --decoder-attention-heads 4 --share-all-embeddings
  --criterion label_smoothed_cross_entropy_bf16 --label-smoothing 0.1 --optimizer adam --adam-betas '(0.9, 0.98)'
  --clip-norm 1.0 --no-epoch-checkpoints --max-tokens "$BATCH" --keep-interval-updates 1 --num-workers 1
  --no-progress-bar --log-interval 100)
TRAIN=("${MODEL[@]}" --dropout 0.1 --seed 1 --disable-validation --save-interval-updates 1000)
TUNE=("${MODEL[@]}" --dropout 0.3 --max-update 1200 --lr 5e-4 --lr-scheduler polynomial_decay --total-num-update 1200
  --save-interval-updates 300 --validate-interval 1000000 --save-interval 1000000
  --eval-bleu --eval-bleu-args '{"beam": 1, "max_len_a": 1.5, "max_len_b": 10}' --eval-bleu-detok space
  --eval-bleu-remove-bpe sentencepiece --best-checkpoint-metric bleu --maximize-best-checkpoint-metric)

# measured RUN KIND PARENT COMMAND...: runs it, with its log and its cost in the folder RUN
measured() {
  local run=$1 kind=$2 parent=$3
  shift 3
  python -m recipes.peers.measured --run "$run" --kind "$kind" --text "$RUN/text" ${parent:+--parent "$parent"} "$@"
}

# translate NAME CHECKPOINT TARGET SAMPLE ENGLISH_TOKENS SEED UPDATES
translate() {
  fairseq-generate "$RUN/bin-$3-$4" -s x -t en --path "$2" --beam 5 --max-len-a 1.5 --max-len-b 10 --max-tokens 4000 \
    --results-path "$RUN/results/$1" >/dev/null &&
    python -m recipes.peers.plain result --data "$DATA" --text "$RUN/text" --out "$RUN/results/$1" --checkpoint "$2" \
      --generated "$RUN/results/$1/generate-test.txt" --system "plain-$7" --target "$3" --english-tokens "$5" --seed "$6"
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
for updates in $(printf '%s\n' $BUDGETS | sort -n); do
  stem=$((updates * 5 / 6)) name=plain-$updates
  stage "train/trunk-$stem" "Train until update $stem" go_on "$RUN/train/trunk-$stem" "$trunk" \
    --lr-scheduler fixed --warmup-updates 300 --max-update "$stem"
  trunk=$RUN/train/trunk-$stem/checkpoint_last.pt
  stage "train/$name" "Let the rate fall to zero until update $updates" go_on "$RUN/train/$name" "$trunk" \
    --lr-scheduler polynomial_decay --warmup-updates "$stem" --total-num-update "$updates" --max-update "$updates"
  checkpoint=$RUN/train/$name/checkpoint_last.pt
  for target in $TARGETS; do
    stage "results/$target-$name-zero" "$target, zero-shot" \
      translate "$target-$name-zero" "$checkpoint" "$target" "${samples[0]}" 0 1 "$updates"
    for seed in $SEEDS; do
      sample=train-$ENGLISH_TOKENS-s$seed tuned=$target-$name-$ENGLISH_TOKENS-s$seed
      stage "tuned/$tuned" "$target, sample $seed: fine-tune" measured "$RUN/tuned/$tuned" adapt "$checkpoint" \
        fairseq-train "$RUN/bin-$target-$sample" "${TUNE[@]}" --seed "$seed" --finetune-from-model "$checkpoint" \
        --save-dir "$RUN/tuned/$tuned"
      stage "results/$tuned" "$target, sample $seed: translate" translate "$tuned" \
        "$RUN/tuned/$tuned/checkpoint_best.pt" "$target" "$sample" "$ENGLISH_TOKENS" "$seed" "$updates"
    done
  done
done
run python -m recipes.peers.compare --ours "${OURS:-$OUTPUTS/real/best}" --plain "$RUN/results" --out "$RUN/report"
