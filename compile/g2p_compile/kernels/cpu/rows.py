"""Kernels that go over rows one at a time: the embedding and the norm that stands alone."""

from tvm.tirx.script import builder as T

from g2p_compile.kernels.cpu.operands import row_scale
from g2p_compile.kernels.kernel import Float32, Kernel, Packed, Site
from g2p_compile.kernels.vector import buffer, kernel, lanes_dividing, size


def embed(site: Site) -> Kernel:
    """`ops.embed`."""
    vocabulary, width = site.weights[0]
    lanes = lanes_dividing(site.machine, width)
    with kernel("embed") as built:
        rows = size()
        ids = buffer("ids", (rows,), "int32")
        table = buffer("table", (vocabulary, width))
        y = buffer("y", (rows, width))
        with T.serial(0, rows) as i, T.serial(0, width // lanes.lanes) as k:
            index = lanes.at(k * lanes.lanes)
            T.buffer_store(y, table[T.cast(ids[i], "int64"), index], [i, index])
    return Kernel(built.get(), (Packed((vocabulary, width), "float32"),), _as_it_is)


def rms_norm(site: Site) -> Kernel:
    """`ops.rms_norm`."""
    (width,) = site.weights[0]
    lanes = lanes_dividing(site.machine, width)
    (epsilon,) = site.constants
    with kernel("rms_norm") as built:
        rows = size()
        x = buffer("x", (rows, width))
        gain = buffer("gain", (width,))
        y = buffer("y", (rows, width))
        with T.serial(0, rows) as i:
            scale = lanes.named(lanes.splat(row_scale(site.machine, x, i, epsilon)))
            with T.serial(0, width // lanes.lanes) as k:
                index = lanes.at(k * lanes.lanes)
                T.buffer_store(y, gain[index] * (x[i, index] * scale), [i, index])
    return Kernel(built.get(), (Packed((width,), "float32"),), _as_it_is)


def _as_it_is(weight: Float32) -> tuple[Float32]:
    return (weight,)
