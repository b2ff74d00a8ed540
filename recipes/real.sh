#!/usr/bin/env bash
# Meta-learning against joint training on real text: Bible with desktop help, everyday sentences and news as sources of
# their own, low-resource targets of these domains, three seeds, and the reports with their significance.
# recipes/real/experiment.yaml compares systems at equal settings, recipes/real/best.yaml makes the best translators.
#   PACKS=DIR bash recipes/real.sh     (DIR: bible, gnome, tatoeba, ntrex, wmt, muse-dict; after a kill: it goes on)
#   CLUSTER=slurm JOBS=20 PACKS=DIR bash recipes/real.sh
set -euo pipefail
# shellcheck source=recipes/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

need_folder PACKS "the folder with the packs bible, gnome, tatoeba, ntrex, wmt and muse-dict"
JOBS=${JOBS:-2} # at a time, one thread each
CLUSTER=${CLUSTER:-local}

start_recipe real
stage corpus "List the corpora" python -m recipes.real.corpora --packs "$PACKS" --out "$RUN/corpus"
# a domain of a language is a source of its own
bible=bg,cs,da,de,el,es,et,fr,hr,hu,it,nl,no,pl,pt,ru,sv
tatoeba=$(echo "$bible" | sed 's/[a-z]\+/&_tatoeba/g')
news=cs_news,de_news,es_news,fr_news,hu_news,it_news,pl_news,ru_news
by_id=(--valid-ids HEB,JAS --test-ids JHN) # of the Bible; other targets have dev and test sets of their own
stage data "Prepare the data: SentencePiece, vectors, alignment, binarised text" \
  meta-nmt-preprocess --out "$RUN/data" --corpus "$RUN/corpus" --mono "$RUN/corpus/mono" \
  --dictionaries "$RUN/corpus/dict" --source-langs "$bible,$tatoeba,$news" --valid-langs sl \
  --target-langs ro,lv,fi,ko,zu,ro_tatoeba,fi_tatoeba,tr,ro_news,lv_news,fi_news,tr_news "${by_id[@]}" \
  --english-tokens 16000,4000 --sample-seeds 1,2,3 --vocab-size 8000 --universal-tokens 4000 --vector-dim 300 \
  --align-as-targets
for target in ro lv fi ko zu ro_tatoeba tr ro_news lv_news fi_news tr_news; do
  # 2,500 English tokens are 100 pairs of the Bible or of news, 640 are 100 of Tatoeba
  case $target in
    ro | lv | fi | ko | zu) sample=("${by_id[@]}" --english-tokens 2500) ;;
    *_news) sample=(--english-tokens 2500) ;;
    *) sample=(--english-tokens 640) ;;
  esac
  stage "data-$target-100" "Add $target once more, with 100 pairs and no word list" \
    meta-nmt-add-language "$RUN/data" --lang "${target}_100" --corpus "$RUN/corpus" --mono "$RUN/corpus/mono" \
    --sample-seeds 1,2,3 --vocab-size 8000 "${sample[@]}"
done

# no stages: they know themselves what has finished, and the files may have changed
for experiment in experiment best; do
  echo "== Evaluate every system, and write the report: recipes/real/$experiment.yaml"
  run meta-nmt-evaluate "recipes/real/$experiment.yaml" --data "$RUN/data" --out "$RUN/$experiment" \
    --jobs "$JOBS" --cluster "$CLUSTER"
done
