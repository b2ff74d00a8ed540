#!/usr/bin/env bash
# The dependency ranges of setup.py at both ends: for the oldest and for the newest versions that they allow, a fresh
# virtual environment, the package in it, and the quick tests. Both ends are tried whatever comes of the first; the last
# lines say which passed, and the exit status is 1 where one failed.
#
#   bash tests/dependency_ends.sh [oldest] [newest]
#
#   TORCH=2.13.0  torch at this version instead of the end's own (another torch may be gigabytes of CUDA)
#   CHECK_ONLY=1  only ask pip whether there is such a set of versions, and list it
#   OUTPUTS       where the environments go (default: outputs/ in the repository)
#
# 5 minutes for each end on two cores, most of it the tests. PYTHON=python3.12 names another Python than python3.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
OUTPUTS=${OUTPUTS:-outputs}

# constraints END: a line for each range of setup.py; `oldest` pins the lower bounds, `newest` leaves it to pip
constraints() {
  python3 - "$1" "${TORCH:-}" <<'PYTHON'
import re, sys
end, torch = sys.argv[1:]
ranges = re.findall(r'"([\w.-]+)>=([\w.]+),<([\w.]+)[";]', open("setup.py", encoding="utf-8").read())
for name, low, high in dict.fromkeys(ranges):
    if name == "torch" and torch:
        print(f"torch=={torch}")
    else:
        print(f"{name}=={low}" if end == "oldest" else f"{name}<{high}")
PYTHON
}

# try_end END: installs and tests it; the first command that fails ends it
try_end() {
  set -e
  local end=$1 venv=$OUTPUTS/dependencies-$1
  export READTHEDOCS=1 # fairseq without its compiled parts
  local pip=("$venv/bin/python" -m pip install --quiet --constraint "$venv.txt")
  mkdir -p "$OUTPUTS"
  constraints "$end" >"$venv.txt"
  "${PYTHON:-python3}" -m venv --clear "$venv"
  echo "== $end: tools to build fairseq"
  "${pip[@]}" 'setuptools<81' wheel torch
  if [[ "${CHECK_ONLY:-0}" == 1 ]]; then
    "$venv/bin/python" -m pip install --dry-run --no-build-isolation --constraint "$venv.txt" '.[dev]' | tail -n 1
    return
  fi
  echo "== $end: the package"
  "${pip[@]}" --no-build-isolation '.[dev]'
  "$venv/bin/python" -m pip freeze --exclude-editable | tee "$venv-installed.txt"
  echo "== $end: tests"
  OMP_NUM_THREADS=1 "$venv/bin/python" -m pytest -q -n "${WORKERS:-2}"
}

(($#)) || set -- oldest newest
for end in "$@"; do
  [[ "$end" == oldest || "$end" == newest ]] || { echo "$0: error: must be oldest or newest, but is $end" >&2; exit 2; }
done
results=() failed=0
for end in "$@"; do
  set +e  # an end that fails must not keep the next from its turn
  (try_end "$end")
  status=$?
  set -e
  if ((status)); then results+=("$end: failed") failed=1; else results+=("$end: passed"); fi
done
printf '%s\n' "${results[@]}"
exit "$failed"
