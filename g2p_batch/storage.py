"""Where a run keeps its files: few calls, that folders and object stores can both keep."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from g2p_batch.publish import DRAFT, make_folder, put, put_if_absent, reading, removing, scratch_folder


@dataclass(frozen=True)
class Entry:
    """A file of a store."""

    name: str
    """Its path below the store, parts joined by `/`."""
    size_bytes: int
    modified_s: float
    """Seconds since 1970, by the clock of whoever wrote it."""


class Store(Protocol):
    """Files under names. A file is never seen half: it is whole, or absent."""

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """Make a file durable unless the name is taken; tell whether it is this one that was put."""

    def put(self, name: str, data: bytes) -> None:
        """Make a file durable in place of what had its name."""

    def get(self, name: str) -> bytes | None:
        """Return the content of a file, or None where there is none."""

    def head(self, name: str) -> Entry | None:
        """Return what is known of a file without reading it, or None where there is none."""

    def list(self, folder: str) -> tuple[Entry, ...]:
        """Return the files of one folder, sorted by name; drafts of writers are not files yet."""

    def remove(self, name: str) -> None:
        """Remove a file; one that is absent already is no error."""


@dataclass(frozen=True)
class Folder:
    """A store in a folder of this machine, or of one that several machines mount.

    All its calls raise `OutputError` where the disk fails.
    """

    root: Path

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """Write a draft, make it durable, and link it to its name; the first of several writers wins."""
        make_folder((self.root / name).parent)
        return put_if_absent(self.root / name, data)

    def put(self, name: str, data: bytes) -> None:
        """Write a draft, make it durable, and rename it."""
        make_folder((self.root / name).parent)
        put(self.root / name, data)

    def get(self, name: str) -> bytes | None:
        """Return the content of a file."""
        with reading(self.root / name):
            try:
                return (self.root / name).read_bytes()
            except FileNotFoundError:
                return None

    def head(self, name: str) -> Entry | None:
        """Return the size and the age of a file."""
        return self._entry(name)

    def list(self, folder: str) -> tuple[Entry, ...]:
        """Return the files of one folder."""
        return tuple(entry for entry in self._all(folder) if not Path(entry.name).name.startswith(DRAFT))

    def remove(self, name: str) -> None:
        """Remove a file."""
        removing(self.root / name)

    def path(self, name: str) -> Path:
        """Return where a file lies, for readers that want a path."""
        return self.root / name

    def drafts(self, folder: str) -> tuple[Entry, ...]:
        """Return what writers of one folder have not finished, or left when they were killed."""
        return tuple(entry for entry in self._all(folder) if Path(entry.name).name.startswith(DRAFT))

    @contextmanager
    def scratch(self, name: str) -> Iterator[Path]:
        """Give a new folder for temporary files, and remove it afterwards."""
        make_folder(self.root)
        with scratch_folder(self.root, name) as folder:
            yield folder

    def _all(self, folder: str) -> tuple[Entry, ...]:
        place = self.root / folder
        with reading(place):
            names = sorted(path.name for path in place.iterdir()) if place.is_dir() else []
        found = (self._entry(str(Path(folder, name))) for name in names)
        return tuple(entry for entry in found if entry is not None)

    def _entry(self, name: str) -> Entry | None:
        with reading(self.root / name):
            try:
                facts = (self.root / name).stat()
            except FileNotFoundError:
                return None
        return Entry(name, facts.st_size, facts.st_mtime)
