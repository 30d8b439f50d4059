"""Pronunciations scored against a reference: error rates by language, commonest errors, and what scores are worth."""

from g2p_batch.evaluation.comparison import Segmenter, evaluate

__all__ = ["Segmenter", "evaluate"]
