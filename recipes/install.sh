#!/usr/bin/env bash
# Makes .venv in this clone, installs the package into it with what the recipes need, and says how to use it.
#   bash recipes/install.sh                                    (again: there is nothing left to do)
#   PYTHON=python3.12 EXTRAS=all bash recipes/install.sh       (recipes/common.sh has all variables)
set -euo pipefail
# shellcheck source=recipes/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

ensure_venv
echo "source $(printf '%q' "$VENV/bin/activate")"
