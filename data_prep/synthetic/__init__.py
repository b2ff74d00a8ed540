"""The embedded family of languages: its grammar, its languages, its corpora. May import base."""
