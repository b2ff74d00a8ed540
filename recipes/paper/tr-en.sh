#!/usr/bin/env bash
# Turkish to English, WMT'17, as in the MetaNMT paper: 16,000 English tokens.
#   bash recipes/paper/tr-en.sh     (CORPUS=... for a local copy; what can be set: meta_train.sh beside this file)
set -euo pipefail
# shellcheck source=recipes/paper/meta_train.sh
source "$(dirname "${BASH_SOURCE[0]}")/meta_train.sh"

start_recipe paper/tr-en
low_resource tr 16000 "Turkish to English, WMT'17"
