#!/usr/bin/env bash
# The long campaign of faults: kills, faults in a step, workers, malformed input, full disks, the whole chain twice.
# It prints one table. docs/reliability.md shows one, and says how long it takes. Arguments go to `python -m campaign`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=recipes/common.sh
source recipes/common.sh
EXTRAS=dev ensure_venv
export OMP_NUM_THREADS=1 PYTHONPATH="$PWD/tests:$PWD${PYTHONPATH:+:$PYTHONPATH}"
exec python -m campaign "$@"
