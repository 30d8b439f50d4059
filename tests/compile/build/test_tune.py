"""Tiles: which a product may have, which is chosen, and that results do not depend on it."""

import platform
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from g2p_batch.errors import UsageError
from g2p_batch.model import contract
from g2p_batch.model.contract import load_contract, load_manifest
from g2p_batch.model.cpu_engine import Artifact
from g2p_batch.model.cpu_families import FAMILIES, cpu_features
from g2p_batch.model.resolve import find_model
from g2p_compile.build import backends, tune
from g2p_compile.build.builder import build
from g2p_compile.build.tune import fastest, products
from g2p_compile.kernels import MACHINES
from g2p_compile.kernels.cpu.register_tiles import ProductShape, Tiles, candidates
from g2p_compile.program import load_program
from tests.helpers.decoding import decode
from tests.helpers.tiny_models import TINY_SHAPES

FAMILY = next(
    family
    for family in FAMILIES
    if "float32" in family.dtypes
    and family.arch == platform.machine()
    and cpu_features() >= set(family.features)
    and not MACHINES[family.name].matrix
)
"""The strongest whose products have a choice of tiles."""
MACHINE = MACHINES[FAMILY.name]


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
@pytest.mark.parametrize(
    "product", [ProductShape(256, 384), ProductShape(256, 512, 2), ProductShape(256, 768)], ids=str
)
def test_candidates_fit_the_registers_and_divide_the_columns(machine, product):
    shapes = list(candidates(machine, product))
    assert len(set(shapes)) == len(shapes) > 1
    plain = Tiles().choose(machine, product)
    assert (plain.vectors, plain.rows) == shapes[0]
    for vectors, rows in shapes:
        assert vectors * rows + vectors + 1 <= machine.registers
        assert vectors % product.parts == 0
        assert product.outputs * product.parts % (vectors * machine.lanes) == 0
        measured = Tiles({str(product): (vectors, rows)}).choose(machine, product)
        assert (measured.vectors, measured.rows, measured.lanes.lanes) == (vectors, rows, machine.lanes)


def test_a_measured_tile_that_does_not_fit_is_not_taken():
    product = ProductShape(256, 3 * MACHINE.lanes)
    tile = Tiles({str(product): (4, 2)}).choose(MACHINE, product)
    assert (tile.vectors, tile.rows) == next(candidates(MACHINE, product))


def test_the_tile_of_no_measurement_stays_unless_another_is_clearly_faster():
    assert fastest({(2, 6): 1.0, (1, 8): 0.99}) == (2, 6)
    assert fastest({(2, 6): 1.0, (1, 8): 0.9, (2, 4): 0.8}) == (2, 4)
    assert fastest({(2, 6): 1.0}) == (2, 6)


def test_results_do_not_depend_on_tiles(tiny_program: Path, tmp_path: Path, monkeypatch):
    found = products(load_program(tiny_program), MACHINE, TINY_SHAPES, "float32")
    last = {str(product): shapes[-1] for product in found if len(shapes := list(candidates(MACHINE, product))) > 1}
    assert last
    monkeypatch.setattr(backends, "tune", lambda *_: Tiles(last))
    manifest = build(tiny_program, FAMILY, TINY_SHAPES, "float32", tmp_path / "other", tuned=print)
    plain = build(tiny_program, FAMILY, TINY_SHAPES, "float32", tmp_path / "plain")
    assert (manifest.tiles, plain.tiles, manifest.key) == (last, {}, plain.key)
    assert load_manifest(tmp_path / "other") == manifest
    random = np.random.default_rng(0)
    lengths = random.integers(1, TINY_SHAPES.longest.source_bytes, 40).astype(np.int32)
    ids = random.integers(3, 259, (40, lengths.max())).astype(np.int32)
    ids[np.arange(ids.shape[1]) >= lengths[:, None]] = 0
    one, other = (
        decode(Artifact(folder).engine(), ids, lengths) for folder in (tmp_path / "plain", tmp_path / "other")
    )
    assert one.ids.tolist() == other.ids.tolist()
    assert one.logprob.tobytes() == other.logprob.tobytes()


def test_a_tuned_model_is_measured_once_and_then_taken_by_all(tiny_program: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("G2P_BATCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("g2p_batch.model.artifact_cache.cpu_family", lambda dtype: FAMILY)
    monkeypatch.setattr(tune, "_ROUNDS", 1)
    monkeypatch.setattr(tune, "_LEAST_S", 0.0)
    monkeypatch.setattr(tune, "candidates", lambda machine, product: list(candidates(machine, product))[:2])
    config = tmp_path / "tiny.toml"
    bucket = TINY_SHAPES.longest
    facts = load_contract(tiny_program)
    longest = msgspec.structs.replace(bucket, source_bytes=facts.max_source_bytes, target_bytes=facts.max_target_bytes)
    lines = [f"ladder = {list(TINY_SHAPES.ladder)}", "[[bucket]]"]
    config.write_text(
        "\n".join([*lines, *(f"{name} = {value}" for name, value in msgspec.structs.asdict(longest).items())])
    )
    model = find_model(str(tiny_program), print, config=config)
    said: list[str] = []
    tuned = model.compile(said.append, tune=True)
    assert tuned.name.endswith("-tuned")
    assert contract.load_manifest(tuned).tiles
    assert sorted(line.partition(":")[0] for line in said[1:]) == sorted(contract.load_manifest(tuned).tiles)
    assert model.compile(said.append) == tuned
    with pytest.raises(UsageError, match="--tune measures on this CPU"):
        replace(model, target="sse2").compile(said.append, tune=True)


def test_nothing_is_measured_where_products_have_one_tile(tiny_program: Path):
    said: list[str] = []
    assert tune.tune(load_program(tiny_program), MACHINES["amx"], TINY_SHAPES, "bfloat16", said.append) == Tiles()
    assert said == ["Every product has one tile on this CPU: nothing was measured"]
