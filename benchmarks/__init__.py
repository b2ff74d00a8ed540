"""Speed, memory and quality measured against peers. May import data_prep and meta_nmt; neither imports benchmarks."""

import data_prep  # noqa: F401  Ctrl-C is one line from here on
