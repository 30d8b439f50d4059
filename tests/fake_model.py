"""A model without a compiler: a program folder on disk, and an artifact whose engines answer from a dictionary."""

import os
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from g2p_batch import models
from g2p_batch.codec import Int32
from g2p_batch.contract import Bucket, Contract, Geometry, Shapes, save_json
from g2p_batch.decode import Compiled, Engine
from tests.fake_engine import SHAPES, Echo, FakeEngine

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


COMPILED = Compiled("fa" * 32, "fake float32", OpenFake())


def install(monkeypatch: pytest.MonkeyPatch, folder: Path) -> list[models.Request]:
    """Put the program into `folder`, let `models` open the fake, and return the list of what it opened."""
    folder.mkdir()
    save_json(folder / "contract.json", CONTRACT)
    opened: list[models.Request] = []

    def open_model(request: models.Request, _say: models.Say) -> FakeArtifact:
        opened.append(request)
        return FakeArtifact()

    def compiled(request: models.Request, _say: models.Say) -> Compiled:
        opened.append(request)
        return COMPILED

    monkeypatch.setattr(models, "open_model", open_model)
    monkeypatch.setattr(models, "compiled", compiled)
    return opened


class _Deadly(FakeEngine):
    def encode(self, bucket: Bucket, ids: Int32, lengths: Int32) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)
        return super().encode(bucket, ids, lengths)


class OpenDeadly:
    """Opens an engine that kills its worker as soon as it is used."""

    def __call__(self) -> Engine:
        return _Deadly(ANSWERS, SHAPES)


class _Drainer(_Deadly):
    def encode(self, bucket: Bucket, ids: Int32, lengths: Int32) -> Any:
        os.kill(os.getppid(), signal.SIGUSR1)
        return super().encode(bucket, ids, lengths)


class OpenDrainer:
    """Opens an engine that drains its driver and then kills its worker."""

    def __call__(self) -> Engine:
        return _Drainer(ANSWERS, SHAPES)
