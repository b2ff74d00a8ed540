"""From raw text to binarised data and ULR tables: files in, files out. Nothing here imports meta_nmt."""

from data_prep.base import interrupts

interrupts.watch_start()
