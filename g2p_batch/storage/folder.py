"""A store in a folder of this machine, or of one that several machines mount."""

import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from g2p_batch.storage import publish
from g2p_batch.storage.drafts import is_draft, newest_s
from g2p_batch.storage.publish import make_folder, reading, writing
from g2p_batch.storage.store import Stamp, StoredFile


@dataclass(frozen=True)
class Folder:
    """A store in a folder: `publish` makes its files appear whole."""

    root: Path

    def make(self) -> None:
        make_folder(self.root)

    def put_if_absent(self, name: str, data: bytes) -> bool:
        make_folder((self.root / name).parent)
        return publish.put_if_absent(self.root / name, data)

    def put(self, name: str, data: bytes) -> None:
        make_folder((self.root / name).parent)
        publish.put(self.root / name, data)

    def get(self, name: str) -> bytes | None:
        with reading(self.root / name):
            try:
                return (self.root / name).read_bytes()
            except FileNotFoundError:
                return None

    def get_all(self, names: Iterable[str]) -> Iterator[bytes | None]:
        return map(self.get, names)

    def head(self, name: str) -> StoredFile | None:
        with reading(self.root / name):
            try:
                status = (self.root / name).stat()
            except FileNotFoundError:
                return None
        return StoredFile(name, status.st_size, status.st_mtime)

    def list(self, folder: str) -> tuple[StoredFile, ...]:
        return tuple(file for file in self._all(folder) if not _is_unfinished(file))

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with all it holds."""
        path = self.root / name
        with writing(path), suppress(FileNotFoundError):  # another process may remove the same
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def clear(self, folder: str) -> None:
        self.remove(folder)

    def drafts(self, folder: str) -> tuple[StoredFile, ...]:
        """Return drafts with the time of what was last written in them."""
        drafts = filter(_is_unfinished, self._all(folder))
        return tuple(replace(draft, modified_s=newest_s(self.root / draft.name)) for draft in drafts)

    @contextmanager
    def scratch(self, name: str) -> Iterator[Path]:
        make_folder(self.root)
        with publish.scratch_folder(self.root, name) as folder:
            yield folder

    def local(self, name: str, data: bytes, scratch: Path) -> Path:
        return self.root / name

    def require_writable(self, name: str, files: Collection[str] = ()) -> None:
        if files:
            publish.require_replaceable_folder(self.root / name, files)
        else:
            publish.require_writable(self.root / name)

    def publish(
        self,
        name: str,
        write: Callable[[Path], None],
        files: Collection[str] = (),
        announce: Callable[[Stamp], None] = lambda _: None,
    ) -> None:
        def ready(draft: Path) -> None:
            announce(_stamp(draft))  # which a new name does not change

        if files:
            publish.replace_folder(self.root / name, write, files, ready)
        else:
            publish.publish(self.root / name, write, ready)

    def stamp(self, name: str) -> Stamp | None:
        """Return size in bytes and time in nanoseconds of a file, or of all files of a folder."""
        path = self.root / name
        with reading(path):
            return _stamp(path) if path.exists() else None

    def _all(self, folder: str) -> tuple[StoredFile, ...]:
        """Return files and drafts, sorted by name."""
        path = self.root / folder
        with reading(path):
            names = sorted(entry.name for entry in path.iterdir()) if path.is_dir() else []
        files = (self.head(str(Path(folder, name))) for name in names)
        return tuple(file for file in files if file is not None)


def _is_unfinished(file: StoredFile) -> bool:
    return is_draft(Path(file.name).name)


def _stamp(path: Path) -> Stamp:
    statuses = [file.stat() for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    return sum(status.st_size for status in statuses), max((status.st_mtime_ns for status in statuses), default=0)
