"""Where a run keeps its files: few calls, that folders and object stores can both keep."""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

Stamp = tuple[int, int | str | None]
"""What changes whenever a file or folder is written again: its size in bytes, and a time in nanoseconds or an entity
tag."""


@dataclass(frozen=True)
class StoredFile:
    """A file of a store."""

    name: str
    """Its path below the store, parts joined by `/`."""
    size_bytes: int
    modified_s: float
    """Seconds since 1970, by the clock of whoever wrote it."""


@dataclass(frozen=True)
class FileVersion:
    """What is known of a file without reading it, and changes with its content."""

    size_bytes: int
    modified_ns: int
    """Time in nanoseconds since 1970; 0 where there is an entity tag, which tells more."""
    etag: str | None


class Store(Protocol):
    """Files under names. A file is never seen half: it is whole, or absent.

    All calls raise `OutputError` where the disk, or the network, fails.
    """

    def make(self) -> None:
        """Make the place itself, where places need it."""

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """Make a file durable unless the name is taken; tell whether it is this one that was put."""

    def put(self, name: str, data: bytes) -> None:
        """Make a file durable in place of what had its name."""

    def get(self, name: str) -> bytes | None:
        """Return the content of a file, or None where there is none."""

    def get_all(self, names: Iterable[str]) -> Iterator[bytes | None]:
        """Yield the contents of files in the order of their names; few are held in memory at a time."""

    def head(self, name: str) -> StoredFile | None:
        """Return what is known of a file without reading it, or None where there is none."""

    def list(self, folder: str) -> tuple[StoredFile, ...]:
        """Return the files of one folder, sorted by name; drafts of writers are not files yet."""

    def remove(self, name: str) -> None:
        """Remove a file; one that is absent already is no error."""

    def clear(self, folder: str) -> None:
        """Remove all files at any depth below a folder, and the folder."""

    def drafts(self, folder: str) -> tuple[StoredFile, ...]:
        """Return what writers of one folder have not finished, or left when they were killed."""

    def scratch(self, name: str) -> AbstractContextManager[Path]:
        """Give a new folder on this machine for temporary files, and remove it afterwards."""

    def local(self, name: str, data: bytes, scratch: Path) -> Path:
        """Return where a file, whose content is `data`, can be read on this machine; if need be a copy in `scratch`."""

    def require_writable(self, name: str, files: Collection[str] = ()) -> None:
        """Check what can be known before the work whose result is published.

        Args:
            name: what the result is to be called.
            files: names of all that it may hold, where it is a folder.
        """

    def publish(
        self,
        name: str,
        write: Callable[[Path], None],
        files: Collection[str] = (),
        announce: Callable[[Stamp], None] = lambda _: None,
    ) -> None:
        """Make a result of any size durable under its name, in place of an earlier one, only when it is whole.

        Args:
            name: what the result is called.
            write: called once with a temporary name on this machine; it creates that file, or fills that folder.
            files: names of all that it may hold, where it is a folder.
            announce: called once before it has its name, with what `stamp` will return then; without the entity tag,
                which nobody knows before.
        """

    def stamp(self, name: str) -> Stamp | None:
        """Return what changes whenever a result is written again, or None where there is none."""
