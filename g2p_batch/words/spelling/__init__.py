"""What a model is asked for a word: its spelling, fitted to the alphabet that the model learnt."""

from g2p_batch.words.spelling.batches import ACRONYM, NO_KNOWN_LETTER, UNSEEN_CHARACTER, Asked, Spelling
from g2p_batch.words.spelling.small_letters import small_letters
from g2p_batch.words.spelling.steps import SEPARATOR, STEPS

__all__ = ["ACRONYM", "NO_KNOWN_LETTER", "SEPARATOR", "STEPS", "UNSEEN_CHARACTER", "Asked", "Spelling", "small_letters"]
