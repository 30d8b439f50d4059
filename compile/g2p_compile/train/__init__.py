"""Train a checkpoint, or fine-tune one on a lexicon: `python -m g2p_compile.train`."""
