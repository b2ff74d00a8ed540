#!/usr/bin/env bash
# Finnish to English, WMT'17, as in the MetaNMT paper: 16,000 English tokens.
#   bash recipes/paper/fi-en.sh     (CORPUS=... for a local copy; what can be set: meta_train.sh beside this file)
set -euo pipefail
# shellcheck source=recipes/paper/meta_train.sh
source "$(dirname "${BASH_SOURCE[0]}")/meta_train.sh"

start_recipe paper/fi-en
low_resource fi 16000 "Finnish to English, WMT'17"
