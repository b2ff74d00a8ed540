#!/usr/bin/env bash
# Latvian to English, WMT'17, as in the MetaNMT paper: 16,000 English tokens.
#   bash recipes/paper/lv-en.sh     (CORPUS=... for a local copy; what can be set: meta_train.sh beside this file)
set -euo pipefail
VALID=ro # Latvian is a target here, so it cannot choose the checkpoint
# shellcheck source=recipes/paper/meta_train.sh
source "$(dirname "${BASH_SOURCE[0]}")/meta_train.sh"

start_recipe paper/lv-en
low_resource lv 16000 "Latvian to English, WMT'17"
