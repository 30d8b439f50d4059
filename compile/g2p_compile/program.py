"""The program of a checkpoint on disk: Relax functions and weights, read without torch."""

from dataclasses import dataclass
from pathlib import Path

import ml_dtypes  # noqa: F401 - gives numpy the bfloat16 that weights are stored in
import numpy as np
import numpy.typing as npt
import tvm
from safetensors.numpy import load_file
from tvm import relax

from g2p_batch.errors import ModelError
from g2p_batch.model.contract import Contract, damaged_file, load_contract

PREFIX = "g2p."
"""Namespace of the external functions that stand for the operations of `ops`."""
CHOICES = 8
"""Tokens that `variants_head` gives of every row."""
PROGRAM, WEIGHTS = "program.json", "weights.safetensors"
_CALLS = ("relax.call_dps_packed", "relax.call_inplace_packed")
"""How a program calls operations that give results, and those that write into an argument."""
WEIGHT_NAMES = "weight_names"
"""Attribute of a Relax function: the names of its last parameters in `weights.safetensors`."""


@dataclass(frozen=True)
class Program:
    """A checkpoint, exported: contract, Relax functions (`encoder`, `prefill`, `step`, `cacheless`) and weights."""

    contract: Contract
    module: tvm.IRModule
    weights: dict[str, npt.NDArray[np.float32]]


def operation_of(expression: relax.Expr) -> str:
    """Return the operation that an expression calls, or nothing."""
    if getattr(getattr(expression, "op", None), "name", "") not in _CALLS:
        return ""
    return str(expression.args[0].global_symbol).removeprefix(PREFIX)


def load_program(folder: Path) -> Program:
    """Read a program and check its files against the contract.

    Raises:
        ModelError: a file is missing or is not the one that was exported.
    """
    contract = load_contract(folder)
    if path := damaged_file(folder, contract.files):
        raise ModelError(f"{path} is missing or damaged: export the checkpoint again, or reinstall g2p-batch")
    weights = {name: array.astype(np.float32) for name, array in load_file(folder / WEIGHTS).items()}
    return Program(contract, tvm.ir.load_json((folder / PROGRAM).read_text(encoding="utf-8")), weights)
