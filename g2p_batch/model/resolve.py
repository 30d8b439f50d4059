"""From what a user calls a model to a compiled one: bundled, a folder of any stage, or a hub id."""

import hashlib
import logging
import platform
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import msgspec

from g2p_batch.errors import ArtifactError, ModelError, UsageError
from g2p_batch.languages import LANGUAGES
from g2p_batch.model import artifact_cache, compiler
from g2p_batch.model.alphabet import ALPHABET, read_alphabets, to_json
from g2p_batch.model.compiled_engine import CompiledEngine
from g2p_batch.model.contract import (
    DTYPES,
    EXCEPTIONS,
    Alphabets,
    Contract,
    DType,
    Kind,
    Prefix,
    is_artifact,
    is_program,
    load_contract,
    load_manifest,
)
from g2p_batch.model.contract import (
    digest as file_digest,
)
from g2p_batch.model.cpu_engine import Artifact
from g2p_batch.model.cpu_families import Family, cpu_name
from g2p_batch.model.progress import Say
from g2p_batch.model.shipped import BUNDLED, shipped

BUNDLED_NAME = "bundled"

Stage = Literal["compiled", "program", "checkpoint"]

_log = logging.getLogger("g2p_batch")


class ModelConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `configs/models/*.toml` says of a checkpoint that its own files do not."""

    source: str
    prefix: Prefix = "space"
    languages: tuple[str, ...] = tuple(LANGUAGES)
    revision: str | None = None
    alphabet: str | None = None
    """File of the alphabets of its training words; a relative one lies beside this configuration."""

    def alphabets(self) -> Alphabets:
        """Read the alphabets: those of the configuration, or those beside the weights; of other checkpoints none.

        Raises:
            ModelError: the file cannot be read.
        """
        beside = Path(self.source) / ALPHABET
        if self.alphabet is None:
            return read_alphabets(beside) if beside.is_file() else {}
        alphabets = read_alphabets(Path(self.alphabet))
        return {tag: alphabet for tag, alphabet in alphabets.items() if tag in self.languages}

    def exceptions(self) -> Path | None:
        """Return the file of what the checkpoint does not say as its dictionary does, if it lies beside the weights."""
        beside = Path(self.source) / EXCEPTIONS
        return beside if beside.is_file() else None


def model_config(model: str) -> ModelConfig:
    """Return the configuration of a checkpoint: a `.toml` file, the shipped one of a known hub id, or the defaults.

    Raises:
        ModelError: the file is missing or wrong.
    """
    if model.endswith(".toml"):
        return _read_config(Path(model))
    return next((config for config in _shipped_configs() if config.source == model), ModelConfig(model))


def require_checkpoint(model: str) -> ModelConfig:
    """Return the configuration of a checkpoint after checking all that can be known of it without torch.

    Raises:
        ModelError: it is no checkpoint of a supported kind, and cannot be the id of one on a hub.
    """
    config = model_config(model)
    compiler.require_checkpoint(config.source, (BUNDLED_NAME, *(known.source for known in _shipped_configs())))
    return config


def _shipped_configs() -> Iterator[ModelConfig]:
    return map(_read_config, sorted(shipped("configs/models").glob("*.toml")))


def _read_config(path: Path) -> ModelConfig:
    try:
        config = msgspec.toml.decode(path.read_bytes(), type=ModelConfig)
    except (OSError, ValueError) as cause:
        raise ModelError(f"{path} is not a model configuration ({cause}): see configs/models") from None
    if unknown := set(config.languages) - set(LANGUAGES):
        raise ModelError(f"{path}: unknown languages {sorted(unknown)}: see `g2p-batch languages`")
    if config.alphabet is not None:
        config = msgspec.structs.replace(config, alphabet=str(path.parent / config.alphabet))
    return config


@dataclass(frozen=True)
class Model:
    """A model that is found, and how it is compiled when there is work for it.

    Attributes:
        name: what its user calls it.
        folder: its program, or the compiled model itself.
        contract: what it was trained for.
        dtype: number format that it has or is to have.
        target: `cpu`, `cuda`, a CPU family or a triple.
        config: target configuration; the shipped one by default.
    """

    name: str
    folder: Path
    contract: Contract
    dtype: DType
    target: str = "cpu"
    config: Path | None = None

    @property
    def lasting_name(self) -> str:
        """What it is called wherever a command is given; a folder that is called as the bundled model is not that."""
        is_path = self.folder != BUNDLED and Path(self.name).exists()
        return str(Path(self.name).absolute()) if is_path else self.name

    @property
    def is_compiled(self) -> bool:
        """Whether its user gave a compiled model."""
        return is_artifact(self.folder)

    def compile(
        self, say: Say, folder: Path | None = None, *, tune: bool = False, architectures: tuple[str, ...] = ()
    ) -> Path:
        """Return the folder of the compiled model: the one that was given, one from the cache, or one compiled now.

        Args:
            say: told when something takes time.
            folder: where to put the artifact; the cache by default.
            tune: choose tiles by measuring them on this CPU.
            architectures: GPUs to compile for; this machine's by default.

        Raises:
            ModelError, ArtifactError, UsageError, PackageError: as their messages say.
        """
        if self.is_compiled:
            if folder is not None:
                raise UsageError(
                    f"{self.folder} is compiled already: copy it, or compile the program that it was made of"
                )
            made = load_manifest(self.folder).target.kind
            if (wanted := "cuda" if self.target == "cuda" else "cpu") != _DEVICES[made]:
                raise UsageError(
                    f"{self.folder} was compiled for --device {_DEVICES[made]}, not {wanted}: say that, or compile"
                )
            return self.folder
        family = artifact_cache.target_family(self.target, self.dtype, architectures)
        shapes = artifact_cache.load_shapes(self.config or artifact_cache.default_config(family), self.contract)
        if tune and self.target != "cpu":
            raise UsageError(f"--tune measures on this CPU, and the target is {self.target}: leave one of them out")
        if folder is None:
            root = artifact_cache.writable_root()
            key = artifact_cache.artifact_key(self.contract, family, shapes, self.dtype)
            tuned = root / f"{key}-tuned"
            folder = tuned if tune else root / key
            # Tiles change no result: whoever asks for the model may have the faster one.
            for cached in (tuned, folder):
                if artifact_cache.is_whole(cached, load_manifest, say):
                    return cached
        compiler.require_compiler()
        say(f"Compiling {self.contract.name} for {_described(self.target, family)} (once)")
        compiler.build(self.folder, family, shapes, self.dtype, folder, say if tune else None)
        return folder

    def compiled(self, say: Say) -> "CompiledModel":
        """Return the compiled model for the use of workers; nothing of it is loaded here."""
        folder = self.compile(say).absolute()
        manifest = load_manifest(folder)
        return CompiledModel(
            folder,
            manifest.key,
            f"{manifest.target.machine} {manifest.dtype}",
            self if self.folder == BUNDLED else None,
        )

    def open(self, say: Say) -> Artifact:
        """Return the compiled model, ready for engines."""
        return Artifact(self.compile(say))


@dataclass(frozen=True)
class CompiledModel:
    """`greedy.EngineFactory` of a compiled model: it can be sent to any process, on this machine or on another one.

    Attributes:
        folder: the artifact, on the machine that sends this.
        key: of the artifact.
        label: kind of hardware and number format.
        bundled: the bundled model, which every installation has, to be compiled where `folder` is absent.
    """

    folder: Path
    key: str
    label: str
    bundled: Model | None

    def engine(self) -> CompiledEngine:
        """Load the artifact, compiled first if this machine has not done so yet, and return an engine.

        Raises:
            ArtifactError: this machine has not the same compiled model and cannot make it, or it is damaged.
        """
        folder = self._local_folder()
        if (key := load_manifest(folder).key) != self.key:
            raise ArtifactError(
                f"{folder} on {platform.node()} is build {key[:12]}, the run has build {self.key[:12]}, which may "
                f"answer differently: install the same version everywhere, or {_SHARE}"
            )
        return Artifact(folder).engine()

    def exceptions(self) -> Path | None:
        """Return the file of the model's exceptions, beside the compiled model of this machine."""
        path = self._local_folder() / EXCEPTIONS
        return path if path.is_file() else None

    def _local_folder(self) -> Path:
        if is_artifact(self.folder):
            return self.folder
        if self.bundled is None:
            raise ArtifactError(f"{platform.node()} has no {self.folder}: {_SHARE}")
        return replace(self.bundled, folder=BUNDLED).compile(_log.info)  # which lies elsewhere on another machine


