"""An artifact: what names it, what its code does with the caches, how it is published and linked, what is refused."""

import importlib.util
import json
import platform
import re
import resource
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tvm
import tvm_ffi
from tvm import relax

from g2p_batch.errors import ArtifactError, OutputError
from g2p_batch.model import cpu_engine as engine_module
from g2p_batch.model.artifact_cache import LIBRARY, MANIFEST, WEIGHTS, artifact_key
from g2p_batch.model.contract import Contract, digest, load_contract, load_manifest, save_json
from g2p_batch.model.cpu_engine import Artifact, CpuEngine
from g2p_batch.model.cpu_families import FAMILIES, Family, cpu_family, cpu_features
from g2p_batch.model.greedy import Rows, decode
from g2p_batch.model.tokenizer import EOS, detokenize, tokenize
from g2p_compile.build.bind import Bound, bind
from g2p_compile.build.builder import build
from g2p_compile.build.builder import builder as build_module
from g2p_compile.build.link import link, linker
from g2p_compile.build.passes import passes_to_executable
from g2p_compile.check.transformers_reference import answers
from g2p_compile.kernels import MACHINES, CpuKernels, Limits
from g2p_compile.program import load_program
from tests.helpers.tiny_models import LANGUAGES, TINY_SHAPES, random_checkpoint

BY_NAME = {family.name: family for family in FAMILIES}
RUNNABLE = [
    family
    for family in FAMILIES
    if "float32" in family.dtypes and family.arch == platform.machine() and cpu_features() >= set(family.features)
] or [cpu_family()]
LAYERS = 2
WORDS = ["a", "hello", "château", "ひらがな", "straße", "κόσμος", "x" * 30, "мир", "né", "zz"]


def sources(contract: Contract) -> tuple[np.ndarray, np.ndarray, list[str]]:
    langs = [LANGUAGES[i % len(LANGUAGES)] for i in range(len(WORDS))]
    prefixes = pa.array([contract.prefix_for(lang) for lang in langs], pa.string())
    return *tokenize(pa.array(WORDS, pa.string()), prefixes), langs


# What names an artifact.


def other(contract: Contract, **changes: Any) -> Contract:
    return replace(contract, **changes)


