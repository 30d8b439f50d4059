"""From what a user calls a model to a compiled one: bundled, a folder of any stage, or a hub id."""

import hashlib
import importlib.util
import logging
import platform
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from g2p_batch.errors import ArtifactError, ModelError, UsageError
from g2p_batch.languages import LANGUAGES
from g2p_batch.model import artifact_cache
from g2p_batch.model.compiled_engine import CompiledEngine
from g2p_batch.model.contract import DTYPES, Contract, DType, Kind, Prefix, load_contract, load_manifest
from g2p_batch.model.cpu_engine import Artifact
from g2p_batch.model.cpu_families import Family, cpu_name
from g2p_batch.model.greedy import EngineFactory
from g2p_batch.model.shipped import BUNDLED, shipped
from g2p_batch.storage.publish import new_folder

BUNDLED_NAME = "bundled"
Say = Callable[[str], None]
"""Tells the user what takes time."""

_log = logging.getLogger("g2p_batch")


@dataclass(frozen=True)
class ModelConfig:
    """What `configs/models/*.toml` says of a checkpoint that its own files do not."""

    source: str
    prefix: Prefix = "space"
    languages: tuple[str, ...] = tuple(LANGUAGES)
    revision: str | None = None


def model_config(model: str) -> ModelConfig:
    """Return the configuration of a checkpoint: a `.toml` file, the shipped one of a known hub id, or the defaults.

    Raises:
        UsageError: the file is wrong.
    """
    if model.endswith(".toml"):
        return _read_config(Path(model))
    known = (_read_config(path) for path in sorted(shipped("configs/models").glob("*.toml")))
    return next((config for config in known if config.source == model), ModelConfig(model))


def _read_config(path: Path) -> ModelConfig:
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        config = ModelConfig(**{**raw, "languages": tuple(raw.get("languages", LANGUAGES))})
    except (OSError, tomllib.TOMLDecodeError, TypeError) as cause:
        raise UsageError(f"{path} is not a model configuration ({cause}): see configs/models") from None
    unknown = set(config.languages) - set(LANGUAGES)
    if unknown or config.prefix not in ("space", "none"):
        raise UsageError(f"{path}: unknown prefix {config.prefix!r} or languages {sorted(unknown)}")
    return config


def find_program(model: str, say: Say) -> Path:
    """Return the folder of a model's program, exporting a checkpoint into the cache first if need be.

    Raises:
        ModelError: the model is none of what is supported, or cannot be reached.
    """
    if model == BUNDLED_NAME:
        return BUNDLED
    if (Path(model) / "contract.json").is_file():
        return Path(model)
    require_exporter(model)
    config = model_config(model)
    from g2p_compile.export.sources import checkpoint_digest, locate

    files = locate(config.source, config.revision)
    facts = f"{checkpoint_digest(files)} {config.prefix} {config.languages} {artifact_cache.exporter_digest()}"
    folder = artifact_cache.writable_root() / "programs" / hashlib.sha256(facts.encode()).hexdigest()
    if not (folder / "contract.json").is_file():
        say(f"Exporting {config.source} (once)")
        export(config, folder)
    return folder


def require_exporter(model: str) -> None:
    """Check that what converts the checkpoint `model` is installed.

    Raises:
        ModelError: torch or transformers is not.
    """
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("transformers") is None:
        raise ModelError(
            f"{model} is a checkpoint, and converting one needs torch and transformers: "
            "`pip install 'g2p-batch[export]'`, or export it on another machine and pass the program's folder"
        )


def export(config: ModelConfig, folder: Path, name: str | None = None) -> Contract:
    """Export a checkpoint into a folder, which appears whole or not at all; returns its contract.

    Args:
        config: the checkpoint.
        folder: where to put the program; absent or empty.
        name: short name kept in the contract; the last part of the source by default.

    Raises:
        ModelError: as `load_checkpoint` says.
        OutputError: the folder cannot be written, or is not empty.
    """
    from g2p_compile.export.checkpoint import load_checkpoint
    from g2p_compile.export.exporter import export_program

    checkpoint = load_checkpoint(
        config.source, revision=config.revision, prefix=config.prefix, languages=config.languages, name=name
    )
    with new_folder(folder) as draft:
        return export_program(checkpoint, draft)


@dataclass(frozen=True)
class Request:
    """A model with the way it is to be compiled."""

    model: str = BUNDLED_NAME
    target: str = "cpu"
    dtype: DType = "float32"
    config: Path | None = None
    """Target configuration; the shipped one by default."""
    tune: bool = False
    """Choose tiles by measuring them on this CPU."""
    architectures: tuple[str, ...] = ()
    """GPUs to compile for; this machine's by default."""


