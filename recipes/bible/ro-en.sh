#!/usr/bin/env bash
# Romanian to English, the Bible: the paper's 16,000 English tokens.
#   CORPUS=... DICTIONARIES=... bash recipes/bible/ro-en.sh     (what they are: meta_train.sh beside this file)
set -euo pipefail
# shellcheck source=recipes/bible/meta_train.sh
source "$(dirname "${BASH_SOURCE[0]}")/meta_train.sh"

start_recipe bible/ro-en
low_resource ro 16000 "Romanian to English, the Bible"
