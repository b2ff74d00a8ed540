"""The commands: one file for each, and what they share of flags, checks and error messages."""
