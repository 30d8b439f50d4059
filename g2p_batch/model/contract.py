"""What a checkpoint was compiled for: the facts that every later step relies on, and their files."""

import hashlib
import json
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import msgspec

from g2p_batch.errors import ArtifactError, ModelError

CONTRACT, MANIFEST = "contract.json", "manifest.json"
"""The file by which one knows a program, and an artifact."""
FORMAT = 2
"""Version of both files."""

Prefix = Literal["space", "none"]
DType = Literal["float32", "bfloat16", "int8", "float16"]
Kind = Literal["llvm", "cuda"]
"""Of hardware: CPUs, NVIDIA GPUs."""
DTYPES: tuple[DType, ...] = get_args(DType)

Alphabet = Mapping[str, int]
"""Characters of one language, each with the number of distinct training words that hold it."""
Alphabets = Mapping[str, Alphabet]
"""By tag; of a language without one nothing is known, and its words are asked as they are."""

T = TypeVar("T")

_PREFIX_FORMS: dict[Prefix, str] = {"space": "<{}>: ", "none": "<{}>:"}


@dataclass(frozen=True)
class Geometry:
    """Shape of a `T5ForConditionalGeneration`, as far as its computation depends on it."""

    d_model: int
    d_ff: int
    d_kv: int
    heads: int
    encoder_layers: int
    decoder_layers: int
    vocab: int
    activation: Literal["gelu_new", "relu"]
    gated: bool
    relative_buckets: int
    relative_max_distance: int
    """Relative position bias: number of learned buckets, and the distance from which all share the last."""
    norm_epsilon: float
    logit_scale: float
    """1.0, or d_model**-0.5 for a head tied to the embedding: changes log-probabilities, never strings."""

    @property
    def d_attention(self) -> int:
        """Width of all heads together."""
        return self.heads * self.d_kv


@dataclass(frozen=True)
class Contract:
    """One checkpoint and the fixed way it is asked: prefix form, no EOS on the input, longest input and output."""

    name: str
    checkpoint: str
    """Folder or hub id, with revision, that the weights came from."""
    checkpoint_sha256: str
    prefix: Prefix
    languages: tuple[str, ...]
    geometry: Geometry
    max_source_bytes: int
    """Longest prefix plus word, in bytes."""
    max_target_bytes: int
    """Longest output, in tokens, its EOS included."""
    versions: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    """sha256 of the files beside the contract, by file name."""
    alphabets: Alphabets = field(default_factory=dict)
    """Characters of the training words, of languages for which they are known."""
    format: int = FORMAT

    def prefix_for(self, lang: str) -> str:
        """Return the text put before a word of `lang`."""
        return _PREFIX_FORMS[self.prefix].format(lang)


EXCEPTIONS = "exceptions.parquet"
"""The file of the words that a model does not say as its dictionary does, beside its weights: `words.dictionary`."""

CHOOSE = "choose_1"
"""Name of the compiled function that reads and writes a `search_table`; where a table changes the number has to, so
that no artifact of another version is given one that it does not know."""

MOST_VARIANTS = 32
"""Most outputs of a word that can be searched for."""
SLOTS_OF_ROW = 16
"""Slots for the beginnings of a word whose outputs are searched for."""
_SEARCH_ROWS = 256
"""Most rows of a search: each takes slots of its own, on a GPU with far more rows of a step all its memory."""


