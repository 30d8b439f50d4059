"""The model: what it was compiled for, where it is found, and what it says of words."""
