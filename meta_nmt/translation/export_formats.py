"""What a model can be exported as: names for flags, known without loading what exports."""

FORMATS = ("fairseq", "ctranslate2")
QUANTIZATIONS = ("float32", "int8", "int8_float32", "int16", "float16", "bfloat16")  # of CTranslate2's weights