def keys(contract: Contract) -> dict[str, str]:
    """Return the key of every way to differ from the first."""
    family, first = BY_NAME["avx2"], TINY_SHAPES
    shapes = {
        "as it is": first,
        "a longer ladder": replace(first, ladder=(1, 2, 4, 8, 16)),
        "a smaller batch": replace(first, buckets=(replace(first.buckets[0], batch=4), first.buckets[1])),
        "a smaller chunk": replace(first, buckets=(replace(first.buckets[0], chunk=3), first.buckets[1])),
        "a longer source": replace(first, buckets=(replace(first.buckets[0], source_bytes=25), first.buckets[1])),
        "a longer target": replace(first, buckets=(replace(first.buckets[0], target_bytes=13), first.buckets[1])),
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


def test_a_new_compiler_version_changes_the_key(tiny_program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = keys(load_contract(tiny_program))["as it is"]
    monkeypatch.setattr("g2p_batch.model.artifact_cache.metadata.version", lambda name: "9.9")
    assert keys(load_contract(tiny_program))["as it is"] != before


# What the compiled code computes.


# The strongest and the weakest family of this machine: the kernels of those between are compared one by one.
@pytest.fixture(scope="module", params=dict.fromkeys([RUNNABLE[0], RUNNABLE[-1]]), ids=lambda family: family.name)
def engine(request: pytest.FixtureRequest, tiny_program: Path, tiny_artifact: Path, tmp_path_factory: Any) -> CpuEngine:
    family: Family = request.param
    if family == cpu_family():
        return Artifact(tiny_artifact).engine()
    folder = tmp_path_factory.mktemp("families") / family.name
    build(tiny_program, family, TINY_SHAPES, "float32", folder)
    return Artifact(folder).engine()


def test_families_give_the_strings_and_log_probabilities_of_transformers(engine: CpuEngine) -> None:
    ids, lengths, langs = sources(engine.contract)
    out = decode(engine, ids, lengths)
    wanted = answers(random_checkpoint(), WORDS, langs)
    assert min(answer.margin for answer in wanted) > 1e-3
    assert detokenize(out.ids)[0].to_pylist() == [answer.pron for answer in wanted]
    assert out.logprob.tolist() == pytest.approx([answer.logprob for answer in wanted], abs=1e-3)


def test_recomputing_all_positions_without_a_cache_gives_the_same_choices(engine: CpuEngine) -> None:
    ids, lengths, _ = sources(engine.contract)
    ids, lengths = ids[:4], lengths[:4]
    out = decode(engine, ids, lengths)
    hidden = engine.encode(engine.shapes.longest, ids, lengths)
    fed = np.concatenate([np.zeros((4, 1), np.int32), out.ids[:, :-1]], axis=1)
    logits = engine.recompute(np.ascontiguousarray(fed), hidden, lengths)
    ended = out.ids == EOS
    real = ended.cumsum(axis=1) - ended == 0
    assert np.array_equal(logits.argmax(-1)[real], out.ids[real])


# What becomes of the caches.


def step_instructions(executable: Any, name: str) -> list[tuple[str, list[str], str]]:
    """Return the calls of a function of the virtual machine: what is called, its arguments, the register it sets."""
    lines = re.split(r"^@(\w+):$", executable.as_text(), flags=re.MULTILINE)
    body = dict(zip(lines[1::2], lines[2::2], strict=True))[name]
    found = re.findall(r"^\s+call\s+(\S+)\s+in:(.*?)dst:\s*(\S+)\s*$", body, flags=re.MULTILINE)
    return [(called, [a.strip() for a in arguments.split(",")], result) for called, arguments, result in found]


NEON = MACHINES["neon"]
"""What the stages do around the kernels is the same for all families."""


@pytest.fixture(scope="module")
def bound(tiny_program: Path) -> Bound:
    longest = TINY_SHAPES.longest
    kernels = CpuKernels(NEON, Limits(longest.source_bytes, longest.target_bytes))
    return bind(load_program(tiny_program), kernels, TINY_SHAPES)


@pytest.fixture(scope="module")
def executable(bound: Bound) -> Any:
    # Instructions of the virtual machine do not depend on how well LLVM optimises the kernels.
    target = tvm.target.Target({"kind": "llvm", "opt-level": 0, **NEON.target})
    return tvm.compile(bound.module, target=target, relax_pipeline=tvm.transform.Sequential(passes_to_executable()))


@pytest.mark.parametrize("bucket", range(len(TINY_SHAPES.buckets)))
def test_the_compiled_step_hands_its_caches_straight_to_the_kernels(bucket: int, executable: Any) -> None:
    calls = step_instructions(executable, f"step_{bucket}")
    # Parameters are registers: token, position, slot, lengths, then the caches.
    past, source = ["%4", "%5"], ["%6", "%7"]
    assert [arguments[3] for called, arguments, _ in calls if called == "self_attention"] == past
    assert [arguments[3] for called, arguments, _ in calls if called == "cross_attention"] == source
    kernels = {called for called, arguments, _ in calls if set(arguments) & {*past, *source}}
    assert {name for name in kernels if not name.startswith("vm.builtin.")} == {"self_attention", "cross_attention"}
    assert {name for name in kernels if name.startswith("vm.builtin.")} <= {
        "vm.builtin.check_tensor_info",
        "vm.builtin.match_shape",
        "vm.builtin.make_tuple",
    }
    assert not [called for called, _, result in calls if result in (*past, *source)]


def test_no_allocation_of_a_step_is_as_large_as_a_cache(bound: Bound) -> None:
    with tvm.target.Target({"kind": "llvm", **NEON.target}):
        lowered = tvm.transform.Sequential(passes_to_executable())(bound.module)
    for index, bucket in enumerate(TINY_SHAPES.buckets):
        sizes = list(storage_sizes(lowered[f"step_{index}"]))
        cache = 2 * bucket.slots * prod((4, 12, 16)) * 4
        # The two results, tokens and log-probabilities, are as long as the rows given and belong to the caller.
        assert sizes.count(None) == 2
        assert 0 < max(size for size in sizes if size) < cache


def storage_sizes(function: relax.Function) -> Iterator[int | None]:
    """Yield the bytes of every storage that a function allocates; None where only a call tells."""
    found: list[Any] = []

    def visit(expression: relax.Expr) -> None:
        if isinstance(expression, relax.Call) and getattr(expression.op, "name", "") == "relax.vm.alloc_storage":
            found.append(expression.args[0])

    relax.analysis.post_order_visit(function.body, visit)
    for size in found:
        yield int(size.values[0]) if isinstance(size, relax.ShapeExpr) else None


def aligned(shape: tuple[int, ...], fill: float) -> np.ndarray:
    raw = np.zeros(prod(shape) * 4 + 64, np.uint8)
    start = -raw.ctypes.data % 64
    array = raw[start : start + prod(shape) * 4].view(np.float32).reshape(shape)
    if fill:
        array[...] = fill
    return array


def test_a_step_writes_one_position_of_its_rows_where_the_caches_lie_and_nothing_else(tiny_artifact: Path) -> None:
    engine = Artifact(tiny_artifact).engine()
    bucket = engine.shapes.buckets[0]
    ids, lengths, _ = sources(engine.contract)
    hidden = engine.encode(bucket, ids[:4, :20].copy(), np.minimum(lengths[:4], 20))
    slots = np.array([bucket.slots - 1, 0, 3, bucket.slots], np.int32)
    cache = engine.open(bucket)
    engine.prefill(cache, hidden, slots)
    shape = tuple(cache.past[0].shape)
    past, source = [aligned(shape, 0.5) for _ in range(LAYERS)], [np.from_dlpack(t) for t in cache.source]
    cache = replace(cache, past=[tvm_ffi.from_dlpack(a) for a in past])
    kept = [a.copy() for a in source]
    rows = Rows(np.zeros(4, np.int32), np.zeros(4, np.int32), slots, np.minimum(lengths[:4], 20))
    engine.step(cache, rows)
    wanted = np.zeros(shape, bool)
    wanted[:, slots, 0] = True
    assert all(np.array_equal(array != 0.5, wanted) for array in past)
    assert all(np.array_equal(a, b) for a, b in zip(source, kept, strict=True))


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


def test_a_step_over_huge_caches_takes_no_memory_for_them(tiny_artifact: Path) -> None:
    engine = Artifact(tiny_artifact).engine()
    bucket = engine.shapes.buckets[0]
    ids, lengths, _ = sources(engine.contract)
    cache = engine.open(bucket)
    engine.prefill(cache, engine.encode(bucket, ids[:1, :9].copy(), lengths[:1]), np.zeros(1, np.int32))
    shape = (2, 30_000, *cache.past[0].shape[2:])  # 240 MB each, of which the pages that are touched count
    huge = [tvm_ffi.from_dlpack(aligned(shape, 0.0)) for _ in range(2 * LAYERS)]
    wide = replace(cache, past=huge[:LAYERS], source=huge[LAYERS:])
    row = Rows(*(np.array([n], np.int32) for n in (0, 0, 29_999, 1)))
    before = resident_bytes()
    # What a step allocates stays with the engine, to be used again: a copy would be seen after it as well.
    engine.step(wide, row)
    assert resident_bytes() - before < prod(shape) * 4 / 10


def test_a_bucket_that_is_opened_again_takes_the_caches_it_had(tiny_artifact: Path) -> None:
    engine = Artifact(tiny_artifact).engine()
    places = []
    for bucket in (*engine.shapes.buckets, *engine.shapes.buckets):
        cache = engine.open(bucket)
        assert {t.shape[1] for t in (*cache.past, *cache.source)} == {bucket.slots + 1}
        places.append([np.from_dlpack(t).ctypes.data for t in (*cache.past, *cache.source)])
    assert places[:2] == places[2:]
    assert all(place % 64 == 0 for place in places[0])


# How an artifact is published.


def test_the_manifest_is_written_last_and_the_folder_appears_with_it(
    tiny_program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def save(path: Path, manifest: Any) -> None:
        names = {LIBRARY, WEIGHTS}
        seen.append((path.name, {p.name for p in path.parent.iterdir()}, [p.name for p in tmp_path.iterdir()]))
        assert manifest.files == {name: digest(path.parent / name) for name in names}
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(build_module, "save_json", save)
    stand_in_for_compiler(monkeypatch)
    with pytest.raises(OutputError, match="No space left"):
        build(tiny_program, cpu_family(), TINY_SHAPES, "float32", tmp_path / "artifact")
    ((name, beside, drafts),) = seen
    assert (name, beside) == (MANIFEST, {LIBRARY, WEIGHTS})
    assert "artifact" not in drafts
    assert list(tmp_path.iterdir()) == []


def test_a_build_that_cannot_be_linked_leaves_nothing(
    tiny_program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ArtifactError("no linker")

    monkeypatch.setattr(build_module, "link", fail)
    stand_in_for_compiler(monkeypatch)
    with pytest.raises(ArtifactError, match="no linker"):
        build(tiny_program, cpu_family(), TINY_SHAPES, "float32", tmp_path / "artifact")
    assert list(tmp_path.iterdir()) == []


def test_a_build_that_comes_second_leaves_the_first_as_it_is(
    tiny_program: Path, tiny_artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "artifact"

    def save(path: Path, manifest: Any) -> None:
        save_json(path, manifest)
        shutil.copytree(tiny_artifact, folder)  # another process is done while this one still writes

    monkeypatch.setattr(build_module, "save_json", save)
    stand_in_for_compiler(monkeypatch)
    build(tiny_program, cpu_family(), TINY_SHAPES, "float32", folder)
    assert {p.name: digest(p) for p in folder.iterdir()} == {p.name: digest(p) for p in tiny_artifact.iterdir()}
    assert [path.name for path in tmp_path.iterdir()] == ["artifact"]


def test_a_folder_that_holds_something_is_never_built_into(
    tiny_program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in_for_compiler(monkeypatch)
    (tmp_path / "artifact").mkdir()
    (tmp_path / "artifact" / "mine").write_text("kept", encoding="utf-8")
    with pytest.raises(OutputError, match="artifact exists: delete it, or choose another name"):
        build(tiny_program, cpu_family(), TINY_SHAPES, "float32", tmp_path / "artifact")
    assert (tmp_path / "artifact" / "mine").read_text(encoding="utf-8") == "kept"


def stand_in_for_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put an empty module in place of the compiled one: what is tested is what becomes of it."""

    class Executable:
        def export_library(self, path: str, fcompile: Callable[..., None]) -> None:
            Path(path).write_bytes(b"library")
            if build_module.link is not link:
                fcompile(path, [])

    monkeypatch.setattr(build_module.tvm, "compile", lambda *_, **__: Executable())


# What is refused.


@pytest.fixture
def copy(tiny_artifact: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_artifact, tmp_path / "artifact"))


def refusal(folder: Path) -> str:
    with pytest.raises(ArtifactError) as caught:
        Artifact(folder)
    return str(caught.value)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "empty": lambda path: path.write_bytes(b""),
    "one bit changed": lambda path: path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1])),
    "missing": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", [LIBRARY, WEIGHTS])
def test_a_damaged_file_is_refused(name: str, damage: str, copy: Path) -> None:
    DAMAGE[damage](copy / name)
    assert refusal(copy) == (
        f"{copy / name} is missing or damaged: delete {copy}, then compile the model on this machine with "
        "`g2p-batch compile`"
    )


def test_a_folder_without_manifest_is_refused(copy: Path) -> None:
    (copy / MANIFEST).unlink()
    assert refusal(copy) == f"{copy / MANIFEST} does not exist: compile the model again with `g2p-batch compile`"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 2}', "\x00"])
def test_a_damaged_manifest_is_refused(text: str, copy: Path) -> None:
    (copy / MANIFEST).write_text(text, encoding="utf-8")
    message = refusal(copy)
    assert message.startswith(f"{copy / MANIFEST} cannot be read (")
    assert message.endswith("): compile the model again with `g2p-batch compile`")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"arch": "riscv64"}, f"was compiled for riscv64, this machine is {platform.machine()}"),
        ({"features": ["amx_tile_2", "sse2_of_old"]}, "was compiled for a CPU with amx_tile_2, sse2_of_old, this one "),
    ],
)
def test_an_artifact_for_another_cpu_is_refused(change: dict[str, Any], reason: str, copy: Path) -> None:
    manifest = json.loads((copy / MANIFEST).read_text(encoding="utf-8"))
    manifest["target"].update(change)
    (copy / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    message = refusal(copy)
    assert message.startswith(f"{copy} {reason}")
    assert message.endswith(": compile the model on this machine with `g2p-batch compile`")


def test_an_artifact_runs_where_its_folder_was_copied(copy: Path, tiny_artifact: Path) -> None:
    outputs = []
    for folder in (copy, tiny_artifact):
        engine = Artifact(folder).engine()
        ids, lengths, _ = sources(engine.contract)
        outputs.append(decode(engine, ids, lengths))
    assert np.array_equal(outputs[0].ids, outputs[1].ids)
    assert outputs[0].logprob.tobytes() == outputs[1].logprob.tobytes()


def test_packed_weights_begin_at_whole_vectors(tiny_artifact: Path) -> None:
    manifest = load_manifest(tiny_artifact)
    assert {tensor.offset % 64 for tensor in manifest.tensors.values()} == {0}
    named = {name for names in manifest.functions.values() for name in names}
    assert named == set(manifest.tensors)


# How a library is linked.


NO_LINKER = (
    "there is no linker for {} to make the compiled model loadable: install {}, or `pip install 'g2p-batch[linker]'`"
)


@pytest.mark.parametrize(
    ("triple", "expected"),
    [
        (None, NO_LINKER.format("this machine", "cc")),
        ("aarch64-linux-gnu", NO_LINKER.format("aarch64-linux-gnu", "aarch64-linux-gnu-gcc")),
    ],
)
def test_a_machine_without_linker_is_told_what_to_install(
    triple: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda command: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ArtifactError) as caught:
        link("model.so", [], triple=triple)
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("has", "triple", "expected"),
    [
        ({"cc", "gcc", "ld"}, None, ["cc", "-shared", "-nostdlib"]),
        ({"clang", "ld"}, None, ["clang", "-shared", "-nostdlib"]),
        ({"ld"}, None, ["ld", "-shared"]),
        ({"ld.lld"}, None, ["ld.lld", "-shared"]),
        ({"ziglang"}, None, ["-m", "ziglang", "cc", "-shared", "-nostdlib"]),
        (
            {"cc", "aarch64-linux-gnu-gcc", "ziglang"},
            "aarch64-linux-gnu",
            ["aarch64-linux-gnu-gcc", "-shared", "-nostdlib"],
        ),
        (
            {"cc", "ziglang"},
            "aarch64-linux-gnu",
            ["-m", "ziglang", "cc", "-shared", "-nostdlib", "-target", "aarch64-linux-gnu"],
        ),
    ],
)
def test_the_best_known_linker_is_taken(
    has: set[str], triple: str | None, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda command: command if command in has else None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: "found" if name in has else None)
    command = linker(triple)
    assert list(command[1:] if "ziglang" in command else command) == expected


def test_a_failed_link_says_what_the_linker_said(tmp_path: Path) -> None:
    command = " ".join(linker(None))
    with pytest.raises(ArtifactError) as caught:
        link(str(tmp_path / "model.so"), [str(tmp_path / "absent.o")], triple=None)
    first, *rest = str(caught.value).splitlines()
    assert first == f"`{command}` failed:"
    assert "absent.o" in "\n".join(rest)


def elf_machine(path: Path) -> int:
    """Return the architecture of an ELF file: 62 is x86-64, 183 aarch64."""
    header = path.read_bytes()[:20]
    assert header[:4] == b"\x7fELF"
    return int.from_bytes(header[18:20], "little")


def test_the_library_is_for_this_machine(tiny_artifact: Path) -> None:
    expected = {"x86_64": 62, "aarch64": 183}
    if platform.machine() not in expected:
        pytest.skip(f"the ELF number of {platform.machine()} is not listed here")
    assert elf_machine(tiny_artifact / LIBRARY) == expected[platform.machine()]


def test_compiling_for_neon_makes_aarch64_code(executable: Any, tmp_path: Path) -> None:
    (code,) = (imported for imported in executable.mod.imports if imported.kind == "llvm")
    code.write_to_file(str(tmp_path / "model.o"), "o")
    assert elf_machine(tmp_path / "model.o") == 183


def test_cross_compiling_for_neon_makes_an_aarch64_library(tiny_program: Path, tmp_path: Path) -> None:
    try:
        linker(MACHINES["neon"].target["mtriple"])
    except ArtifactError as cause:
        pytest.skip(str(cause))
    manifest = build(tiny_program, BY_NAME["neon"], TINY_SHAPES, "float32", tmp_path / "artifact")
    assert elf_machine(tmp_path / "artifact" / LIBRARY) == 183
    assert (manifest.target.arch, manifest.target.machine) == ("aarch64", "neon")
    if platform.machine() != "aarch64":
        assert refusal(tmp_path / "artifact").startswith(f"{tmp_path / 'artifact'} was compiled for aarch64, ")


def test_an_engine_without_the_runtime_library_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ArtifactError) as caught:
        engine_module._runtime.__wrapped__()
    assert str(caught.value) == "TVM's libtvm_runtime.so is not installed: reinstall with `pip install g2p-batch`"
