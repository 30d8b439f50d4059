"""A run: what is planned, what is done, and the lexicon that comes of it."""
