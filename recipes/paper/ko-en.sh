#!/usr/bin/env bash
# Korean to English, Korean Parallel Dataset, as in the MetaNMT paper: 16,000 English tokens.
#   bash recipes/paper/ko-en.sh     (CORPUS=... for a local copy; what can be set: meta_train.sh beside this file)
set -euo pipefail
# shellcheck source=recipes/paper/meta_train.sh
source "$(dirname "${BASH_SOURCE[0]}")/meta_train.sh"

start_recipe paper/ko-en
low_resource ko 16000 "Korean to English, Korean Parallel Dataset"
