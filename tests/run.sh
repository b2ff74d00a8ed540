#!/usr/bin/env bash
# Lint, types, tests, in the virtual environment of the recipes. Arguments go to pytest: -m '' runs the slow ones too.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=recipes/common.sh
source recipes/common.sh
EXTRAS=dev ensure_venv
echo "== Lint"
ruff check .
echo "== Types"
mypy
echo "== Tests"
# one thread a worker: the tests are many small computations
export OMP_NUM_THREADS=1
exec python -m pytest -q -n "${WORKERS:-2}" "$@"
