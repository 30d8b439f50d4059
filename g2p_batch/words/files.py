"""A file that is read, and how it is opened: on this machine, in a bucket, or standard input."""

import hashlib
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from g2p_batch.errors import InputError
from g2p_batch.storage.locations import STDIN, Location, Url
from g2p_batch.storage.object_store import open_object, version_of
from g2p_batch.storage.store import FileVersion

PARQUET = ".parquet"
_TEXT_KINDS = (".txt", ".tsv", ".csv", ".dic")
_COMPRESSIONS = {"": None, ".gz": "gzip", ".zst": "zstd"}
_KINDS: dict[str, tuple[str, str | None]] = {
    kind + packed: (kind, compression) for kind in _TEXT_KINDS for packed, compression in _COMPRESSIONS.items()
} | {PARQUET: (PARQUET, None)}
"""Kind and compression by the end of a file's name."""

SUFFIXES = tuple(_KINDS)
"""How the names of readable files end, in any case."""

_CHUNK_BYTES = 1 << 20

_DAMAGED = "cannot be read ({}): the file is damaged or not what its name says"
_CAUSES: tuple[tuple[type[Exception], str], ...] = (
    (FileNotFoundError, "does not exist: check the path"),
    (PermissionError, "may not be read: change its permissions"),
    (OSError, _DAMAGED),
    (UnicodeError, "is in another encoding ({}): give --encoding"),
    (pa.ArrowException, _DAMAGED),
)


class StandardInput:
    """A stream that can be read once, with the size and the digest of what was read of it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._sha256 = hashlib.sha256()
        self.size_bytes = 0

    def read(self, size: int = -1) -> bytes:
        """Read as the stream does."""
        return self._count(self._stream.read(size))

    def readline(self, size: int = -1) -> bytes:
        """Read as the stream does."""
        return self._count(self._stream.readline(size))

    def digest(self) -> str:
        """Read the rest, and return the sha256 of all that there was."""
        while self.read(_CHUNK_BYTES):
            pass
        return self._sha256.hexdigest()

    def _count(self, data: bytes) -> bytes:
        self._sha256.update(data)
        self.size_bytes += len(data)
        return data


def standard_input() -> BinaryIO:
    """Return standard input, empty where it is closed."""
    return sys.stdin.buffer if sys.stdin is not None else io.BytesIO()


@dataclass(frozen=True)
class InputFile:
    """A file that is read."""

    name: str
    """As messages call it."""
    location: Location | StandardInput
    source: str
    """The input that means it, as messages call that: itself, a folder, a pattern or a name in a bucket."""

    @property
    def path(self) -> str:
        """What tells it from all other files, wherever the command is given: `-` for standard input."""
        return STDIN if isinstance(self.location, StandardInput) else str(self.location.absolute())

    @property
    def kind(self) -> str | None:
        """One of `.txt`, `.tsv`, `.csv`, `.dic` and `.parquet`; None where the name does not tell."""
        return self._kind_and_compression[0]

    @property
    def is_standard_input(self) -> bool:
        """Whether it can be read once only."""
        return isinstance(self.location, StandardInput)

    @property
    def is_in_bucket(self) -> bool:
        """Whether it is an object, and another version of it has other content."""
        return isinstance(self.location, Url)

    def version(self) -> FileVersion:
        """Return what is known without reading; of standard input, how much was read.

        Raises:
            InputError: it cannot be read.
        """
        if isinstance(self.location, StandardInput):
            return FileVersion(self.location.size_bytes, 0, None)
        if isinstance(self.location, Url):
            return version_of(self.location)
        with _examining(self.name):
            status = self.location.stat()
        return FileVersion(status.st_size, status.st_mtime_ns, None)

    def digest(self) -> str:
        """Return the sha256 of the content as it is stored; what is left of standard input is read.

        Raises:
            InputError: it cannot be read.
        """
        if isinstance(self.location, StandardInput):
            return self.location.digest()
        with _examining(self.name), _opened(self.location) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @contextmanager
    def stream(self, encoding: str | None = None) -> Iterator[BinaryIO]:
        """Open text for reading from its beginning, decompressed; standard input goes on where it is.

        Args:
            encoding: of the text, which is read as UTF-8 then; of standard input it has to be that.

        Raises:
            InputError: it cannot be read, now or within the `with`.
        """
        with reading_input(self.name):
            if isinstance(self.location, StandardInput):
                yield cast(BinaryIO, self.location)
                return
            with _opened(self.location) as file:
                plain = pa.input_stream(file, compression=self._kind_and_compression[1])
                text = plain if encoding is None else pa.transcoding_input_stream(plain, encoding, "utf-8")
                # pyarrow's stream is a raw file in all but name.
                yield cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, text)))

    @contextmanager
    def parquet(self) -> Iterator[Any]:
        """Open a `pyarrow.parquet.ParquetFile`.

        Raises:
            InputError: it cannot be read, now or within the `with`.
        """
        with reading_input(self.name):
            yield pq.ParquetFile(open_object(self.location) if isinstance(self.location, Url) else self.location)

    @property
    def _kind_and_compression(self) -> tuple[str | None, str | None]:
        suffix = next((suffix for suffix in _KINDS if self.name.lower().endswith(suffix)), None)
        return (None, None) if suffix is None else _KINDS[suffix]


@contextmanager
def reading_input(name: str) -> Iterator[None]:
    """Turn what reading can raise into an `InputError` that names the input."""
    try:
        yield
    except (OSError, UnicodeError, pa.ArrowException) as cause:
        text = next(text for kind, text in _CAUSES if isinstance(cause, kind))
        raise InputError(f"{name} {text.format(cause)}") from None


def _opened(location: Location) -> io.BufferedReader:
    return open_object(location) if isinstance(location, Url) else location.open("rb")


@contextmanager
def _examining(name: str) -> Iterator[None]:
    """Turn what looking at a file, of whatever kind, can raise into an `InputError` that names it."""
    try:
        yield
    except OSError as cause:
        raise InputError(f"{name} cannot be read ({cause.strerror}): check the path and its permissions") from None
