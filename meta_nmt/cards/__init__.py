"""Model cards: what is known of a model, from its checkpoint or from a result, and how that is written down."""
