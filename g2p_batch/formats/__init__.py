"""Lexicon formats: a writer, a reader and a validator each, chosen by name or by the file."""
