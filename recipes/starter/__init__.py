"""The starter: a model for many languages that is given away, from text that may be given away."""
