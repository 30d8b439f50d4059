"""What lies in the kit, and models made of it: their code is carried, their weights are packed where they are used."""

import json
import shutil
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from g2p_batch.model.artifact_cache import WEIGHTS
from g2p_batch.model.contract import MANIFEST, Contract, Geometry, Manifest, load_manifest
from g2p_batch.model.cpu_engine import Artifact
from g2p_batch.model.cuda.gpu_engine import GpuEngine
from g2p_batch.model.ids import Float32, Int32
from g2p_compile.export.widening import widened
from g2p_compile.kernels.cuda.tiling import Packing

CODE, RECIPE, SOURCE, SOURCE_WEIGHTS, WORDS, TEXTS, SETTINGS = (
    *("code", "recipe.json", "source.json", "weights.npz", "words.npz", "words.json"),
    "settings.json",
)
USUAL, WIDE, SMALL = "usual", "wide", "small"
"""The model itself; in a larger shape; and with so few rows that slow tools can follow it."""


@dataclass(frozen=True)
class Made:
    """What a packed tensor is made of: which result it is of a packing of weights."""

    packing: Packing
    weights: tuple[str, ...]
    part: int


@dataclass(frozen=True)
class Settings:
    """How much is measured."""

    source: str
    """What the kit was made of."""
    copies: int = 50
    """How often the words are said for words per second."""
    rounds: int = 5
    device: str = "cuda"
    """Where PyTorch computes."""
    peak_size: int = 8192
    """Rows of the matrix product that is taken for the peak."""
    peer_words: int = 4096
    peer_batches: tuple[int, ...] = (2048, 1024, 512)
    least_same: dict[str, float] = field(default_factory=lambda: {"float32": 1.0, "float16": 0.995, "bfloat16": 0.995})
    """Share of ordinary words whose strings are those of float32."""


def stored(weights: dict[str, Float32]) -> dict[str, npt.NDArray[Any]]:
    """Return weights as they are kept: those that bfloat16 holds exactly as its bits, in half the room."""
    halves = {name: (weight.view(np.uint32) >> 16).astype(np.uint16) for name, weight in weights.items()}
    return {name: halves[name] if (_whole(halves[name]) == w).all() else w for name, w in weights.items()}


def _whole(kept: npt.NDArray[Any]) -> Float32:
    return (kept.astype(np.uint32) << 16).view(np.float32) if kept.dtype == np.uint16 else kept


@dataclass(frozen=True)
class Kit:
    """The folder that was carried here, and one for what is made of it."""

    folder: Path
    scratch: Path

    @cached_property
    def settings(self) -> Settings:
        """How much is measured."""
        return msgspec.json.decode((self.folder / SETTINGS).read_bytes(), type=Settings)

    @cached_property
    def words(self) -> Any:
        """Ids, lengths and what the reference says of them: `golden_*` and `many_*`, as `gather` names them."""
        return np.load(self.folder / WORDS)

    @cached_property
    def texts(self) -> dict[str, list[str]]:
        """Columns word and lang of the many words."""
        texts: dict[str, list[str]] = json.loads((self.folder / TEXTS).read_text(encoding="utf-8"))
        return texts

    def sources(self, which: str) -> tuple[Int32, Int32]:
        """Return ids [N, S] and lengths [N] of words."""
        return self.words[f"{which}_ids"], self.words[f"{which}_lengths"]

    def contract(self, model: str, dtype: str) -> Contract:
        """Return what a model was compiled for."""
        return load_manifest(self._code(model, dtype)).contract

    def weights(self, geometry: Geometry) -> dict[str, Float32]:
        """Return the weights of a program in a geometry."""
        with np.load(self.folder / SOURCE_WEIGHTS) as kept:
            weights = {name: _whole(kept[name]) for name in kept.files}
        source = msgspec.json.decode((self.folder / SOURCE).read_bytes(), type=Geometry)
        return widened(weights, source, geometry)

    def engine(self, model: str, dtype: str) -> GpuEngine:
        """Open a model, whose weights have to be those that it was compiled with, to the bit.

        Raises:
            ArtifactError: they are not, or there is no GPU to run it.
        """
        engine = Artifact(self.artifact(model, dtype)).engine()
        assert isinstance(engine, GpuEngine)
        return engine

    def artifact(self, model: str, dtype: str) -> Path:
        """Return the folder of a model, made if it is not there yet."""
        code = self._code(model, dtype)
        folder = self.scratch / code.name
        if not (folder / MANIFEST).exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            manifest = load_manifest(code)
            self._pack(manifest, code, folder / WEIGHTS)
            for name in (*manifest.files, MANIFEST):
                if name != WEIGHTS:
                    shutil.copy(code / name, folder / name)
        return folder

    def _code(self, model: str, dtype: str) -> Path:
        return self.folder / CODE / f"{model}-{dtype}"

    def _pack(self, manifest: Manifest, code: Path, path: Path) -> None:
        recipe = msgspec.json.decode((code / RECIPE).read_bytes(), type=dict[str, Made])
        weights = self.weights(manifest.contract.geometry)
        with path.open("wb") as file:
            for name, tensor in sorted(manifest.tensors.items(), key=lambda named: named[1].offset):
                made = recipe[name]
                file.write(bytes(tensor.offset - file.tell()))
                file.write(made.packing(*(weights[w] for w in made.weights))[made.part].tobytes())
