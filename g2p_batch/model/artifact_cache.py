"""The cache of compiled models: an artifact is named by everything that shapes it, so it is never stale."""

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from g2p_batch.errors import ArtifactError, InputError, ModelError, UsageError
from g2p_batch.model import compiler
from g2p_batch.model.contract import CHOOSE, DTYPES, Contract, DType, LengthBucket, Manifest, Shapes, damaged_file
from g2p_batch.model.cpu_families import FAMILIES, Family, cpu_family
from g2p_batch.model.progress import Say
from g2p_batch.model.shipped import shipped

LIBRARY, WEIGHTS = "model.so", "weights.bin"
DEVICE_CODE = "kernels.fatbin"
GPU_DTYPES: tuple[DType, ...] = ("float32", "bfloat16", "float16")
COMMON_GPUS = ("sm_80", "sm_90")
"""Their code runs on Ampere, Ada and Hopper."""
_PINNED = ("apache-tvm", "apache-tvm-ffi")


def cache_root() -> Path:
    """Return the folder of compiled models: `$G2P_BATCH_CACHE`, or `g2p-batch` in the user's cache folder."""
    if chosen := os.environ.get("G2P_BATCH_CACHE"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "g2p-batch"


def target_family(target: str, dtype: DType = "float32", architectures: tuple[str, ...] = ()) -> Family:
    """Return the family of a `--target`: `cpu` for this machine's, a CPU family, a triple's architecture, or `cuda`.

    Args:
        target: what to compile for.
        dtype: number format.
        architectures: GPUs to compile for, `sm_90` and so on; by default that of this machine's, or else common ones.

    Raises:
        UsageError: there is no such family, or none with kernels for the dtype.
    """
    if target == "cuda":
        return _gpus(dtype, architectures)
    if architectures:
        raise UsageError(f"--arch names GPUs, and the target is {target}: add --target cuda, or leave --arch out")
    able = [family for family in FAMILIES if dtype in family.dtypes]
    if not able:
        supported = [name for name in DTYPES if any(name in family.dtypes for family in FAMILIES)]
        raise UsageError(f"there are no kernels for {dtype} on CPUs: use one of {', '.join(supported)}")
    names = ", ".join(family.name for family in able)
    if target == "cpu":
        family = cpu_family(dtype)
        if family is None:
            raise UsageError(f"this CPU has no instructions for {dtype}: use float32, or compile for one of {names}")
        return family
    arch = target.split("-")[0]
    for family in able:
        if target == family.name or ("-" in target and arch == family.arch and not family.features):
            return family
    raise UsageError(
        f"{target!r} is no target for {dtype}: give cpu (this machine), a CPU family ({names}), or a triple "
        "(aarch64-linux-gnu)"
    )


def _gpus(dtype: DType, architectures: tuple[str, ...]) -> Family:
    if dtype not in GPU_DTYPES:
        raise UsageError(f"there are no kernels for {dtype} on GPUs: use one of {', '.join(GPU_DTYPES)}")
    from g2p_batch.model.cuda import runtime

    if not architectures and runtime.device_count():
        major, minor = runtime.capability(0)
        architectures = (f"sm_{major}{minor}",)
    return Family("cuda", platform.machine(), architectures or COMMON_GPUS, GPU_DTYPES, "cuda")


class TargetConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `configs/targets/*.toml` says: buckets by rising length, and the batch ladder."""

    bucket: tuple[LengthBucket, ...]
    ladder: tuple[int, ...]


def load_shapes(path: Path, contract: Contract) -> Shapes:
    """Read buckets and batch ladder from a target configuration.

    Raises:
        InputError: the file is missing or wrong, or its buckets do not fit the contract.
    """
    try:
        config = msgspec.toml.decode(path.read_bytes(), type=TargetConfig)
        shapes = Shapes(config.bucket, config.ladder)
    except (OSError, ValueError) as cause:
        raise InputError(f"{path} is not a target configuration ({cause}): see configs/targets/cpu.toml") from None
    longest = shapes.longest
    if (longest.source_bytes, longest.target_bytes) != (contract.max_source_bytes, contract.max_target_bytes):
        raise InputError(
            f"{path}: the last bucket takes {longest.source_bytes} bytes to {longest.target_bytes}, the model "
            f"{contract.max_source_bytes} to {contract.max_target_bytes}: make them equal"
        )
    return shapes


def default_config(family: Family) -> Path:
    """Return the target configuration used where none is given."""
    return shipped("configs/targets/cuda.toml" if family.kind == "cuda" else "configs/targets/cpu.toml")


def artifact_key(contract: Contract, family: Family, shapes: Shapes, dtype: DType) -> str:
    """Return the name of an artifact: a sha256 over all that shapes it."""
    from importlib.metadata import version

    inputs = {
        "checkpoint": contract.checkpoint_sha256,
        "program": dict(contract.files),
        "prefix": contract.prefix,
        "languages": contract.languages,
        "alphabets": contract.alphabets,
        "target": msgspec.to_builtins(family),
        "shapes": msgspec.to_builtins(shapes),
        "search": {"function": CHOOSE, "rows": [bucket.search_rows for bucket in shapes.buckets]},
        "dtype": dtype,
        "versions": {name: version(name) for name in _PINNED},
        "compiler": _compiler_digest(),
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def exporter_digest() -> str:
    """Return one sha256 over the sources that turn a checkpoint into a program."""
    return _sources_digest(".", "export")


def _compiler_digest() -> str:
    """Return one sha256 over the sources that turn a program into an artifact."""
    return _sources_digest(".", "build", "kernels", "kernels/cpu", "kernels/cuda")


def _sources_digest(*folders: str) -> str:
    total = hashlib.sha256()
    package = compiler.sources()
    for folder in folders:
        for file in sorted((package / folder).iterdir(), key=lambda file: file.name):
            if file.suffix in {".py", ".cuh"}:
                total.update(f"{folder}/{file.name}".encode() + b"\0" + file.read_bytes())
    return total.hexdigest()


def is_whole(folder: Path, load: Callable[[Path], Contract | Manifest], say: Say) -> bool:
    """Tell whether the cache holds an entry as it was made; a damaged one is removed, to be made again.

    Args:
        folder: of the entry.
        load: reads the file that names the others of the entry, with their digests.
        say: told of damage.

    Raises:
        ArtifactError: a damaged entry cannot be removed.
    """
    if not folder.exists():
        return False
    if _is_as_made(folder, load):
        return True
    say(f"{folder} in the cache is damaged, and made again")
    try:
        with suppress(FileNotFoundError):  # another process was as quick
            shutil.rmtree(folder)
    except OSError as cause:
        raise ArtifactError(
            f"{folder} is damaged, and cannot be removed ({cause.strerror}): delete it, or set G2P_BATCH_CACHE to a "
            "folder you own"
        ) from None
    return False


def _is_as_made(folder: Path, load: Callable[[Path], Contract | Manifest]) -> bool:
    try:
        return damaged_file(folder, load(folder).files) is None
    except (ArtifactError, ModelError, OSError):  # the file that names the others is damaged, or the disk is
        return False


def writable_root() -> Path:
    """Return the cache folder, made if need be.

    Raises:
        ArtifactError: it cannot be written.
    """
    root = cache_root()
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise ArtifactError(
            f"{root} cannot be made ({cause.strerror}): set G2P_BATCH_CACHE to a folder you own"
        ) from None
    return root
