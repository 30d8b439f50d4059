"""Checkpoints from a hub: what is asked for, and what is said when it cannot give one."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import errors as hub

from g2p_compile.export.checkpoint import load_checkpoint
from tests.helpers.checkpoints import SHAPE, TRANSFORMERS_4, refusal, saved
from tests.helpers.tiny_models import random_t5

RESPONSE = SimpleNamespace(headers={}, request=None)
HUB_ID = "charsiu/g2p_multilingual_byT5_tiny_16_layers_100"
UNREACHABLE = {
    "no such repository": (hub.RepositoryNotFoundError("404: not found\nhint", response=RESPONSE), "404: not found"),
    "gated": (hub.GatedRepoError("403: ask for access", response=RESPONSE), "403: ask for access"),
    "no such revision": (hub.RevisionNotFoundError("no revision x", response=RESPONSE), "no revision x"),
    "server error": (hub.HfHubHTTPError("503: try later", response=RESPONSE), "503: try later"),
    "offline and not cached": (hub.LocalEntryNotFoundError("nothing in the cache"), "nothing in the cache"),
    "offline mode": (hub.OfflineModeIsEnabled("HF_HUB_OFFLINE is set"), "HF_HUB_OFFLINE is set"),
    "no network": (OSError(101, "Network is unreachable"), "[Errno 101] Network is unreachable"),
    "a timeout without words": (TimeoutError(), "TimeoutError"),
}


@pytest.mark.parametrize("case", UNREACHABLE)
def test_a_hub_that_cannot_give_a_checkpoint_says_what_to_do(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    error, reason = UNREACHABLE[case]

    def download(*_: Any, **__: Any) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert refusal(HUB_ID) == (
        f"{HUB_ID} is not a folder here, and the model hub could not give it ({reason}): check the name and the "
        "network, or download the checkpoint elsewhere and pass its folder"
    )


@pytest.mark.parametrize("source", ["/no/such/folder", "../checkpoints/mine", "a b", "x/y/z"])
def test_what_is_neither_folder_nor_hub_id_never_reaches_the_hub(source: str) -> None:
    assert refusal(source) == (
        f"{source} is neither a folder nor a hub id: give a folder that holds config.json and *.safetensors, "
        "or an id such as charsiu/g2p_multilingual_byT5_tiny_16_layers_100"
    )


def test_a_hub_id_is_asked_for_its_revision_without_pickles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = saved(tmp_path / "checkpoint", random_t5(SHAPE), TRANSFORMERS_4)
    asked = {}

    def download(source: str, revision: str, allow_patterns: list[str]) -> str:
        asked.update(source=source, revision=revision, patterns=allow_patterns)
        return str(whole)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    contract = load_checkpoint(HUB_ID, revision="abc").contract
    assert (contract.name, contract.checkpoint) == (HUB_ID.split("/")[1], HUB_ID)
    assert (asked["source"], asked["revision"]) == (HUB_ID, "abc")
    assert not [p for p in asked["patterns"] if "bin" in p or p in ("*", "*.pt")]
