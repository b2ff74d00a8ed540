#!/usr/bin/env bash
# Romanian to English, WMT'16, as in the MetaNMT paper: 16,000 English tokens.
#   bash recipes/paper/ro-en.sh     (CORPUS=... for a local copy; what can be set: meta_train.sh beside this file)
set -euo pipefail
# shellcheck source=recipes/paper/meta_train.sh
source "$(dirname "${BASH_SOURCE[0]}")/meta_train.sh"

start_recipe paper/ro-en
low_resource ro 16000 "Romanian to English, WMT'16"
