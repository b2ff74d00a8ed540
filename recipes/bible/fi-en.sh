#!/usr/bin/env bash
# Finnish to English, the Bible: the paper's 16,000 English tokens.
#   CORPUS=... DICTIONARIES=... bash recipes/bible/fi-en.sh     (what they are: meta_train.sh beside this file)
set -euo pipefail
# shellcheck source=recipes/bible/meta_train.sh
source "$(dirname "${BASH_SOURCE[0]}")/meta_train.sh"

start_recipe bible/fi-en
low_resource fi 16000 "Finnish to English, the Bible"
