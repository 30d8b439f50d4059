"""Where files lie, and how they appear whole or not at all."""
