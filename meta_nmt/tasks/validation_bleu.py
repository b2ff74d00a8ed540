"""BLEU of a validation: sacreBLEU of the detokenised lines, as a reader of the translations would compute it.

fairseq joins pieces itself, and leaves the pieces of byte fallback as they are: ``<0x41>`` would count as a handful of
tokens, most of them right. A dev set whose letters the vocabulary does not have would look far better than it is.
"""

from __future__ import annotations

import json
import logging
from argparse import Namespace
from typing import Any

import numpy as np
from fairseq.logging import metrics
from fairseq.tasks.translation import EVAL_BLEU_ORDER, TranslationTask
from sacrebleu.metrics import BLEU
from sacrebleu.metrics.bleu import BLEUScore
from torch import Tensor

from data_prep.packs import subwords
from meta_nmt.bleu_tokeniser import bleu_tokeniser
from meta_nmt.data.language_pack import language_folder

logger = logging.getLogger(__name__)


class ScoresText(TranslationTask):
    """A translation task whose BLEU in validation is that of the text which its pieces spell."""

    def build_model(self, cfg: Any, from_checkpoint: bool = False) -> Any:
        """The model; with ``--eval-bleu`` also what translates and scores the dev set."""
        model = super(TranslationTask, self).build_model(cfg, from_checkpoint)
        if self.cfg.eval_bleu:
            self.target_subwords = subwords.load(language_folder(self.cfg.data, self.cfg.target_lang).model)
            self.metric = BLEU(tokenize=bleu_tokeniser(self.cfg.target_lang, self.cfg.bleu_tokenizer))
            self.sequence_generator = self.bleu_generator(model)
        return model

    def bleu_generator(self, model: Any) -> Any:
        """A generator that translates the dev set by a model, as ``--eval-bleu-args`` says."""
        return self.build_generator([model], Namespace(**json.loads(self.cfg.eval_bleu_args)))

    def text(self, tokens: Tensor) -> str:
        """The text that target ids spell, as meta-nmt-generate writes it."""
        dictionary = self.target_dictionary
        silent = {dictionary.pad(), dictionary.bos(), dictionary.eos()}
        pieces = [dictionary[i] for i in tokens.tolist() if i not in silent]
        return " ".join(self.target_subwords.decode_pieces(pieces).split())

    def _inference_with_bleu(self, generator: Any, sample: dict[str, Any], model: Any) -> BLEUScore:
        """The counts of BLEU of a batch. fairseq calls it by this name; its own joins the pieces in another way."""
        best = [hypotheses[0]["tokens"] for hypotheses in self.inference_step(generator, [model], sample)]
        hypotheses, references = ([self.text(tokens) for tokens in side] for side in (best, sample["target"]))
        if self.cfg.eval_bleu_print_samples:
            logger.info(f"example hypothesis: {hypotheses[0]}")
            logger.info(f"example reference: {references[0]}")
        return self.metric.corpus_score(hypotheses, [references])


def log_bleu_of_nothing(logging_outputs: list[dict[str, Any]]) -> None:
    """Log the counts of BLEU of a batch whose hypotheses are all empty, in fairseq's own meters.

    fairseq logs nothing for such a batch, and fails where a validation has no other batch. With these counts the BLEU
    of a validation is that of all its batches in any order, and 0 where every hypothesis is empty.
    """
    if any("_bleu_sys_len" in log for log in logging_outputs):
        if not sum(log.get("_bleu_totals_0", 0) for log in logging_outputs):
            for name in ("_bleu_counts", "_bleu_totals"):
                metrics.log_scalar(name, np.zeros(EVAL_BLEU_ORDER, dtype=int))
            metrics.log_scalar("_bleu_sys_len", 0)
            metrics.log_scalar("_bleu_ref_len", int(sum(log["_bleu_ref_len"] for log in logging_outputs)))
            metrics.log_derived("bleu", bleu_of_meters)


def bleu_of_meters(meters: Any) -> float:
    """BLEU, 0 to 100, of the sums that fairseq's translation task logs, computed as fairseq does."""
    counts, totals = (meters[f"_bleu_{name}"].sum.tolist() for name in ("counts", "totals"))
    hypothesis_words, reference_words = (int(meters[f"_bleu_{name}_len"].sum) for name in ("sys", "ref"))
    return round(BLEU.compute_bleu(counts, totals, hypothesis_words, reference_words, smooth_method="exp").score, 2)
