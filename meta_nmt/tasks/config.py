"""The flags that both tasks share: those flags of fairseq's translation task that have an effect here."""

# no `from __future__ import annotations`: fairseq reads the types of configuration fields at run time
from dataclasses import dataclass, field

from fairseq.dataclass import FairseqDataclass
from omegaconf import II


@dataclass
class TranslationDataConfig(FairseqDataclass):
    """The flags of the data, of BLEU in validation and of bfloat16, which both tasks have."""

    data: str = field(default="", metadata={"help": "data folder, made by meta-nmt-preprocess"})
    target_lang: str = field(
        default="", metadata={"help": "code of the language translated into", "argparse_alias": "-t"}
    )
    max_source_positions: int = field(
        default=1024, metadata={"help": "longest source sentence, in pieces; longer ones are not trained on"}
    )
    max_target_positions: int = field(
        default=1024, metadata={"help": "longest target sentence, in pieces; longer ones are not trained on"}
    )
    eval_bleu: bool = field(default=False, metadata={"help": "also score the dev set by sacreBLEU at each validation"})
    bleu_tokenizer: str = field(
        default="",
        metadata={
            "help": "sacreBLEU's tokeniser for BLEU, such as char, flores200 or ja-mecab (default: that of the "
            "language translated into)"
        },
    )
    eval_bleu_args: str = field(
        default='{"beam": 1, "max_len_a": 1.5, "max_len_b": 10}',
        metadata={"help": "how that decodes: options of fairseq's generator, as JSON"},
    )
    eval_bleu_print_samples: bool = field(default=False, metadata={"help": "print a sample translation each time"})
    bf16_autocast: bool = field(
        default=False,
        metadata={
            "help": "train under bfloat16 autocast; meta-training is faster with it where the processor multiplies "
            "bfloat16 itself (AVX512-BF16, AMX)"
        },
    )
    train_subset: str = II("dataset.train_subset")