def compile_model(request: Request, say: Say, folder: Path | None = None) -> Path:
    """Return the folder of a compiled model: from the cache, or compiled now.

    Args:
        request: what to compile.
        say: told when something takes time.
        folder: where to put the artifact; the cache by default.

    Raises:
        ModelError, ArtifactError, UsageError: as their messages say.
    """
    if request.dtype not in DTYPES:
        raise UsageError(f"{request.dtype!r} is no dtype of this version: give one of {', '.join(DTYPES)}")
    if (Path(request.model) / artifact_cache.MANIFEST).is_file() and folder is None:
        return _made_for(Path(request.model), "cuda" if request.target == "cuda" else "llvm")
    program = find_program(request.model, say)
    contract = load_contract(program)
    family = artifact_cache.target_family(request.target, request.dtype, request.architectures)
    shapes = artifact_cache.load_shapes(request.config or artifact_cache.default_config(family), contract)
    if request.tune and request.target != "cpu":
        raise UsageError(f"--tune measures on this CPU, and the target is {request.target}: leave one of them out")
    key = artifact_cache.artifact_key(contract, family, shapes, request.dtype)
    if folder is None:
        root = artifact_cache.writable_root()
        tuned = root / f"{key}-tuned"
        folder = tuned if request.tune else root / key
        # Tiles change no result: whoever asks for the model may have the faster one.
        for known in (tuned, folder):
            if (known / artifact_cache.MANIFEST).is_file():
                return known
    say(f"Compiling {contract.name} for {_describe(request.target, family)} (once)")
    from g2p_compile.build.builder import build

    build(program, family, shapes, request.dtype, folder, say if request.tune else None)
    return folder


_PLACES = {"llvm": "cpu", "cuda": "cuda"}


def _made_for(folder: Path, kind: Kind) -> Path:
    made = load_manifest(folder).target.kind
    if made != kind:
        raise UsageError(
            f"{folder} was compiled for --device {_PLACES[made]}, not {_PLACES[kind]}: say that, or compile"
        )
    return folder


@dataclass(frozen=True)
class EngineOpener:
    """Opens engines of a compiled model in any process that it is sent to, on this machine or on another one."""

    folder: Path
    """Where the model is compiled, on the machine that sends this."""
    key: str
    """Key of the compiled model."""
    bundled: Request | None
    """How to compile it where `folder` is absent: every installation has the bundled model."""

    def __call__(self) -> CompiledEngine:
        """Load the model, compiled first if this machine has not done so yet, and return an engine.

        Raises:
            ArtifactError: this machine has not the same compiled model and cannot make it, or it is damaged.
        """
        folder = self._found()
        if (key := load_manifest(folder).key) != self.key:
            raise ArtifactError(
                f"{folder} on {platform.node()} is build {key[:12]}, the run has build {self.key[:12]}, which may "
                f"answer differently: install the same version everywhere, or {_SHARE}"
            )
        return Artifact(folder).engine()

    def _found(self) -> Path:
        if (self.folder / artifact_cache.MANIFEST).is_file():
            return self.folder
        if self.bundled is None:
            raise ArtifactError(f"{platform.node()} has no {self.folder}: {_SHARE}")
        return compile_model(self.bundled, _log.info)


_SHARE = (
    "compile for the least CPU of all with `g2p-batch compile MODEL --target FAMILY -o DIR` into a folder that all "
    "machines see under the same path, and plan with --model DIR"
)


def compiled(request: Request, say: Say) -> EngineFactory:
    """Return a compiled model for the use of workers; nothing of it is loaded here."""
    folder = compile_model(request, say).absolute()
    manifest = load_manifest(folder)
    bundled = replace(request, model=BUNDLED_NAME) if Path(request.model) in (BUNDLED, Path(BUNDLED_NAME)) else None
    opener = EngineOpener(folder, manifest.key, bundled)
    return EngineFactory(manifest.key, f"{manifest.target.machine} {manifest.dtype}", opener)


def open_model(request: Request, say: Say) -> Artifact:
    """Return a compiled model, ready for engines."""
    return Artifact(compile_model(request, say))


def _describe(target: str, family: Family) -> str:
    if family.kind == "cuda":
        return f"GPUs ({', '.join(family.features)})"
    return f"this CPU ({cpu_name()}, {family.name})" if target == "cpu" else family.name
