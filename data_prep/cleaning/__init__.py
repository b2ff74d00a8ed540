"""Raw text made clean and split: clean form, duplicates, held-out lines, samples. May import base and corpora."""
