"""CUDA kernels: device code in `*.cuh`, written for a shape here, and what launches it from the compiled model."""

from g2p_compile.kernels.cuda.cuda_kernels import CudaKernels
from g2p_compile.kernels.cuda.gpu_generation import Gpu, gpu

__all__ = ["CudaKernels", "Gpu", "gpu"]
