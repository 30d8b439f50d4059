"""The one door to the compiler: whatever of this package needs `g2p_compile` asks here, and it is loaded only then."""

import importlib.util
from collections.abc import Collection
from pathlib import Path

from g2p_batch.errors import PackageError
from g2p_batch.model.contract import Alphabets, Contract, DType, Prefix, Shapes
from g2p_batch.model.cpu_families import Family
from g2p_batch.model.progress import Say
from g2p_batch.storage.publish import new_folder


def sources() -> Path:
    """Return the folder of the compiler's sources."""
    import g2p_compile

    return Path(g2p_compile.__path__[0])


def require_checkpoint(source: str, known: Collection[str]) -> None:
    """Check what can be known of a checkpoint without torch and without a network.

    Args:
        source: folder or hub id of the checkpoint.
        known: names of models, of which the nearest is suggested.

    Raises:
        ModelError: it is no checkpoint of a supported kind, and cannot be the id of one on a hub.
    """
    from g2p_compile.export import supported

    supported.require_checkpoint(source, known)


def require_compiler() -> None:
    """Check that TVM's compiler is installed: an installation that only runs models has its runtime alone.

    Raises:
        PackageError: it is not.
    """
    found = importlib.util.find_spec("tvm")
    if found is None or found.origin is None:
        raise PackageError(
            "this installation runs compiled models and has no compiler: compile on another machine with `g2p-batch "
            "compile`, copy the folder here and give it to --model"
        )


def require_exporter(model: str) -> None:
    """Check that what converts the checkpoint `model` is installed; call it where `model` is known to be one.

    Raises:
        PackageError: torch or transformers is not.
    """
    what = "is a checkpoint" if Path(model).exists() else "is no folder here but may be a checkpoint of a model hub"
    require_torch(f"{model} {what}, and converting one", "export", _ELSEWHERE)


def require_torch(task: str, extra: str, otherwise: str = "") -> None:
    """Check that torch and transformers are installed.

    Args:
        task: what needs them, to begin a sentence.
        extra: of this package, that brings them with what else the task takes.
        otherwise: another way, to end the sentence.

    Raises:
        PackageError: one of them is not.
    """
    if remedy := torch_remedy(extra):
        raise PackageError(f"{task} needs torch and transformers: {remedy}{otherwise}")


def torch_remedy(extra: str) -> str | None:
    """Return how to install what is missing of torch and transformers, or None; plain pip would take torch for GPUs."""
    has_torch, has_transformers = (importlib.util.find_spec(name) is not None for name in ("torch", "transformers"))
    if has_torch and has_transformers:
        return None
    rest = f"`pip install 'g2p-batch[{extra}]'`"
    return rest if has_torch else f"`{_TORCH_FOR_CPUS}`, which is the one for CPUs, then {rest}"


_TORCH_FOR_CPUS = "pip install torch --index-url https://download.pytorch.org/whl/cpu"
_ELSEWHERE = "; or export it on another machine and pass the program's folder"


def checkpoint_digest(source: str, revision: str | None) -> str:
    """Return one sha256 over the files of a checkpoint, fetched first if it is on a hub.

    Raises:
        ModelError: it cannot be found or reached.
    """
    from g2p_compile.export import sources

    return sources.checkpoint_digest(sources.locate(source, revision))


def export(
    source: str,
    revision: str | None,
    prefix: Prefix,
    languages: tuple[str, ...],
    alphabets: Alphabets,
    exceptions: Path | None,
    folder: Path,
    name: str | None = None,
) -> Contract:
    """Export a checkpoint into a folder, which appears whole or not at all; returns its contract.

    Args:
        source: folder or hub id of the checkpoint.
        revision: of the hub.
        prefix: how the checkpoint was told the language.
        languages: tags that it was trained on.
        alphabets: characters of its training words.
        exceptions: file of the words that it does not say as its dictionary does.
        folder: where to put the program; absent or empty.
        name: short name kept in the contract; the last part of the source by default.

    Raises:
        ModelError: as `load_checkpoint` says.
        OutputError: the folder cannot be written, or is not empty.
    """
    from g2p_compile.export.checkpoint import load_checkpoint
    from g2p_compile.export.exporter import export_program

    checkpoint = load_checkpoint(
        source, revision=revision, prefix=prefix, languages=languages, alphabets=alphabets, name=name
    )
    with new_folder(folder) as draft:
        return export_program(checkpoint, draft, exceptions)


def build(program: Path, family: Family, shapes: Shapes, dtype: DType, folder: Path, tuned: Say | None) -> None:
    """Compile a program into a folder, which appears whole or not at all.

    Args:
        program: folder of the program.
        family: hardware to compile for.
        shapes: buckets and batch ladder.
        dtype: number format.
        folder: where to put the artifact; absent or empty.
        tuned: choose tiles by measuring them, and tell what was found; None takes the usual ones.

    Raises:
        ModelError, ArtifactError, UsageError, OutputError: as their messages say.
    """
    from g2p_compile.build import builder

    builder.build(program, family, shapes, dtype, folder, tuned)
