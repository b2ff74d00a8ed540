#!/usr/bin/env bash
# Turkish to English, Tatoeba, everyday sentences: the paper's 16,000 English tokens.
#   CORPUS=... DICTIONARIES=... bash recipes/tatoeba/tr-en.sh     (what they are: meta_train.sh beside this file)
set -euo pipefail
# shellcheck source=recipes/tatoeba/meta_train.sh
source "$(dirname "${BASH_SOURCE[0]}")/meta_train.sh"

start_recipe tatoeba/tr-en
low_resource tr 16000 "Turkish to English, Tatoeba, everyday sentences"
