"""A checkpoint to a program: with torch, once."""
