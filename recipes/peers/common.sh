# What recipes/peers.sh and recipes/starter_peer.sh share: stock fairseq with one vocabulary for all languages. Source
# it after recipes/common.sh. The functions work in RUN, the folder of the recipe. A recipe adds to TRAIN how many
# tokens an update has.
set -euo pipefail

# the sizes of ulr_transformer_small, which recipes/real/best.yaml and recipes/starter.sh train, with the embeddings of
# both sides shared
MODEL=(--user-dir recipes/peers/bf16 --task translation -s x -t en --arch transformer --encoder-layers 3
  --decoder-layers 3 --encoder-embed-dim 256 --decoder-embed-dim 256 --encoder-ffn-embed-dim 512
  --decoder-ffn-embed-dim 512 --encoder-attention-heads 4 --decoder-attention-heads 4 --share-all-embeddings
  --criterion label_smoothed_cross_entropy_bf16 --label-smoothing 0.1 --optimizer adam --adam-betas '(0.9, 0.98)'
  --clip-norm 1.0 --no-epoch-checkpoints --keep-interval-updates 1 --num-workers 1 --no-progress-bar
  --log-interval 100)
TRAIN=("${MODEL[@]}" --dropout 0.1 --seed 1 --disable-validation --save-interval-updates 1000)
TUNE=("${MODEL[@]}" --dropout 0.3 --lr 5e-4 --lr-scheduler polynomial_decay --validate-interval 1000000
  --save-interval 1000000 --max-tokens 1000 --eval-bleu
  --eval-bleu-args '{"beam": 1, "max_len_a": 1.5, "max_len_b": 10}' --eval-bleu-detok space
  --eval-bleu-remove-bpe sentencepiece --best-checkpoint-metric bleu --maximize-best-checkpoint-metric)

# torch refuses fairseq's checkpoints from 2.6 on, as they hold flags beside tensors. Those here are the recipe's own.
export TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1

# need_compiled_fairseq: one line and the end where fairseq lacks its compiled parts, as in the environment of recipes
need_compiled_fairseq() {
  [[ "$DRY_RUN" == 1 ]] || python -c 'import fairseq.data.data_utils_fast, fairseq.libbleu' >/dev/null 2>&1 ||
    die "stock fairseq needs its compiled parts; with g++: pip install cython ninja numpy, then pip install \
--force-reinstall --no-deps --no-cache-dir --no-binary fairseq-fixed --no-build-isolation fairseq-fixed==$FAIRSEQ"
}

# binarise_text: the training text as fairseq reads it
binarise_text() {
  stage bin "Binarise it" fairseq-preprocess --source-lang x --target-lang en --trainpref "$RUN/text/train" \
    --srcdict "$RUN/text/dict.txt" --tgtdict "$RUN/text/dict.txt" --destdir "$RUN/bin" --workers 2
}

# prepare_cell CELL DATA TARGET SAMPLE: the pairs of a sample, the dev and the test set, as fairseq reads them
prepare_cell() {
  stage "samples/$1" "Cut the pairs of $1, with its dev and test set" python -m recipes.peers.plain sample \
    --data "$2" --text "$RUN/text" --out "$RUN/samples/$1" --target "$3" --sample "$4"
  stage "bin-$1" "Binarise them" fairseq-preprocess --source-lang x --target-lang en \
    --trainpref "$RUN/samples/$1/train" --validpref "$RUN/samples/$1/valid" \
    --testpref "$RUN/samples/$1/test" --srcdict "$RUN/text/dict.txt" --tgtdict "$RUN/text/dict.txt" \
    --destdir "$RUN/bin-$1"
}

# measured RUN KIND PARENT COMMAND...: runs it, with its log and its cost in the folder RUN
measured() {
  local run=$1 kind=$2 parent=$3
  shift 3
  python -m recipes.peers.measured --run "$run" --kind "$kind" --text "$RUN/text" ${parent:+--parent "$parent"} "$@"
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

# tune RUN CHECKPOINT CELL SEED UPDATES: the best of four checkpoints on the dev set
tune() {
  measured "$1" adapt "$2" fairseq-train "$RUN/bin-$3" "${TUNE[@]}" --seed "$4" --finetune-from-model "$2" \
    --save-dir "$1" --max-update "$5" --total-num-update "$5" --save-interval-updates $(($5 / 4))
}

# translate NAME CHECKPOINT CELL DATA TARGET SEED ENGLISH_TOKENS SYSTEM: the test set, as a result of that name
translate() {
  fairseq-generate "$RUN/bin-$3" -s x -t en --path "$2" --beam 5 --max-len-a 1.5 --max-len-b 10 --max-tokens 4000 \
    --results-path "$RUN/results/$1" >/dev/null &&
    python -m recipes.peers.plain result --data "$4" --text "$RUN/text" --out "$RUN/results/$1" --checkpoint "$2" \
      --generated "$RUN/results/$1/generate-test.txt" --system "$8" --target "$5" --english-tokens "$7" --seed "$6"
}
