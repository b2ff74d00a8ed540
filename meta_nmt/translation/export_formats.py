"""The formats of an export, as names for flags, which are known without loading torch."""

FORMATS = ("fairseq", "ctranslate2")
QUANTIZATIONS = ("float32", "int8", "int8_float32", "int16", "float16", "bfloat16")  # of CTranslate2's weights
