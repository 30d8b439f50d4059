"""Program -> artifact: one library with every bucket, the packed weights beside it, the manifest last."""

import platform
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from shutil import copyfile

import tvm

from g2p_batch.model.artifact_cache import LIBRARY, WEIGHTS, artifact_key
from g2p_batch.model.contract import (
    EXCEPTIONS,
    MANIFEST,
    CompileTarget,
    DType,
    Manifest,
    Shapes,
    Tensor,
    digest,
    save_json,
)
from g2p_batch.model.cpu_families import Family
from g2p_batch.storage.publish import new_folder, require_new_folder
from g2p_compile.build.backends import BACKENDS
from g2p_compile.build.bind import bind
from g2p_compile.build.link import link
from g2p_compile.build.passes import passes_to_executable
from g2p_compile.build.search import with_choosing
from g2p_compile.kernels.kernel import Array
from g2p_compile.program import load_program

_ALIGNMENT = 64
"""Bytes between the starts of packed weights: compiled code reads whole vectors."""


def build(
    program: Path,
    family: Family,
    shapes: Shapes,
    dtype: DType,
    folder: Path,
    tuned: Callable[[str], None] | None = None,
) -> Manifest:
    """Compile a program for a family and publish the artifact as `folder`, which appears whole or not at all.

    Args:
        program: folder of the program.
        family: CPUs or GPUs to compile for.
        shapes: buckets and batch sizes.
        dtype: number format.
        folder: where the artifact goes; absent or empty.
        tuned: set to choose tiles by measuring them on this CPU, which has to be of the family; is told what is chosen.

    Raises:
        ModelError: the program is damaged.
        ArtifactError: the library cannot be linked, or there is no compiler for device code.
        OutputError: the folder cannot be written, or is not empty.
    """
    require_new_folder(folder)
    started = time.monotonic()
    loaded = load_program(program)
    backend = BACKENDS[family.kind](loaded, family, shapes, dtype, tuned)
    bound = bind(loaded, backend.kernels, shapes)
    module = with_choosing(backend.complete(bound.module))
    passes = tvm.transform.Sequential(passes_to_executable())
    executable = tvm.compile(module, target=backend.target, relax_pipeline=passes)

    def link_library(output: str, objects: list[str], **_: object) -> None:
        link(output, objects, triple=backend.triple)

    with new_folder(folder) as draft:
        executable.export_library(str(draft / LIBRARY), fcompile=link_library)
        kernels = backend.write_device_code(draft)
        tensors = _write_weights(bound.tensors, draft / WEIGHTS)
        if EXCEPTIONS in loaded.contract.files:
            copyfile(program / EXCEPTIONS, draft / EXCEPTIONS)
        manifest = Manifest(
            key=artifact_key(loaded.contract, family, shapes, dtype),
            contract=loaded.contract,
            target=CompileTarget(family.kind, family.arch or platform.machine(), family.name, family.features),
            dtype=dtype,
            shapes=shapes,
            cache=backend.kernels.cells(loaded.contract.geometry.d_kv),
            tiles=backend.tiles.measured,
            functions=bound.functions,
            tensors=tensors,
            kernels=kernels,
            shared_bytes=backend.shared_bytes,
            seconds=round(time.monotonic() - started, 1),
            versions={name: metadata.version(name) for name in ("apache-tvm", "apache-tvm-ffi", "g2p-batch")},
            files={path.name: digest(path) for path in sorted(draft.iterdir())},
        )
        save_json(draft / MANIFEST, manifest)
    return manifest


def _write_weights(tensors: Mapping[str, Array], path: Path) -> dict[str, Tensor]:
    placed = {}
    with path.open("wb") as file:
        for name, array in tensors.items():
            file.write(bytes(-file.tell() % _ALIGNMENT))
            placed[name] = Tensor(file.tell(), array.shape, array.dtype.name)
            file.write(array.tobytes())
    return placed
