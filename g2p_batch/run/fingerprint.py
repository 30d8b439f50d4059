"""What a run was planned for: its inputs, its model and every option that changes its output."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import msgspec

from g2p_batch.errors import InputError, RunError
from g2p_batch.model.contract import Alphabets, Contract
from g2p_batch.storage.checksummed_json import sha256_of
from g2p_batch.storage.locations import STDIN, Location
from g2p_batch.storage.store import FileVersion

if TYPE_CHECKING:
    from g2p_batch.formats.existing import ExistingLexicon
    from g2p_batch.words.files import InputFile
    from g2p_batch.words.wordlist import WordLists

_LEXICON_PHONES = "--lexicon-phones"
CHECKPOINT, PREFIX = "--model (sha256 of its checkpoint)", "prefix form"
REVISION = 2
"""Of how words are asked and answers decoded. Raised by whoever changes what a model would answer to a word: runs that
were planned under another revision are neither gone on with nor taken from."""

_CHEAP_BYTES = 1 << 28
"""Of files up to this size the content is known too, so that a copy or a touched file is still the same input."""


@dataclass(frozen=True)
class Input:
    """One file, or standard input; `sha256` is None where reading the file twice would take long."""

    path: str
    size_bytes: int
    modified_ns: int
    sha256: str | None
    etag: str | None = None
    """Entity tag of an object in a bucket; it changes with the content."""

    @property
    def version(self) -> FileVersion:
        """What can be known again without reading."""
        return FileVersion(self.size_bytes, self.modified_ns, self.etag)


@dataclass(frozen=True)
class Fingerprint:
    """What must stay the same for a run to go on."""

    inputs: tuple[Input, ...]
    options: Mapping[str, Any]
    """Each of them by the name that its user knows."""


def planning_options(lists: "WordLists", lexicons: "Sequence[ExistingLexicon]") -> dict[str, Any]:
    """Return the options of planning that change what a run puts out, by the names that its user knows.

    Args:
        lists: the word lists.
        lexicons: the existing lexicons, as their user gave them.
    """
    return {
        "--lexicon": " ".join(map(str, lexicons)) or None,
        _LEXICON_PHONES: lexicons[0].alphabet if lexicons else None,
        "--lang": lists.lang,
        "--lang-column": lists.lang_column,
        "--word-column": lists.word_column,
        "--input-format": lists.kind,
        "--encoding": lists.encoding,
    }


def model_options(contract: Contract, dtype: str) -> dict[str, Any]:
    """Return what else changes the output of a run: the model, its number format, and how it is asked."""
    return {
        "--dtype": dtype,
        CHECKPOINT: contract.checkpoint_sha256,
        PREFIX: contract.prefix,
        "languages of the model": ",".join(contract.languages),
        "longest input in bytes": contract.max_source_bytes,
        "longest output in tokens": contract.max_target_bytes,
        "alphabets of the model": _digest(contract.alphabets),
        "revision of spelling and decoding": REVISION,
    }


def has_own_phones(planned: Fingerprint) -> bool:
    """Tell whether words of existing lexicons are in phones of the user's own."""
    return planned.options.get(_LEXICON_PHONES) == "own"


def inputs_of(files: "Iterable[InputFile]") -> tuple[Input, ...]:
    """Look at files before they are read; what standard input holds is not known yet.

    Raises:
        InputError: a file cannot be read.
    """
    return tuple(map(_unread, files))


def require_unchanged(files: "Iterable[InputFile]", inputs: Iterable[Input]) -> tuple[Input, ...]:
    """Check after reading that no file was changed meanwhile; return the inputs with what standard input held.

    Args:
        files: N files that were read to their end.
        inputs: [N], what `inputs_of` found before.

    Raises:
        InputError: one was changed.
    """
    after = []
    for file, before in zip(files, inputs, strict=True):
        if file.is_standard_input:
            after.append(_whole(file))
        elif file.version() == before.version:
            after.append(before)
        else:
            raise InputError(f"{before.path} was changed while it was read: run again when it is complete")
    return tuple(after)


def require_same(root: Location, planned: Fingerprint, options: Mapping[str, Any]) -> None:
    """Check that a run directory was planned with these options.

    Raises:
        RunError: it was not; the message names the first that differs.
    """
    for name, now in options.items():
        was = planned.options.get(name)
        if was != now:
            raise RunError(
                f"{root} was planned with {_shown(name, was)}, now it is {_shown(name, now)}: {_remedy('say the same')}"
            )


def require_same_inputs(root: Location, planned: Fingerprint, files: "Sequence[InputFile]") -> None:
    """Check that a run directory was planned for these files; reads them only where size or time tell nothing.

    Raises:
        RunError: it was not; the message names the first that differs.
        InputError: an input cannot be read.
    """
    if len(files) != len(planned.inputs):
        raise RunError(
            f"{root} was planned for {_count(len(planned.inputs))}, now there are {len(files)}: "
            f"{_remedy('give the same')}"
        )
    for file, was in zip(files, planned.inputs, strict=True):
        if difference := _difference(file, was):
            raise RunError(f"{root} was planned for {was.path}, {difference}: {_remedy('give what it was')}")


def _difference(file: "InputFile", was: Input) -> str | None:
    """Tell how a file differs from what was planned, or None where it does not."""
    path = file.path
    if STDIN in (path, was.path):
        return None if path == was.path and _whole(file) == was else "and what is read now differs"
    version = file.version()
    if (path, version) == (was.path, was.version):
        return None
    if version.size_bytes != was.size_bytes:
        return f"which had {was.size_bytes:,} bytes; {path} has {version.size_bytes:,}"
    if file.is_in_bucket:
        return f"which was another object or another version of it than {path} is now"
    if was.sha256 is None:
        return f"which was too large to keep a digest of; {path} has another name or time"
    return None if file.digest() == was.sha256 else f"which had other content than {path} has now"


def _unread(file: "InputFile") -> Input:
    version = file.version()
    cheap = version.size_bytes <= _CHEAP_BYTES and not (file.is_in_bucket or file.is_standard_input)
    sha256 = file.digest() if cheap else None
    return Input(file.path, version.size_bytes, version.modified_ns, sha256, version.etag)


def _whole(file: "InputFile") -> Input:
    """Return what standard input held, reading the rest of it."""
    sha256 = file.digest()
    return Input(file.path, file.version().size_bytes, 0, sha256)


def tool() -> str:
    """Return name and version of this program."""
    try:
        return f"g2p-batch {version('g2p-batch')}"
    except PackageNotFoundError:  # imported from a source tree
        return "g2p-batch (not installed)"


def _digest(alphabets: Alphabets) -> str:
    return sha256_of(msgspec.json.encode(alphabets, order="sorted"))


def _remedy(first: str) -> str:
    return f"{first}, choose another --run-dir, or discard what is there with --restart"


def _shown(name: str, value: Any) -> str:
    return f"no {name}" if value is None else f"{name} {value}"


def _count(files: int) -> str:
    return "1 input file" if files == 1 else f"{files:,} input files"
