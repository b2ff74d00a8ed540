"""Speed, memory and quality measured against peers. May import data_prep and meta_nmt; neither imports benchmarks."""