_SHARE = (
    "compile for the least CPU of all with `g2p-batch compile MODEL --target FAMILY -o DIR` into a folder that all "
    "machines see under the same path, and plan with --model DIR"
)


def find_model(
    name: str, say: Say, *, dtype: DType = "float32", target: str = "cpu", config: Path | None = None
) -> Model:
    """Find a model: bundled, a folder of any stage, the `model.toml` of a checkpoint, or a hub id.

    A checkpoint is exported into the cache first if need be; nothing is compiled yet. A folder that is compiled already
    keeps its number format.

    Args:
        name: what the user calls it.
        say: told when something takes time.
        dtype: number format to compile for.
        target: `cpu`, `cuda`, a CPU family or a triple.
        config: target configuration; the shipped one by default.

    Raises:
        ModelError: the model is none of what is supported, or cannot be reached.
        PackageError: it is a checkpoint, and what converts one is not installed.
        ArtifactError: the folder is that of a damaged artifact.
        UsageError: there is no such dtype.
    """
    if dtype not in DTYPES:
        raise UsageError(f"{dtype!r} is no dtype of this version: give one of {', '.join(DTYPES)}")
    if stage_of(name) == "compiled":
        manifest = load_manifest(Path(name))
        return Model(name, Path(name), manifest.contract, manifest.dtype, target, config)
    folder = _program(name, say)
    return Model(name, folder, load_contract(folder), dtype, target, config)


