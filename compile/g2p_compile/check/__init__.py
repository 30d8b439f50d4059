"""What is correct, and whether a compiled model is."""
