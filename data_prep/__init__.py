"""From raw text to binarised data and ULR tables: files in, files out. Nothing here imports meta_nmt."""
