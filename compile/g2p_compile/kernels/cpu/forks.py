"""Copies between the slots of a cache."""

from tvm.tirx.script import builder as T

from g2p_compile.kernels.cpu.cells import choose_cells
from g2p_compile.kernels.kernel import Kernel, Site
from g2p_compile.kernels.vector import buffer, kernel, lanes_dividing, size


def fork(site: Site) -> Kernel:
    """`ops.fork`: the positions of a slot lie together, and are copied as one run of whole vectors."""
    heads, width = (int(extent) for extent in site.shapes[-1][3:])
    stored = choose_cells(site.machine, site.dtype, width).stored
    position = heads * stored.width
    lanes = lanes_dividing(site.machine, position)
    with kernel("fork") as built:
        forks, slots, reach = size(), size(), size()
        origin, target, count = (buffer(name, (forks,), "int32") for name in ("origin", "target", "count"))
        cache = buffer("cache", (2, slots, reach, heads, stored.width), stored.dtype)
        runs = T.decl_buffer((2, slots, reach * position), stored.dtype, data=cache.data)
        with T.serial(0, forks) as f:
            mine, other = (T.Bind(T.cast(slot[f], "int64")) for slot in (origin, target))
            vectors = T.Bind(T.cast(count[f], "int64") * (position // lanes.lanes))
            with T.serial(0, 2) as kind, T.serial(0, vectors) as v:
                index = lanes.at(v * lanes.lanes)
                T.buffer_store(runs, runs[kind, mine, index], [kind, other, index])
    return Kernel(built.get())
