#!/usr/bin/env bash
# The quickstart's commands one after the other, as its dry run prints them, with one seed: a part of benchmarks/gpu.sh.
#   gpu_quickstart.sh WORK [DATA]     DATA: a prepared data folder; the commands that prepare are left out
# WORK gets outputs/, and the report as quickstart.json and its table as quickstart.md. TINY=1: with three source
# languages and one target. The commands of the package must be on the PATH.
set -euo pipefail
WORK=$1 DATA=${2:-}
cd "$(dirname "${BASH_SOURCE[0]}")/.."

shrunk() {
  if [[ "${TINY:-0}" == 1 ]]; then
    sed -e 's/qaa\\,[a-z\\,]*/qaa,qba,qca/' -e 's/qbx\\,qdx\\,qfx/qbx/' \
      -e 's/ --mono-sentences 2000/ --mono-sentences 200 --languages qaa,qba,qca,qav,qbx/'
  else
    cat
  fi
}

mkdir -p "$WORK/outputs/quickstart"
[[ -z "$DATA" ]] || ln -s "$DATA" "$WORK/outputs/quickstart/data"
DRY_RUN=1 OUTPUTS=$WORK/outputs SEEDS=1 bash recipes/quickstart.sh | sed -n 's/^+ //p' | shrunk >"$WORK/commands"
while IFS= read -r command; do
  [[ -n "$DATA" && "$command" =~ ^(python -m data_prep|meta-nmt-preprocess) ]] && continue
  [[ "$command" == meta-nmt-export* ]] && continue # it needs CTranslate2
  echo "+ $command"
  eval "$command" </dev/null
done <"$WORK/commands"
grep -A 12 -m 1 '^|' "$WORK/outputs/quickstart/report.md" >"$WORK/quickstart.md"
cp "$WORK/outputs/quickstart/report.json" "$WORK/quickstart.json"
