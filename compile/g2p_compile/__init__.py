"""Build time: checkpoint -> program (torch) -> artifact (tvm)."""
