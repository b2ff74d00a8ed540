#!/usr/bin/env bash
# Korean to English, Tatoeba, everyday sentences: 4,000 English tokens, since about 900 pairs are left for training.
#   CORPUS=... DICTIONARIES=... bash recipes/tatoeba/ko-en.sh     (what they are: meta_train.sh beside this file)
set -euo pipefail
# shellcheck source=recipes/tatoeba/meta_train.sh
source "$(dirname "${BASH_SOURCE[0]}")/meta_train.sh"

start_recipe tatoeba/ko-en
low_resource ko 4000 "Korean to English, Tatoeba, everyday sentences"
