"""A model without a compiler: a program folder on disk, and compiled models whose engines answer from a dictionary."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from g2p_batch.model import resolve
from g2p_batch.model.contract import EXCEPTIONS, Contract, Geometry, LengthBucket, Shapes, digest, save_json
from g2p_batch.model.greedy import Engine, EngineFactory
from g2p_batch.model.ids import Int32
from g2p_batch.model.progress import Say
from g2p_batch.model.resolve import Model
from tests.helpers.fake_engine import SHAPES, Echo, FakeEngine

CONTRACT = Contract(
    name="fake",
    checkpoint="nowhere",
    checkpoint_sha256="ab" * 32,
    prefix="space",
    languages=("eng-us", "fra", "grc", "ron"),
    geometry=Geometry(8, 16, 4, 2, 1, 1, 384, "gelu_new", True, 32, 128, 1e-6, 1.0),
    max_source_bytes=64,
    max_target_bytes=128,
)

ANSWERS = Echo({"<eng-us>: hello": "həˈloʊ", "<fra>: été": "ete", "<fra>: h": "", "<ron>: ca": b"k\xc9a"})
"""Every other word is pronounced as it is written."""


@dataclass(frozen=True)
class FakeManifest:
    contract: Contract = CONTRACT
    dtype: str = "float32"


class FakeArtifact:
    manifest = FakeManifest()

    def __init__(self, exceptions: Path | None = None) -> None:
        self._exceptions = exceptions

    def engine(self) -> FakeEngine:
        return FakeEngine(ANSWERS)

    def exceptions(self) -> Path | None:
        return self._exceptions


@dataclass(frozen=True)
class FakeEngines:
    """Makes fake engines in workers."""

    answers: Echo = field(default_factory=lambda: ANSWERS)
    shapes: Shapes = SHAPES
    key: str = "fa" * 32
    label: str = "fake float32"
    dictionary: Path | None = None

    def exceptions(self) -> Path | None:
        return self.dictionary

    def engine(self) -> Engine:
        return FakeEngine(self.answers, self.shapes)


@dataclass(frozen=True)
class FakeModel:
    """What a run asks of a `Model`."""

    contract: Contract
    engines: EngineFactory
    dtype: str = "float32"

    def compiled(self, _say: Callable[[str], None]) -> EngineFactory:
        return self.engines


class Opened(NamedTuple):
    """The model that was asked for, and how."""

    name: str
    target: str
    dtype: str
    config: Path | None = None


def install(monkeypatch: pytest.MonkeyPatch, folder: Path, exceptions: Path | None = None) -> list[Opened]:
    """Put the program into `folder`, let every model be the fake, and return the list of what is opened."""
    folder.mkdir()
    files = {} if exceptions is None else {EXCEPTIONS: digest(exceptions)}
    contract = replace(CONTRACT, files=files)
    save_json(folder / "contract.json", contract)
    opened: list[Opened] = []

    def open_model(model: Model, _say: Say) -> FakeArtifact:
        opened.append(Opened(str(model.name), model.target, model.dtype, model.config))
        return FakeArtifact(exceptions)

    def compiled(model: Model, _say: Say) -> EngineFactory:
        opened.append(Opened(model.name, model.target, model.dtype, model.config))
        return FakeEngines(dictionary=exceptions)

    monkeypatch.setattr(resolve, "_program", lambda _name, _say: folder)
    monkeypatch.setattr(Model, "open", open_model)
    monkeypatch.setattr(Model, "compiled", compiled)
    return opened


class _Deadly(FakeEngine):
    def encode(self, bucket: LengthBucket, ids: Int32, lengths: Int32) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)
        return super().encode(bucket, ids, lengths)


class DeadlyEngines(FakeEngines):
    """Makes engines that kill their worker as soon as they are used."""

    def engine(self) -> Engine:
        return _Deadly(ANSWERS, SHAPES)


class _Drainer(_Deadly):
    def encode(self, bucket: LengthBucket, ids: Int32, lengths: Int32) -> Any:
        os.kill(os.getppid(), signal.SIGUSR1)
        return super().encode(bucket, ids, lengths)


class DrainingEngines(FakeEngines):
    """Makes engines that drain their driver and then kill their worker."""

    def engine(self) -> Engine:
        return _Drainer(ANSWERS, SHAPES)
