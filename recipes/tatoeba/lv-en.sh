#!/usr/bin/env bash
# Latvian to English, Tatoeba, everyday sentences: 400 English tokens, since about 130 pairs are left for training.
#   CORPUS=... DICTIONARIES=... bash recipes/tatoeba/lv-en.sh     (what they are: meta_train.sh beside this file)
set -euo pipefail
# shellcheck source=recipes/tatoeba/meta_train.sh
source "$(dirname "${BASH_SOURCE[0]}")/meta_train.sh"

start_recipe tatoeba/lv-en
low_resource lv 400 "Latvian to English, Tatoeba, everyday sentences"
