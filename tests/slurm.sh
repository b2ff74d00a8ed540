#!/usr/bin/env bash
# A real Slurm with two nodes on this machine, and what users do on a cluster: evaluations and training there, ended by
# scancel, by kill -9, by the crash of a node and by time limits. The last line says how many checks passed.
#
#   bash tests/slurm.sh [WORDS]      (WORDS: only the checks whose names have one of them)
#
# Slurm and munge are Debian's packages slurm-wlm and munge. They are installed where that is possible (root and apt),
# else nothing is checked and that is said. Daemons listen on loopback alone, their files lie in a temporary folder, and
# they are ended with it. About 20 minutes, most of it waiting for Slurm.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PROGRAMS=(munged slurmctld slurmd sbatch)
export PATH="$PATH:/usr/sbin"
if [[ $(command -v "${PROGRAMS[@]}" | wc -l) -lt ${#PROGRAMS[@]} ]]; then
  if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
    echo "tests/slurm.sh: skipped: Slurm is not installed, and only root can install it, with apt-get"
    exit 0
  fi
  echo "== Install Slurm"
  apt-get update -qq
  # their services are for a whole machine: they are not started here
  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends slurm-wlm munge >/dev/null
fi
# shellcheck source=recipes/common.sh
source recipes/common.sh
ensure_venv
export OMP_NUM_THREADS=1 VENV PYTHONPATH="$PWD/tests:$PWD${PYTHONPATH:+:$PYTHONPATH}"
exec python -m slurm "$@"