class LengthBucket(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Words of at most `source_bytes`, prefix included, decoded to at most `target_bytes` tokens."""

    source_bytes: int
    target_bytes: int
    batch: int
    """Rows of a decoder step."""
    chunk: int
    """Words encoded together; they wait in slots of their own until rows are free."""

    @property
    def slots(self) -> int:
        """Slots of a cache; the one behind them is scratch, for rows that only fill up a rung."""
        return self.batch + self.chunk

    @property
    def search_rows(self) -> int:
        """Rows of a step of a search for several outputs."""
        return min(self.batch, _SEARCH_ROWS)

    @property
    def search_slots(self) -> int:
        """Slots of a search for what is said: each row has as many of its own; the one behind them is scratch."""
        return self.search_rows * SLOTS_OF_ROW

    @property
    def search_sources(self) -> int:
        """Slots of a search for what is encoded of words; the one behind them is scratch."""
        return self.search_rows + self.chunk


@dataclass(frozen=True)
class Shapes:
    """Buckets by rising length, and the batch sizes (rungs, rising) that the engine accepts."""

    buckets: tuple[LengthBucket, ...]
    ladder: tuple[int, ...]

    def __post_init__(self) -> None:
        lengths = [(b.source_bytes, b.target_bytes) for b in self.buckets]
        if not lengths or lengths != sorted(lengths):
            raise ModelError(f"buckets must be listed by rising length, not {lengths}")
        largest = max(max(b.batch, b.chunk) for b in self.buckets)
        if list(self.ladder) != sorted(set(self.ladder)) or self.ladder[0] < 1 or self.ladder[-1] < largest:
            raise ModelError(f"the batch ladder must rise from at least 1 to at least {largest}, not {self.ladder}")

    @property
    def longest(self) -> LengthBucket:
        """The bucket that holds every word of the contract."""
        return self.buckets[-1]

    def rung(self, rows: int) -> int:
        """Return the smallest batch size that holds `rows`."""
        return self.ladder[bisect_left(self.ladder, rows)]


@dataclass(frozen=True)
class CompileTarget:
    """What a library was compiled for."""

    kind: Kind
    arch: str
    """`platform.machine()` of the CPUs that can run it, or that can drive the GPU."""
    machine: str
    """Kernel family: one of `cpu_families.FAMILIES`, or cuda."""
    features: tuple[str, ...]
    """CPU features that its code may use, spelled as in /proc/cpuinfo; or GPU architectures, such as sm_90."""


@dataclass(frozen=True)
class Tensor:
    """A packed weight: where it lies in `weights.bin`, in bytes, and what it holds."""

    offset: int
    shape: tuple[int, ...]
    dtype: str


Stored = Literal["float32", "int32", "uint16"]
"""What compiled code sees of a number format."""


@dataclass(frozen=True)
class CacheCells:
    """How a cache holds one head of one position: `width` values of an element type."""

    dtype: Stored
    """int32 is two bfloat16 values, uint16 the bits of one or of a float16."""
    width: int


@dataclass(frozen=True)
class Manifest:
    """What an artifact holds; written last, so a folder with a manifest is whole."""

    key: str
    """sha256 over everything that shaped the artifact."""
    contract: Contract
    target: CompileTarget
    dtype: DType
    shapes: Shapes
    cache: CacheCells
    functions: Mapping[str, tuple[str, ...]]
    """Names of the tensors that end the parameters of each function."""
    tensors: Mapping[str, Tensor]
    seconds: float
    """Time the compilation took."""
    versions: Mapping[str, str]
    files: Mapping[str, str]
    """sha256 of the files beside the manifest, by file name."""
    tiles: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Register tiles, vectors by rows, of matrix products for which they were chosen by measuring."""
    kernels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Types of the parameters of each kernel of the device, as TVM names them."""
    shared_bytes: int = 0
    """Most shared memory that a block of them asks for."""
    format: int = FORMAT


def digest(path: Path) -> str:
    """Return the sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def damaged_file(folder: Path, files: Mapping[str, str]) -> Path | None:
    """Return the first file of a folder that is missing or has not the sha256 that it had when it was made, or None."""
    paths = ((folder / name, wanted) for name, wanted in files.items())
    return next((path for path, wanted in paths if not path.is_file() or digest(path) != wanted), None)


def save_json(path: Path, record: Any) -> None:
    """Write a record as readable JSON with sorted keys."""
    text = json.dumps(msgspec.to_builtins(record), indent=1, sort_keys=True, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def is_program(folder: Path) -> bool:
    """Tell whether a folder is that of a program."""
    return (folder / CONTRACT).is_file()


def is_artifact(folder: Path) -> bool:
    """Tell whether a folder is that of an artifact."""
    return (folder / MANIFEST).is_file()


def load_contract(folder: Path) -> Contract:
    """Read `contract.json` of a program.

    Raises:
        ModelError: the folder holds no program, or one of another format version.
    """
    remedy = "export the checkpoint with `g2p-batch export MODEL -o DIR`"
    return _load(folder / CONTRACT, Contract, ModelError, remedy)


def load_manifest(folder: Path) -> Manifest:
    """Read `manifest.json` of an artifact.

    Raises:
        ArtifactError: the folder holds no whole artifact, or one of another format version.
    """
    remedy = "compile the model again with `g2p-batch compile`"
    return _load(folder / MANIFEST, Manifest, ArtifactError, remedy)


class _Versioned(msgspec.Struct):
    """What every version of a file says of itself."""

    format: int


def _load(path: Path, kind: type[T], error: type[ModelError] | type[ArtifactError], remedy: str) -> T:
    try:
        data = path.read_bytes()
        version = msgspec.json.decode(data, type=_Versioned).format
        if version != FORMAT:
            raise error(f"{path} has format {version}, this version reads {FORMAT}: {remedy}")
        return msgspec.json.decode(data, type=kind)
    except FileNotFoundError:
        raise error(f"{path} does not exist: {remedy}") from None
    except (OSError, ValueError) as cause:
        raise error(f"{path} cannot be read ({type(cause).__name__}: {cause}): {remedy}") from None
