"""The elementary functions over vectors, in units of their last place."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
import tvm_ffi
from tvm.tirx.script import builder as T

from g2p_compile.kernels import MACHINES
from g2p_compile.kernels.vector import Lanes, buffer, kernel, size
from tests.helpers.cpu_kernels import NAN, RUNNABLE, aligned, compile_functions

ELEMENTARY: dict[str, Callable[[Lanes, Any], Any]] = {"exp": Lanes.exp, "log": Lanes.log, "gelu": Lanes.gelu}


@dataclass(frozen=True)
class Elementary:
    """The elementary functions, each over a row of vectors of some lanes."""

    lanes: int
    functions: dict[str, Callable[..., None]]

    def __call__(self, name: str, x: np.ndarray) -> np.ndarray:
        y = aligned(np.full((len(x) // self.lanes, self.lanes), NAN, np.float32))
        self.functions[name](tvm_ffi.from_dlpack(aligned(x.reshape(y.shape))), tvm_ffi.from_dlpack(y))
        return y.ravel()


@pytest.fixture(
    scope="module", params=[*((name, "vector") for name in RUNNABLE), (RUNNABLE[0], "scalar")], ids="-".join
)
def elementary(request: pytest.FixtureRequest) -> Elementary:
    family, kind = request.param
    lanes_count = MACHINES[family].lanes if kind == "vector" else 1
    lanes = Lanes(MACHINES[family], lanes_count)
    functions = {}
    for name, function in ELEMENTARY.items():
        with kernel(name) as built:
            blocks = size()
            x, y = buffer("x", (blocks, lanes_count)), buffer("y", (blocks, lanes_count))
            with T.serial(0, blocks) as i:
                T.buffer_store(y, function(lanes, x[i, lanes.at(0)]), [i, lanes.at(0)])
        functions[name] = built.get().with_attr("global_symbol", name)
    return Elementary(lanes_count, compile_functions(functions, family))


def grid(low: float, high: float, count: int = 1 << 17) -> np.ndarray:
    return np.linspace(low, high, count, dtype=np.float64).astype(np.float32)


def ulps(found: np.ndarray, exact: np.ndarray) -> float:
    return float((np.abs(found - exact) / np.spacing(np.abs(exact).astype(np.float32))).max())


def test_exp_is_within_two_units_in_the_last_place(elementary: Elementary) -> None:
    x = np.concatenate([grid(-87.0, 88.0), grid(-1.0, 1.0)])
    assert ulps(elementary("exp", x), np.exp(x.astype(np.float64))) <= 2.0


def test_exp_of_what_is_out_of_range_is_tiny_or_huge_and_finite(elementary: Elementary) -> None:
    x = np.repeat(np.array([-3e38, -1e4, -87.5, 88.5, 1e4, 3e38], np.float32), 16)
    found = elementary("exp", x).reshape(6, 16)
    assert ((found[:3] > 0) & (found[:3] < 2e-38)).all()
    assert (np.isfinite(found[3:]) & (found[3:] > 1.6e38)).all()


def test_exp_of_zero_and_log_of_one_are_exact(elementary: Elementary) -> None:
    assert (elementary("exp", np.zeros(16, np.float32)) == 1.0).all()
    assert (elementary("log", np.ones(16, np.float32)) == 0.0).all()


def test_log_is_within_two_units_in_the_last_place(elementary: Elementary) -> None:
    x = np.concatenate([grid(1.0, 400.0), grid(1e-3, 1.0), np.exp2(grid(-125.9, 127.9)).astype(np.float32)])
    exact = np.log(x.astype(np.float64))
    assert ulps(elementary("log", x), exact) <= 2.0


def test_gelu_is_within_a_millionth_of_its_definition(elementary: Elementary) -> None:
    x = np.concatenate([grid(-12.0, 12.0), np.repeat(np.array([-1e30, -500.0, 500.0, 1e30], np.float32), 16)])
    exact = torch.nn.functional.gelu(torch.from_numpy(x).double(), approximate="tanh").numpy()
    away = np.abs(elementary("gelu", x) - exact)
    assert (away / np.maximum(1.0, np.abs(exact))).max() <= 1e-6
