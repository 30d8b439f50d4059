"""What a run was planned for: its inputs, its model and every option that changes its output."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from g2p_batch.errors import InputError, RunError
from g2p_batch.model.contract import Contract
from g2p_batch.storage import remote
from g2p_batch.storage.locations import Location, Url, located
from g2p_batch.storage.remote import FileVersion
from g2p_batch.words.wordlist import STDIN, WordLists

CHECKPOINT, PREFIX, TOOL = "--model (sha256 of its checkpoint)", "prefix form", "version"

_CHEAP_BYTES = 1 << 28
"""Of files up to this size the content is known too, so that a copy or a touched file is still the same input."""
_CHUNK_BYTES = 1 << 20


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
    def facts(self) -> FileVersion:
        """What can be known again without reading."""
        return FileVersion(self.size_bytes, self.modified_ns, self.etag)


@dataclass(frozen=True)
class Fingerprint:
    """What must stay the same for a run to go on."""

    inputs: tuple[Input, ...]
    options: Mapping[str, Any]
    """Each option or fact by the name that its user knows."""


class Heard:
    """Standard input, with the digest of all that was read of it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._sha256 = hashlib.sha256()
        self._size_bytes = 0

    def read(self, size: int = -1) -> bytes:
        """Read as the stream does."""
        return self._keep(self._stream.read(size))

    def readline(self, size: int = -1) -> bytes:
        """Read as the stream does."""
        return self._keep(self._stream.readline(size))

    def as_input(self) -> Input:
        """Return what was read until now."""
        return Input(STDIN, self._size_bytes, 0, self._sha256.hexdigest())

    def drain(self) -> Input:
        """Read the rest and return what was read in all."""
        while self.read(_CHUNK_BYTES):
            pass
        return self.as_input()

    def _keep(self, data: bytes) -> bytes:
        self._sha256.update(data)
        self._size_bytes += len(data)
        return data


def options_of(source: WordLists, normalize: str, lexicons: Sequence[str]) -> dict[str, Any]:
    """Return the options of planning that change what a run puts out, by the names that its user knows.

    Args:
        source: the word lists.
        normalize: how words are prepared.
        lexicons: the existing lexicons, as their user gave them.
    """
    return {
        "--lexicon": " ".join(lexicons) or None,
        "--lang": source.lang,
        "--lang-column": source.lang_column,
        "--word-column": source.word_column,
        "--normalize": normalize,
    }


def facts_of(contract: Contract, dtype: str, tool: str) -> dict[str, Any]:
    """Return what else changes the output of a run: the model, its number format and this program."""
    return {
        "--dtype": dtype,
        CHECKPOINT: contract.checkpoint_sha256,
        PREFIX: contract.prefix,
        "languages of the model": ",".join(contract.languages),
        "longest input in bytes": contract.max_source_bytes,
        "longest output in tokens": contract.max_target_bytes,
        TOOL: tool,
    }


def inputs_of(files: Iterable[str]) -> tuple[Input, ...]:
    """Look at files; standard input has no facts yet.

    Raises:
        InputError: a file cannot be read.
    """
    return tuple(_look(name) for name in files)


def heard(inputs: Iterable[Input], stdin: Heard) -> tuple[Input, ...]:
    """Put what was read of standard input in its place."""
    return tuple(stdin.as_input() if known.path == STDIN else known for known in inputs)


def require_unchanged(inputs: Iterable[Input]) -> None:
    """Check after reading that no file was changed meanwhile.

    Raises:
        InputError: one was.
    """
    for known in inputs:
        if known.path != STDIN and _facts(known.path) != known.facts:
            raise InputError(f"{known.path} was changed while it was read: run again when it is complete")


def require_same(place: Location, planned: Fingerprint, options: Mapping[str, Any]) -> None:
    """Check that a run directory was planned with these options.

    Raises:
        RunError: it was not; the message names the first that differs.
    """
    for name, now in options.items():
        was = planned.options.get(name)
        if was != now:
            raise RunError(
                f"{place} was planned with {_said(name, was)}, now it is {_said(name, now)}: {_remedy('say the same')}"
            )


def require_same_inputs(place: Location, planned: Fingerprint, files: Sequence[str], stdin: BinaryIO) -> None:
    """Check that a run directory was planned for these files; reads them only where size or time tell nothing.

    Raises:
        RunError: it was not; the message names the first that differs.
        InputError: an input cannot be read.
    """
    if len(files) != len(planned.inputs):
        raise RunError(
            f"{place} was planned for {_count(len(planned.inputs))}, now there are {len(files)}: "
            f"{_remedy('give the same')}"
        )
    for name, was in zip(files, planned.inputs, strict=True):
        if difference := _difference(name, was, stdin):
            raise RunError(f"{place} was planned for {was.path}, {difference}: {_remedy('give what it was')}")


def _difference(name: str, was: Input, stdin: BinaryIO) -> str | None:
    """Tell how a file differs from what was planned, or None where it does not."""
    if name == STDIN or was.path == STDIN:
        same = name == was.path and Heard(stdin).drain() == was
        return None if same else "and what is read now differs"
    facts = _facts(name)
    path = str(located(name).absolute())
    if (path, facts) == (was.path, was.facts):
        return None
    if facts.size_bytes != was.size_bytes:
        return f"which had {was.size_bytes:,} bytes; {path} has {facts.size_bytes:,}"
    if isinstance(located(name), Url):
        return f"which was another object or another version of it than {path} is now"
    if was.sha256 is None:
        return f"which was too large to keep a digest of; {path} has another name or time"
    return None if _digest(name) == was.sha256 else f"which had other content than {path} has now"


def _look(name: str) -> Input:
    if name == STDIN:
        return Input(STDIN, 0, 0, None)
    place, facts = located(name), _facts(name)
    cheap = facts.size_bytes <= _CHEAP_BYTES and not isinstance(place, Url)
    sha256 = _digest(name) if cheap else None
    return Input(str(place.absolute()), facts.size_bytes, facts.modified_ns, sha256, facts.etag)


def _facts(name: str) -> FileVersion:
    place = located(name)
    if isinstance(place, Url):
        return remote.facts(place)
    try:
        facts = place.stat()
    except OSError as cause:
        raise InputError(f"{name} cannot be read ({cause.strerror}): check the path and its permissions") from None
    return FileVersion(facts.st_size, facts.st_mtime_ns, None)


def _digest(name: str) -> str:
    try:
        with Path(name).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as cause:
        raise InputError(f"{name} cannot be read ({cause.strerror}): check the path and its permissions") from None


def _remedy(first: str) -> str:
    return f"{first}, choose another --run-dir, or discard what is there with --restart"


def _said(name: str, value: Any) -> str:
    return f"no {name}" if value is None else f"{name} {value}"


def _count(files: int) -> str:
    return "1 input file" if files == 1 else f"{files:,} input files"


def inputs_from(records: Sequence[Mapping[str, Any]]) -> tuple[Input, ...]:
    """Return inputs from their JSON."""
    return tuple(Input(**record) for record in records)
