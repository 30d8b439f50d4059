"""Which files the inputs of a command mean: themselves, those of folders and buckets, and the matches of patterns."""

import glob
import os
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import BinaryIO, TypeVar

from g2p_batch.errors import InputError, UsageError
from g2p_batch.storage.locations import STDIN, Location, Url, located
from g2p_batch.storage.object_store import objects_at
from g2p_batch.words.files import SUFFIXES, InputFile, StandardInput, reading_input, standard_input

_Name = TypeVar("_Name", str, Url)


def find_files(inputs: Iterable[str], stdin: BinaryIO | None = None) -> tuple[InputFile, ...]:
    """Return the files that inputs mean, in the order in which they are read.

    Args:
        inputs: files, folders (searched to the bottom), globs, URLs of objects or of all below a name, or `-`.
        stdin: what the input `-` reads; standard input by default.

    Raises:
        InputError: an input does not exist or may not be read.
        UsageError: an input is a URL of another kind.
    """
    pipe = StandardInput(stdin or standard_input())
    return tuple(file for source in inputs for file in _files_of(source, pipe))


class Sources:
    """What inputs mean, looked up once, to tell of any number of places whether they are among it.

    Raises:
        UsageError: an input is a URL of another kind.
    """

    def __init__(self, inputs: Iterable[str]) -> None:
        self._whole: dict[Location, str] = {}
        """Files and folders, whatever links lead to them, and what is in buckets, each as it was given."""
        self._patterns: dict[Path, str] = {}
        for source in inputs:
            location = located(source)
            if source == STDIN:
                continue
            if isinstance(location, Path) and _is_pattern(source):
                self._patterns[location.absolute()] = source
            else:
                self._whole.setdefault(location.resolve(), source)

    def require_unread(self, places: Iterable[Location], remedy: str) -> None:
        """Check that what is written at some places is no part of an input, and would be none once it is there.

        Raises:
            UsageError: it is; the message ends with `remedy`.
        """
        for place in places:
            source = self._source_of(place)
            if source is not None:
                raise UsageError(f"{place} would be read as part of the input {source}: {remedy}")

    def _source_of(self, place: Location) -> str | None:
        """Return the input that means what is written at a place, or None where none does."""
        resolved = place.resolve()
        for location in (resolved, *resolved.parents):
            if location in self._whole:
                return self._whole[location]
        if isinstance(place, Url):
            return None
        return next((source for pattern, source in self._patterns.items() if _matches(place.absolute(), pattern)), None)


def _matches(place: Path, pattern: Path) -> bool:
    """Tell whether a pattern means a place, or a folder above it, which is read to its bottom."""
    if "**" in pattern.parts:
        return fnmatch(str(place), str(pattern))
    return len(place.parts) >= len(pattern.parts) and all(map(fnmatch, place.parts, pattern.parts))


def _is_pattern(source: str) -> bool:
    return glob.has_magic(source) and not os.path.lexists(source)


def _files_of(source: str, pipe: StandardInput) -> list[InputFile]:
    """Return the files that one input means: itself, the word lists of a folder, or the matches of a glob."""
    if source == STDIN:
        return [InputFile("standard input", pipe, "standard input")]
    location = located(source)
    if isinstance(location, Url):
        return [InputFile(str(url), url, source) for url in _objects(location)]
    if not _is_pattern(source):
        return [InputFile(name, Path(name), source) for name in _paths(source)]
    matches = sorted(glob.glob(source, recursive=True))  # noqa: PTH207  (Path.glob takes no absolute pattern)
    if not matches:
        raise InputError(f"{source} matches no file: check the pattern")
    return [InputFile(name, Path(name), source) for match in matches for name in _paths(match)]


def _paths(name: str) -> list[str]:
    """Return a file, or the word lists at any depth below a folder, sorted."""
    with reading_input(name):
        is_folder = Path(name).is_dir()
    return _below(name) if is_folder else [_file(name)]


def _file(name: str) -> str:
    """Return the name of a file, which is read more than once and kept in the plan by its name."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InputError(f"{name!a} has a name that is not UTF-8: rename it, or give - and pipe it in") from None
    with reading_input(name):
        if Path(name).exists() and not Path(name).is_file():
            raise InputError(f"{name} is a pipe or a device: give - and pipe it in")
    return name


def _below(name: str) -> list[str]:
    """Return the word lists of a folder; hidden ones and markers like `_SUCCESS` are not."""
    lists: list[str] = []
    with reading_input(name):
        for folder, folders, files in os.walk(name, onerror=_raise):
            folders[:] = filter(_is_visible, folders)
            lists += [_file(str(Path(folder, file))) for file in files if _is_visible(file) and _is_list(file)]
    return sorted(_some(lists, name))


def _objects(url: Url) -> list[Url]:
    """Return the word lists at or below a URL; the same names as in a folder are left out."""
    if glob.has_magic(url.key):
        raise InputError(f"{url} is a pattern, which buckets do not know: give the name above it, or each file")
    urls = objects_at(url)
    if urls == [url]:
        return urls
    depth = len(url.path.parts)
    return _some([url for url in urls if _is_list(url.name) and all(map(_is_visible, url.path.parts[depth:]))], url)


def _some(lists: list[_Name], folder: str | Url) -> list[_Name]:
    """Return word lists, of which there has to be one."""
    if not lists:
        raise InputError(f"{folder} holds no word list: their names end in {', '.join(SUFFIXES)}")
    return lists


def _is_list(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def _is_visible(name: str) -> bool:
    return not name.startswith((".", "_"))


def _raise(error: OSError) -> None:
    raise error
