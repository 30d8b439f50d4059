"""What names an artifact: its key changes with every input that shapes it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from g2p_batch.model.artifact_cache import artifact_key
from g2p_batch.model.contract import Contract, load_contract, load_manifest
from g2p_batch.model.cpu_families import FAMILIES, cpu_family
from tests.helpers.tiny_models import TINY_SHAPES

BY_NAME = {family.name: family for family in FAMILIES}


def other(contract: Contract, **changes: Any) -> Contract:
    return replace(contract, **changes)


def keys(contract: Contract) -> dict[str, str]:
    """Return the key of every way to differ from the first."""
    family, first = BY_NAME["avx2"], TINY_SHAPES
    shapes = {
        "as it is": first,
        "a longer ladder": replace(first, ladder=(1, 2, 4, 8, 16)),
        "a smaller batch": replace(
            first, buckets=(msgspec.structs.replace(first.buckets[0], batch=4), first.buckets[1])
        ),
        "a smaller chunk": replace(
            first, buckets=(msgspec.structs.replace(first.buckets[0], chunk=3), first.buckets[1])
        ),
        "a longer source": replace(
            first, buckets=(msgspec.structs.replace(first.buckets[0], source_bytes=25), first.buckets[1])
        ),
        "a longer target": replace(
            first, buckets=(msgspec.structs.replace(first.buckets[0], target_bytes=13), first.buckets[1])
        ),
        "one bucket": replace(first, buckets=first.buckets[1:]),
    }
    contracts = {
        "another checkpoint": other(contract, checkpoint_sha256="0" * 64),
        "another program": other(contract, files={**contract.files, "program.json": "0" * 64}),
        "another prefix": other(contract, prefix="none" if contract.prefix == "space" else "space"),
        "fewer languages": other(contract, languages=contract.languages[:1]),
        "other weights": other(contract, files={**contract.files, "weights.safetensors": "0" * 64}),
    }
    families = {f"for {f.name}": f for f in FAMILIES if f is not family} | {
        "with a feature more": replace(family, features=(*family.features, "avx512f"))
    }
    return (
        {name: artifact_key(contract, family, s, "float32") for name, s in shapes.items()}
        | {name: artifact_key(c, family, first, "float32") for name, c in contracts.items()}
        | {name: artifact_key(contract, f, first, "float32") for name, f in families.items()}
    )


def test_every_input_that_shapes_an_artifact_changes_its_key(tiny_program: Path) -> None:
    found = keys(load_contract(tiny_program))
    assert len(set(found.values())) == len(found) == 12 + len(FAMILIES)


def test_the_same_inputs_have_the_same_key_and_the_manifest_bears_it(tiny_program: Path, tiny_artifact: Path) -> None:
    contract = load_contract(tiny_program)
    assert keys(contract) == keys(load_contract(tiny_program))
    assert load_manifest(tiny_artifact).key == artifact_key(contract, cpu_family(), TINY_SHAPES, "float32")


@pytest.mark.parametrize(("name", "value"), [("artifact_cache.CHOOSE", "choose_9"), ("contract._SEARCH_ROWS", 1)])
def test_another_way_to_search_changes_the_key(
    tiny_program: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    before = keys(load_contract(tiny_program))["as it is"]
    monkeypatch.setattr(f"g2p_batch.model.{name}", value)
    assert keys(load_contract(tiny_program))["as it is"] != before


def test_a_new_compiler_version_changes_the_key(tiny_program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = keys(load_contract(tiny_program))["as it is"]
    monkeypatch.setattr("importlib.metadata.version", lambda name: "9.9")
    assert keys(load_contract(tiny_program))["as it is"] != before
