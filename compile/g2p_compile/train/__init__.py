"""Train a checkpoint, or fine-tune one on a lexicon: what `g2p-batch train` does."""
