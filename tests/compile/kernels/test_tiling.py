"""How products are cut for a GPU, in which number formats they are stored, and what fits on which."""

import numpy as np
import pytest
import torch

from g2p_batch.errors import ModelError, UsageError
from g2p_batch.model.artifact_cache import GPU_DTYPES
from g2p_batch.model.contract import DType
from g2p_compile.kernels import Call, Limits
from g2p_compile.kernels.cuda import CudaKernels, gpu
from g2p_compile.kernels.cuda.launch import STORED
from g2p_compile.kernels.cuda.tiling import as_stored, choose


@pytest.mark.parametrize("dtype", GPU_DTYPES)
def test_numbers_are_stored_to_the_nearest(dtype: DType) -> None:
    exact = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    stored = as_stored(exact, dtype)
    assert stored.dtype.name == STORED[dtype]
    wanted = torch.from_numpy(exact).to(getattr(torch, dtype))
    assert stored.tobytes() == wanted.view(getattr(torch, STORED[dtype])).numpy().tobytes()


def test_a_weight_beyond_float16_is_refused() -> None:
    with pytest.raises(ModelError, match="too large for float16: use bfloat16"):
        as_stored(np.array([1e5], np.float32), "float16")


def test_sizes_that_no_kernel_has_are_refused() -> None:
    with pytest.raises(ModelError, match="no multiples of 8"):
        choose("bfloat16", 60, 64, parts=1, normed=True, kept=0, shared_bytes=99 << 10)
    with pytest.raises(ModelError, match="KiB of shared memory, this --arch has 99"):
        choose("float32", 4096, 64, parts=1, normed=True, kept=0, shared_bytes=99 << 10)
    kernels = CudaKernels(gpu(("sm_80",)), Limits(40, 20), "bfloat16")
    with pytest.raises(ModelError, match="heads of 24 values"):
        kernels.make("cross_attention", Call(((None, 48), (None,), (None,), (2, None, None, 2, 24)), (), ()))


def test_an_unknown_gpu_is_refused() -> None:
    with pytest.raises(UsageError, match="--arch sm_70 is not supported: give one or more of sm_80"):
        gpu(("sm_90", "sm_70"))


@pytest.mark.parametrize("architecture", ["sm_80", "sm_86", "sm_90"])
@pytest.mark.parametrize("dtype", GPU_DTYPES)
def test_upstream_shapes_fit(architecture: str, dtype: DType) -> None:
    room = gpu((architecture,)).shared_bytes
    for inner, outputs, parts, normed, kept in (
        (256, 1152, 1, True, 0), (256, 1024, 2, True, 0), (1024, 256, 1, False, 0), (256, 384, 1, True, 384),
        *([] if dtype == "float32" else [(1472, 3584, 2, True, 0), (1472, 384, 1, True, 384)]),
    ):  # fmt: skip
        tiling = choose(dtype, inner, outputs, parts=parts, normed=normed, kept=kept, shared_bytes=room)
        assert tiling.shared_bytes <= room
