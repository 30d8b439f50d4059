"""A model without a compiler: a program folder on disk, and an artifact whose engines answer from a dictionary."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from g2p_batch import models
from g2p_batch.contract import Contract, Geometry, save_json
from tests.fake_engine import Echo, FakeEngine

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


def install(monkeypatch: pytest.MonkeyPatch, folder: Path) -> list[models.Request]:
    """Put the program into `folder`, let `models.open_model` open the fake, and return the list of what it opened."""
    folder.mkdir()
    save_json(folder / "contract.json", CONTRACT)
    opened: list[models.Request] = []

    def open_model(request: models.Request, _say: models.Say) -> FakeArtifact:
        opened.append(request)
        return FakeArtifact()

    monkeypatch.setattr(models, "open_model", open_model)
    return opened
