"""A compiled model on an NVIDIA GPU."""
