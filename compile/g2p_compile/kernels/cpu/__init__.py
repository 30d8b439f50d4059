"""The kernels of CPUs."""
