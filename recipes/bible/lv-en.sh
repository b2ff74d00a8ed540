#!/usr/bin/env bash
# Latvian to English, the Bible: the paper's 16,000 English tokens.
#   CORPUS=... DICTIONARIES=... bash recipes/bible/lv-en.sh     (what they are: meta_train.sh beside this file)
set -euo pipefail
# shellcheck source=recipes/bible/meta_train.sh
source "$(dirname "${BASH_SOURCE[0]}")/meta_train.sh"

start_recipe bible/lv-en
low_resource lv 16000 "Latvian to English, the Bible"
