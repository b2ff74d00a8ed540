"""Clean text made into a language pack and binarised data: subwords, vectors, alignment. May import base."""
