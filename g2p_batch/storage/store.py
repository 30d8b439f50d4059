"""Where a run keeps its files: few calls, that folders and object stores can both keep."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from g2p_batch.storage.publish import (
    DRAFT,
    make_folder,
    publish,
    put,
    put_if_absent,
    reading,
    removing,
    replace_folder,
    require_replaceable_folder,
    require_writable,
    scratch_folder,
)


@dataclass(frozen=True)
class StoredFile:
    """A file of a store."""

    name: str
    """Its path below the store, parts joined by `/`."""
    size_bytes: int
    modified_s: float
    """Seconds since 1970, by the clock of whoever wrote it."""


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

    def publish(self, name: str, write: Callable[[Path], None], files: Collection[str] = ()) -> None:
        """Make a result of any size durable under its name, in place of an earlier one, only when it is whole.

        Args:
            name: what the result is called.
            write: called once with a temporary name on this machine; it creates that file, or fills that folder.
            files: names of all that it may hold, where it is a folder.
        """

    def facts(self, name: str) -> tuple[int, int | str] | None:
        """Return what changes whenever a result is written again, or None where there is none."""


@dataclass(frozen=True)
class Folder:
    """A store in a folder of this machine, or of one that several machines mount."""

    root: Path

    def make(self) -> None:
        """Make the folder and those above it, unless it is there."""
        make_folder(self.root)

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

    def get_all(self, names: Iterable[str]) -> Iterator[bytes | None]:
        """Read one file after the other."""
        return map(self.get, names)

    def head(self, name: str) -> StoredFile | None:
        """Return the size and the age of a file."""
        return self._entry(name)

    def list(self, folder: str) -> tuple[StoredFile, ...]:
        """Return the files of one folder."""
        return tuple(entry for entry in self._all(folder) if not Path(entry.name).name.startswith(DRAFT))

    def remove(self, name: str) -> None:
        """Remove a file."""
        removing(self.root / name)

    def clear(self, folder: str) -> None:
        """Remove a folder with all it holds."""
        removing(self.root / folder)

    def drafts(self, folder: str) -> tuple[StoredFile, ...]:
        """Return drafts with the time of what was last written in them."""
        left = [entry for entry in self._all(folder) if Path(entry.name).name.startswith(DRAFT)]
        return tuple(replace(entry, modified_s=_newest(self.root / entry.name)) for entry in left)

    @contextmanager
    def scratch(self, name: str) -> Iterator[Path]:
        """Give a new folder for temporary files, and remove it afterwards."""
        make_folder(self.root)
        with scratch_folder(self.root, name) as folder:
            yield folder

    def local(self, name: str, data: bytes, scratch: Path) -> Path:
        """Return where the file lies."""
        return self.path(name)

    def path(self, name: str) -> Path:
        """Return where a file lies."""
        return self.root / name

    def require_writable(self, name: str, files: Collection[str] = ()) -> None:
        """Look at the name and at the permissions above it."""
        if files:
            require_replaceable_folder(self.root / name, files)
        else:
            require_writable(self.root / name)

    def publish(self, name: str, write: Callable[[Path], None], files: Collection[str] = ()) -> None:
        """Write a draft beside the name, make it durable, and rename it."""
        if files:
            replace_folder(self.root / name, write, files)
        else:
            publish(self.root / name, write)

    def facts(self, name: str) -> tuple[int, int | str] | None:
        """Return size in bytes and time in nanoseconds of a file, or of all files of a folder."""
        path = self.root / name
        with reading(path):
            if not path.exists():
                return None
            facts = [file.stat() for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
        return sum(fact.st_size for fact in facts), max((fact.st_mtime_ns for fact in facts), default=0)

    def _all(self, folder: str) -> tuple[StoredFile, ...]:
        place = self.root / folder
        with reading(place):
            names = sorted(path.name for path in place.iterdir()) if place.is_dir() else []
        found = (self._entry(str(Path(folder, name))) for name in names)
        return tuple(entry for entry in found if entry is not None)

    def _entry(self, name: str) -> StoredFile | None:
        with reading(self.root / name):
            try:
                facts = (self.root / name).stat()
            except FileNotFoundError:
                return None
        return StoredFile(name, facts.st_size, facts.st_mtime)


def _newest(path: Path) -> float:
    """Return when a file, or anything in a folder, was last written; now if it is gone."""
    times = []
    for place in (path, *(path.rglob("*") if path.is_dir() else ())):
        try:
            times.append(place.stat().st_mtime)
        except FileNotFoundError:
            continue
    return max(times, default=time.time())
