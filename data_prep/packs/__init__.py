"""Clean text made into a language pack and ids: subwords, vectors, alignment. May import base and cleaning."""
