"""A model without a compiler: a program folder on disk, and an artifact whose engines answer from a dictionary."""

import os
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from g2p_batch.model import resolve
from g2p_batch.model.contract import Contract, Geometry, LengthBucket, Shapes, save_json
from g2p_batch.model.greedy import Engine, EngineFactory
from g2p_batch.model.tokenizer import Int32
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

    def engine(self) -> FakeEngine:
        return FakeEngine(ANSWERS)


@dataclass(frozen=True)
class OpenFake:
    """Opens a fake engine in a worker."""

    answers: Echo = field(default_factory=lambda: ANSWERS)
    shapes: Shapes = SHAPES

    def __call__(self) -> Engine:
        return FakeEngine(self.answers, self.shapes)


COMPILED = EngineFactory("fa" * 32, "fake float32", OpenFake())


def install(monkeypatch: pytest.MonkeyPatch, folder: Path) -> list[resolve.Request]:
    """Put the program into `folder`, let `models` open the fake, and return the list of what it opened."""
    folder.mkdir()
    save_json(folder / "contract.json", CONTRACT)
    opened: list[resolve.Request] = []

    def open_model(request: resolve.Request, _say: resolve.Say) -> FakeArtifact:
        opened.append(request)
        return FakeArtifact()

    def compiled(request: resolve.Request, _say: resolve.Say) -> EngineFactory:
        opened.append(request)
        return COMPILED

    monkeypatch.setattr(resolve, "open_model", open_model)
    monkeypatch.setattr(resolve, "compiled", compiled)
    return opened


class _Deadly(FakeEngine):
    def encode(self, bucket: LengthBucket, ids: Int32, lengths: Int32) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)
        return super().encode(bucket, ids, lengths)


class OpenDeadly:
    """Opens an engine that kills its worker as soon as it is used."""

    def __call__(self) -> Engine:
        return _Deadly(ANSWERS, SHAPES)


class _Drainer(_Deadly):
    def encode(self, bucket: LengthBucket, ids: Int32, lengths: Int32) -> Any:
        os.kill(os.getppid(), signal.SIGUSR1)
        return super().encode(bucket, ids, lengths)


class OpenDrainer:
    """Opens an engine that drains its driver and then kills its worker."""

    def __call__(self) -> Engine:
        return _Drainer(ANSWERS, SHAPES)
