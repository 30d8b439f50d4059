"""Files and folders appear whole or not at all: every writer of results goes through here."""

import errno
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from g2p_batch.errors import OutputError
from g2p_batch.storage.drafts import collect_drafts, draft_folder, draft_of

_REMEDIES = {
    errno.ENOSPC: "free some space, or write to another disk",
    errno.EDQUOT: "free some of your quota, or write to another disk",
    errno.EFBIG: "raise the limit on file sizes (`ulimit -f`), or write to another disk",
    errno.EACCES: "choose a folder that you may write to",
    errno.EPERM: "choose a folder that you may write to",
    errno.EROFS: "choose a disk that is not read-only",
    errno.ENOENT: "create its folder first",
    errno.ENOTDIR: "choose a path below a folder",
    errno.EISDIR: "choose the name of a file",
    errno.EEXIST: "choose a name that is not taken by a file",
    errno.ENAMETOOLONG: "choose a shorter name",
}
_ANY_REMEDY = "check the disk, then run the same command again"


def publish(path: Path, write: Callable[[Path], None], ready: Callable[[Path], None] = lambda _: None) -> None:
    """Make a file durable under its name, replacing what was there, only when it is whole.

    Args:
        path: the file's final name; of a symbolic link, its target is replaced.
        write: called once with a temporary name in the same folder; it creates that file.
        ready: called once with that file, when it is whole and durable.

    Raises:
        OutputError: the file cannot be written; `path` is as before, and the temporary file is gone.
    """
    with writing(path):
        target = path.resolve()
        _require_replaceable(target)
        collect_drafts(target)
        _replace(target, write, ready)


def put_if_absent(path: Path, data: bytes) -> bool:
    """Make a file durable under a name that nothing has yet, whole or not at all; of several writers one wins.

    Returns:
        Whether it is this call that gave the name its file.

    Raises:
        OutputError: the file cannot be written.
    """
    draft = draft_of(path)
    with writing(path):
        try:
            _write(draft, data)
            _sync(draft)
            return _link(draft, path)
        finally:
            draft.unlink(missing_ok=True)


def put(path: Path, data: bytes) -> None:
    """Make a file durable in place of what has its name, whole or not at all.

    Raises:
        OutputError: the file cannot be written.
    """
    with writing(path):
        _replace(path, lambda draft: _write(draft, data))


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what reading a file of ours can raise into an error that names it.

    Raises:
        OutputError: the disk failed.
    """
    try:
        yield
    except OSError as cause:
        raise OutputError(f"{path} cannot be read ({cause.strerror or cause}): {_ANY_REMEDY}") from cause


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what writing a file can raise into an error that says what to do.

    Raises:
        OutputError: the disk is full, or failed.
    """
    try:
        yield
    except OSError as cause:
        remedy = _REMEDIES.get(cause.errno or 0, _ANY_REMEDY)
        raise OutputError(f"{path} cannot be written ({cause.strerror or cause}): {remedy}") from cause


@contextmanager
def scratch_folder(parent: Path, name: str) -> Iterator[Path]:
    """Give a new folder for temporary files, and remove it with all it holds; so are those that were left of its name.

    Raises:
        OutputError: it cannot be made.
    """
    with writing(parent / name):
        collect_drafts(parent / name)
        folder = draft_folder(parent / name)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Fill a folder under a temporary name beside `path`; it gets its name when it is whole.

    If another process has made the folder meanwhile, that one stays.

    Raises:
        OutputError: `path` holds something already, or the folder cannot be written.
    """
    require_new_folder(path)
    with writing(path):
        collect_drafts(path)
        draft = draft_folder(path)
        try:
            draft.chmod(0o755)  # mkdtemp makes private folders
            yield draft
            for file in (*draft.rglob("*"), draft):
                _sync(file)
            with suppress(FileExistsError):
                _rename(draft, path)
            _sync(path.parent)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def replace_folder(
    path: Path,
    fill: Callable[[Path], None],
    files: Collection[str],
    ready: Callable[[Path], None] = lambda _: None,
) -> None:
    """Make a folder of files under its name when it is whole, in place of an earlier one of its kind.

    Between the two there is a moment without the folder, and a process that is killed in it leaves none.

    Args:
        path: the folder's final name.
        fill: called once with an empty temporary folder beside it.
        files: names of all that a folder of this kind may hold.
        ready: called once with that folder, when it is whole and durable.

    Raises:
        OutputError: the folder cannot be written, or holds other files; it is as before.
    """
    require_replaceable_folder(path, files)
    with writing(path):
        with scratch_folder(path.parent, path.name) as scratch:
            draft = scratch / "new"
            draft.mkdir()
            fill(draft)
            for file in draft.iterdir():
                _sync(file)
            _sync(draft)
            ready(draft)
            require_replaceable_folder(path, files)
            if path.exists():
                path.rename(scratch / "old")
            draft.rename(path)
        _sync(path.parent)


def require_replaceable_folder(path: Path, files: Collection[str]) -> None:
    """Check what can be known about a folder of files before the work whose result goes there.

    Args:
        path: the folder's final name.
        files: names of all that a folder of this kind may hold.

    Raises:
        OutputError: its name is taken by something else, it holds other files, or the one above it cannot be made or
            written.
    """
    if path.exists() and not path.is_dir():
        raise OutputError(f"{path} exists and is no folder: delete it, or choose another name")
    _require_writable_parent(path)
    if path.exists() and (others := sorted({entry.name for entry in path.iterdir()} - set(files))):
        raise OutputError(f"{path} holds other files too, such as {others[0]}: choose the name of a new folder")


def require_new_folder(path: Path) -> None:
    """Check that a folder can be made under `path`, before the work that fills it.

    Raises:
        OutputError: it holds something already, or the one above it cannot be made or written.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise OutputError(f"{path} exists: delete it, or choose another name")
    _require_writable_parent(path)


def _require_writable_parent(path: Path) -> None:
    make_folder(path.parent)
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise OutputError(f"{path} cannot be made: choose a folder that you may write to")


def _rename(draft: Path, path: Path) -> None:
    try:
        draft.rename(path)
    except OSError as cause:
        if cause.errno == errno.ENOTEMPTY:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        raise


def require_writable(path: Path) -> None:
    """Check what can be known about `path` before the work whose result goes there.

    Raises:
        OutputError: its folder is absent or not writable, or the name is taken by something other than a file.
    """
    with writing(path):
        target = path.resolve()
        _require_replaceable(target)
        target.parent.stat()
        if not target.parent.is_dir():
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(target.parent, os.W_OK | os.X_OK):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))


def make_folder(path: Path) -> None:
    """Create a folder and those above it, unless it exists.

    Raises:
        OutputError: it cannot be created.
    """
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)


def _link(draft: Path, path: Path) -> bool:
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        _sync(path.parent)  # also for the winner, who may have been killed before it did
    return True


def _write(draft: Path, data: bytes) -> None:
    with draft.open("xb") as file:
        file.write(data)


def _replace(target: Path, write: Callable[[Path], None], ready: Callable[[Path], None] = lambda _: None) -> None:
    draft = draft_of(target)
    try:
        write(draft)
        _sync(draft)
        ready(draft)
        draft.replace(target)
        _sync(target.parent)
    finally:
        draft.unlink(missing_ok=True)


def _require_replaceable(target: Path) -> None:
    """Refuse folders, devices and pipes: a rename over `/dev/null` would replace it for everyone."""
    if target.exists() and not target.is_file():
        raise OSError(errno.EISDIR, "it exists and is not a regular file")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
