"""Unfinished files and folders: how they are called, and what becomes of those whose writers were killed."""

import re
import shutil
import tempfile
import time
import uuid
from contextlib import suppress
from pathlib import Path

from g2p_batch.storage.owner import OWNER, lives, this_process

DRAFT = ".tmp-"
"""How the names of unfinished files and folders begin: whoever is killed leaves them, and they mean nothing."""

FORGOTTEN_S = 7 * 86400.0
"""No writer writes nothing for so long; of one on another machine nothing else can be known."""


def draft_of(path: Path) -> Path:
    """Return a new name beside `path` that tells whose it is; nothing is made."""
    return path.with_name(f"{_prefix(path.name)}{uuid.uuid4().hex[:6]}")


def draft_folder(path: Path) -> Path:
    """Make a folder under such a name, for its owner alone."""
    return Path(tempfile.mkdtemp(prefix=_prefix(path.name), dir=path.parent))


def is_draft(name: str) -> bool:
    """Tell whether a file of this name is unfinished."""
    return name.startswith(DRAFT)


def collect_drafts(path: Path) -> None:
    """Remove the drafts of `path` whose writers were killed; those of writers that may live stay."""
    own = re.compile(rf"{re.escape(DRAFT + path.name)}-(?P<owner>{OWNER})-[^-]+")
    for draft in path.parent.iterdir():
        told = own.fullmatch(draft.name)
        if told is not None and _is_left(draft, told["owner"]):
            remove(draft)


def _is_left(draft: Path, owner: str) -> bool:
    seen = lives(owner)
    return time.time() - newest_s(draft) > FORGOTTEN_S if seen is None else not seen


def remove(path: Path) -> None:
    """Remove a file, or a folder with all it holds, as far as that may be done: others may do the same, or own it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def newest_s(path: Path) -> float:
    """Return when a file, or anything in a folder, was last written, in seconds since 1970; now if it is gone."""
    times = []
    for entry in (path, *(path.rglob("*") if path.is_dir() else ())):
        try:
            times.append(entry.stat().st_mtime)
        except FileNotFoundError:
            continue
    return max(times, default=time.time())


def _prefix(name: str) -> str:
    return f"{DRAFT}{name}-{this_process()}-"
