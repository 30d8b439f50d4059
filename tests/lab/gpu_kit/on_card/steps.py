"""The steps, in their order, and which function each is."""

from collections.abc import Callable, Iterator
from pathlib import Path

from tests.lab.gpu_kit.on_card.kit import CODE, USUAL, Kit
from tests.lab.gpu_kit.on_card.proofs import Facts, agreement, company, golden, numerics
from tests.lab.gpu_kit.on_card.rivals import rival
from tests.lab.gpu_kit.on_card.runner import Step
from tests.lab.gpu_kit.on_card.speed import peak, single, speed, stages
from tests.lab.gpu_kit.on_card.tools import kernels, sanitizer, small

FUNCTIONS: dict[str, Callable[[Kit, str], Iterator[Facts]]] = {
    "golden": golden,
    "numerics": numerics,
    "agreement": agreement,
    "company": company,
    "peak": peak,
    "speed": speed,
    "stages": stages,
    "transformers": rival(compiled=False),
    "transformers compiled": rival(compiled=True),
    "memcheck": sanitizer("memcheck"),
    "racecheck": sanitizer("racecheck"),
    "initcheck": sanitizer("initcheck"),
    "synccheck": sanitizer("synccheck"),
    "kernels": kernels,
    "single": single,
    "small": small,
}
"""What `work` runs; the last two only under a tool."""

_ALL, _FAST = ("float32", "bfloat16", "float16"), ("bfloat16",)
# Seconds are limits: on an H200 nearly all steps should take a tenth of them.
_ORDER: tuple[tuple[str, tuple[str, ...], int], ...] = (
    ("golden", ("float32",), 90),
    ("numerics", _ALL, 40),
    ("agreement", _ALL, 40),
    ("company", _ALL, 40),
    ("peak", ("",), 40),
    ("speed", ("bfloat16", "float16", "float32"), 60),
    ("stages", _FAST, 30),
    ("transformers", _FAST, 60),
    ("transformers compiled", _FAST, 120),
    ("memcheck", _FAST, 90),
    ("racecheck", _FAST, 90),
    ("kernels", _FAST, 90),
    ("initcheck", _FAST, 60),
    ("synccheck", _FAST, 60),
)


def steps(folder: Path) -> list[Step]:
    """Return the steps for the number formats that a kit has."""
    there = {path.name.removeprefix(f"{USUAL}-") for path in (folder / CODE).glob(f"{USUAL}-*")} | {""}
    return [Step(name, dtype, limit) for name, dtypes, limit in _ORDER for dtype in dtypes if dtype in there]
