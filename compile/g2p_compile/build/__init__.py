"""A program to an artifact: with TVM, for each kind of hardware."""
