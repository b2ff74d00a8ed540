#!/usr/bin/env bash
# The long campaign of faults (docs/reliability.md): kills, faults in a step, workers, malformed input, full disks, the
# whole chain twice. Prints one table; takes about 20 minutes on two cores. Arguments go to `python -m campaign`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=recipes/common.sh
source recipes/common.sh
ensure_venv
export OMP_NUM_THREADS=1 PYTHONPATH="$PWD/tests:$PWD${PYTHONPATH:+:$PYTHONPATH}"
exec python -m campaign "$@"
