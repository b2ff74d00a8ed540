"""All stages planned and run for all languages, and audited. May import base, corpora, cleaning and packs."""
