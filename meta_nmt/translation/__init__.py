"""From adapted checkpoints to translator folders, and from text to text."""
