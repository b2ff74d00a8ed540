#!/usr/bin/env bash
# Everything that we want to know of a GPU, in at most 12 minutes and with one command:
#   WHEELS=wheels bash benchmarks/gpu.sh OUT
# OUT gets gpu.json (the machine, each part's outcome, all rows), gpu.md (the same for readers), profile.txt and log.txt.
# A part that fails, or that there is no time for, is a line of the page, and the others go on. The parts: tests marked
# gpu (one process with NCCL among them); for each architecture tokens a second, memory, share of the card's rate and a
# profile (benchmarks/gpu.py); the quickstart with one seed.
# Variables that a user may set:
#   PYTHON   the Python that has torch (default: python3)
#   WHEELS   a folder of wheels that are installed first, for this run alone; without it everything must be there.
#            Beside torch, numpy, sentencepiece and sacrebleu it needs fairseq-fixed with its needs, and langcodes,
#            language-data and marisa-trie. Preparing by the default needs no gensim.
#   DATA     the data folder of a quickstart that was prepared elsewhere: saves the time of preparing
#   MINUTES  most minutes of the whole (default: 12)
#   TINY     1: on the CPU and with tiny sizes, to test this script
set -euo pipefail
[[ $# == 1 ]] || { echo "usage: gpu.sh OUT" >&2; exit 2; }
mkdir -p "$1"
OUT=$(cd "$1" && pwd)
[[ -z "${WHEELS:-}" ]] || WHEELS=$(cd "$WHEELS" && pwd)
[[ -z "${DATA:-}" ]] || DATA=$(cd "$DATA" && pwd)
REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PYTHON=$(command -v "${PYTHON:-python3}")
export TINY=${TINY:-0}
DEADLINE=$((SECONDS + 60 * ${MINUTES:-12} - 15)) # a quarter of a minute for the page
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
cd "$REPO"
rm -f "$OUT"/{gpu.json,gpu.md,profile.txt}
: >"$OUT/log.txt"

# part NAME SECONDS COMMAND...: runs it, at most so long and not beyond the deadline; its outcome is a line of parts.tsv
part() {
  local name=$1 limit=$2 start=$SECONDS status=0
  shift 2
  [[ "$TINY" == 0 ]] || limit=$((10 * limit)) # no wait for a GPU, but maybe for a busy processor
  ((limit <= DEADLINE - SECONDS)) || limit=$((DEADLINE - SECONDS))
  if ((limit < 5)); then
    printf '%s\t0\tno time left\n' "$name" >>"$WORK/parts.tsv"
    return
  fi
  echo "== $name: $*" | tee -a "$OUT/log.txt"
  timeout --kill-after=5 "$limit" "$@" >"$WORK/log" 2>&1 || status=$?
  cat "$WORK/log" >>"$OUT/log.txt"
  case $status in
    0) status=done ;;
    124 | 137) status="stopped after $limit s" ;;
    *) status="failed: $(grep -v '^ *$' "$WORK/log" | tail -n 1 | tr '\t' ' ' | cut -c1-300 || true)" ;;
  esac
  printf '%s\t%s\t%s\n' "$name" "$((SECONDS - start))" "$status" | tee -a "$WORK/parts.tsv"
}

# the commands of the package, as an installation makes them
commands() {
  local name
  mkdir -p "$WORK/bin"
  for name in preprocess train adapt generate report export; do
    printf '#!/bin/sh\nexec %q -m meta_nmt.cli.%s "$@"\n' "$PYTHON" "$name" >"$WORK/bin/meta-nmt-$name"
  done
  printf '#!/bin/sh\nexec %q "$@"\n' "$PYTHON" >"$WORK/bin/python"
  chmod +x "$WORK"/bin/*
}

export PYTHONPATH=$REPO PYTHONUNBUFFERED=1
if [[ -n "${WHEELS:-}" ]]; then
  part install 90 "$PYTHON" -m pip install --quiet --no-index --no-deps --no-compile --target "$WORK/site" "$WHEELS"/*.whl
  export PYTHONPATH=$WORK/site:$REPO
fi
commands
export PATH=$WORK/bin:$PATH
SIZES=(--repeats 5)
ARCHITECTURES=(small metanmt base)
if [[ "$TINY" == 1 ]]; then
  SIZES=(--repeats 1 --tokens 60 --side 64 --device cpu)
  ARCHITECTURES=(tiny)
  export EXTRA_TRAINING="--max-update 2 --warmup-updates 1" EXTRA_ADAPTATION="--max-update 2 --save-interval-updates 2"
  part tests 120 "$PYTHON" -m pytest -q -p no:cacheprovider tests/gpu
else
  part tests 120 "$PYTHON" -m pytest -q -p no:cacheprovider -m gpu tests/gpu
fi
for arch in "${ARCHITECTURES[@]}"; do
  part "$arch" 120 "$PYTHON" -m benchmarks.gpu --arch "$arch" "${SIZES[@]}" --json "$WORK/$arch.json" \
    --profile "$WORK/$arch.txt"
done
part quickstart 360 bash benchmarks/gpu_quickstart.sh "$WORK" "${DATA:-}"
cat "$WORK"/*.txt >"$OUT/profile.txt" 2>/dev/null || echo "no profile" >"$OUT/profile.txt"
"$PYTHON" -m benchmarks.gpu_page "$WORK" "$OUT"
echo "$OUT/gpu.md"