def stage_of(name: str) -> Stage:
    """Tell what a model is that its user calls so: a checkpoint is whatever is neither of the others.

    Raises:
        ModelError: the path cannot be looked at.
    """
    try:
        if is_artifact(Path(name)):
            return "compiled"
        return "program" if name == BUNDLED_NAME or is_program(Path(name)) else "checkpoint"
    except OSError as cause:
        raise ModelError(f"{name} cannot be looked at ({cause.strerror}): check the path and its permissions") from None


def require_weights(name: str) -> None:
    """Check, without torch, that a model is one whose weights transformers can be given.

    Raises:
        ModelError: it is none of what is supported.
        UsageError: it is compiled.
    """
    stage = stage_of(name)
    if stage == "compiled":
        raise UsageError(f"{name} is compiled, which is of no use here: give the checkpoint or program it is made of")
    if stage == "checkpoint":
        require_checkpoint(name)


def _program(name: str, say: Say) -> Path:
    """Return the folder of a model's program, exporting a checkpoint into the cache first if need be."""
    if stage_of(name) == "program":
        return BUNDLED if name == BUNDLED_NAME else Path(name)
    config = require_checkpoint(name)
    compiler.require_exporter(name)
    digest = compiler.checkpoint_digest(config.source, config.revision)
    alphabets, exceptions = config.alphabets(), config.exceptions()
    facts = f"{config.prefix} {config.languages} {hashlib.sha256(to_json(alphabets)).hexdigest()}"
    facts += "" if exceptions is None else f" {file_digest(exceptions)}"
    content = f"{digest} {facts} {artifact_cache.exporter_digest()}"
    folder = artifact_cache.writable_root() / "programs" / hashlib.sha256(content.encode()).hexdigest()
    if not artifact_cache.is_whole(folder, load_contract, say):
        say(f"Exporting {config.source} (once)")
        compiler.export(config.source, config.revision, config.prefix, config.languages, alphabets, exceptions, folder)
    return folder


_DEVICES: dict[Kind, str] = {"llvm": "cpu", "cuda": "cuda"}


def _described(target: str, family: Family) -> str:
    if family.kind == "cuda":
        return f"GPUs ({', '.join(family.features)})"
    return f"this CPU ({cpu_name()}, {family.name})" if target == "cpu" else family.name
