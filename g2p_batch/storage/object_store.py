"""Objects in buckets: a store for runs and results, and word lists to read. The only file that imports obstore.

An object appears whole or not at all, when its last byte has come; so there are no drafts. Whoever is killed while it
sends a large one leaves an unfinished upload, which no reader sees and the bucket's lifecycle rules remove.
"""

import io
import os
import re
import tempfile
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from g2p_batch.errors import G2PError, InputError, OutputError, PackageError, UsageError
from g2p_batch.storage.locations import Url, s3_endpoint, scrubbed
from g2p_batch.storage.publish import scratch_folder, writing
from g2p_batch.storage.store import FileVersion, Stamp, StoredFile

_RETRIES = 8
"""So often, in half a minute, the client repeats a request that the store could not answer."""
_ATTEMPTS = 3
"""The client does not repeat a put that has to create once its answer is lost; we do, and look who came first."""
_PAUSE_S = 0.5
_TIMEOUT_S = 120
"""A request that takes longer is given up; sent again if it can do no harm."""
_CONNECT_S = 10
_AT_ONCE = 16
"""Objects that are read at the same time: each waits for the network far longer than it takes."""
_PIECE_BYTES = 1 << 24
_MOST_PIECES = 9000
"""S3 takes 10,000 pieces of an object."""
_BLOCK_BYTES = 1 << 20
"""Least that is asked for of an object that is read, since every request waits for the network."""

_PLAIN_ENDPOINTS = ("AWS_ENDPOINT", "AZURE_ENDPOINT", "AZURE_STORAGE_ENDPOINT")

_ANSWER = re.compile(r"<Code>(?P<code>[^<]*)</Code>(?:.*?<Message>(?P<message>[^<]*)</Message>)?", re.DOTALL)
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound")
_REMEDIES = {
    "NoSuchBucket": "create the bucket, or correct its name",
    "ContainerNotFound": "create the container, or correct its name",
    "AccessDenied": "let the credentials in the environment read, write, list and delete there",
    "InvalidAccessKeyId": "correct the credentials in the environment",
    "SignatureDoesNotMatch": "correct the credentials in the environment",
    "ExpiredToken": "renew the credentials in the environment",
    "PermanentRedirect": "name the region of the bucket in AWS_REGION",
    "AuthorizationHeaderMalformed": "name the region of the bucket in AWS_REGION",
}
"""What to do, by the code in the answer of the store."""
_ANY_REMEDY = "check the network, credentials, region and endpoint in the environment, then run the same command again"


@dataclass(frozen=True)
class ObjectStore:
    """A store below a URL."""

    root: Url

    def make(self) -> None:
        """Do nothing: folders of a bucket are parts of names."""

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """Put an object that must be new.

        Of several writers one wins. One whose answer was lost on the way is not always told that it was the winner.
        """
        attempt = 1
        while True:
            try:
                with _requesting(self.root / name, "written"):
                    _obstore().put(self._client, self._key(name), data, mode="create", use_multipart=False)
                return True
            except _obstore().exceptions.AlreadyExistsError:
                return attempt > 1 and self.get(name) == data
            except OutputError:
                if attempt == _ATTEMPTS:
                    raise
            time.sleep(_PAUSE_S * attempt)
            attempt += 1

    def put(self, name: str, data: bytes) -> None:
        with _requesting(self.root / name, "written"):
            _obstore().put(self._client, self._key(name), data, chunk_size=_PIECE_BYTES)

    def get(self, name: str) -> bytes | None:
        with _requesting(self.root / name, "read"):
            try:
                return bytes(_obstore().get(self._client, self._key(name)).bytes())
            except FileNotFoundError as cause:
                _require_bucket(cause)
                return None

    def get_all(self, names: Iterable[str]) -> Iterator[bytes | None]:
        """Read several objects at the same time."""
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            waiting: deque[Future[bytes | None]] = deque()
            try:
                for name in names:
                    waiting.append(threads.submit(self.get, name))
                    if len(waiting) == _AT_ONCE:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def head(self, name: str) -> StoredFile | None:
        described = _head(self.root / name, OutputError)
        return None if described is None else self._entry(described)

    def list(self, folder: str) -> tuple[StoredFile, ...]:
        """Return the objects whose names have one more part than the folder's."""
        with _requesting(self.root / folder, "listed"):
            listed = _obstore().list_with_delimiter(self._client, self._key(folder))
        return tuple(sorted(map(self._entry, listed["objects"]), key=lambda entry: entry.name))

    def remove(self, name: str) -> None:
        self._delete([self._key(name)])

    def clear(self, folder: str) -> None:
        """Delete all objects whose names begin with the folder's."""
        with _requesting(self.root / folder, "listed"):
            for objects in _obstore().list(self._client, self._key(folder)):
                self._delete([described["path"] for described in objects])

    def drafts(self, folder: str) -> tuple[StoredFile, ...]:
        return ()  # an object is whole

    def scratch(self, name: str) -> AbstractContextManager[Path]:
        """Give a new folder where this machine keeps temporary files."""
        return scratch_folder(Path(tempfile.gettempdir()), name)

    def local(self, name: str, data: bytes, scratch: Path) -> Path:
        """Write a copy."""
        path = scratch / name.replace("/", "-")
        with writing(path):
            path.write_bytes(data)
        return path

    def require_writable(self, name: str, files: Collection[str] = ()) -> None:
        """Look into the bucket.

        Raises:
            UsageError: a folder is wanted.
        """
        if files:
            raise UsageError(
                f"{self.root / name} would be a folder of files, which cannot appear at once in a bucket: "
                "write it to a folder of this machine, then copy it"
            )
        with _requesting(self.root, "listed"):
            next(iter(_obstore().list(self._client, self._key(name))), None)

    def publish(
        self,
        name: str,
        write: Callable[[Path], None],
        files: Collection[str] = (),
        announce: Callable[[Stamp], None] = lambda _: None,
    ) -> None:
        """Write a temporary file on this machine, then send it: in pieces, if it is large, that become one object."""
        self.require_writable(name, files)
        with self.scratch("publish") as scratch:
            draft = scratch / PurePosixPath(name).name
            with writing(draft):
                write(draft)
                size_bytes = draft.stat().st_size
            announce((size_bytes, None))
            piece_bytes = max(_PIECE_BYTES, size_bytes // _MOST_PIECES)
            with _requesting(self.root / name, "written"):
                _obstore().put(self._client, self._key(name), draft, chunk_size=piece_bytes)

    def stamp(self, name: str) -> Stamp | None:
        described = _head(self.root / name, OutputError)
        if described is None:
            return None
        return described["size"], described["e_tag"] or str(described["last_modified"])

    @property
    def _client(self) -> Any:
        return _client(self.root.bucket)

    def _key(self, name: str) -> str:
        return (self.root / name).key

    def _entry(self, described: Any) -> StoredFile:
        name = described["path"].removeprefix(self.root.key).lstrip("/")
        return StoredFile(name, described["size"], described["last_modified"].timestamp())

    def _delete(self, keys: Sequence[str]) -> None:
        with _requesting(self.root, "removed from"):
            try:
                _obstore().delete(self._client, keys)
            except FileNotFoundError as cause:
                _require_bucket(cause)


def objects_at(url: Url) -> list[Url]:
    """Return an object itself, or all objects at any depth below its name, sorted.

    Raises:
        InputError: there is neither, or the bucket cannot be read.
    """
    if url.key and _head(url, InputError) is not None:
        return [url]
    with _requesting(url, "read", InputError):
        pages = list(_obstore().list(_client(url.bucket), url.key))
    bucket = Url(url.scheme, PurePosixPath(url.path.parts[0]))
    urls = [bucket / described["path"] for page in pages for described in page]
    if not urls and url.key:
        raise _absent(url)
    return sorted(urls, key=str)


def version_of(url: Url) -> FileVersion:
    """Ask for size and entity tag of an object, or its time where the store gives no tags.

    Raises:
        InputError: it is absent, or cannot be read.
    """
    described = _require_object(url)
    etag = described["e_tag"]
    if etag:
        return FileVersion(described["size"], 0, etag.strip('"'))
    return FileVersion(described["size"], _nanoseconds(described["last_modified"]), None)


def open_object(url: Url) -> io.BufferedReader:
    """Open an object for reading from its beginning or at any place, as it is stored.

    Raises:
        InputError: it is absent, or cannot be read, now or at any later call of the file.
    """
    return io.BufferedReader(_ObjectFile(url, _require_object(url)["size"]), _BLOCK_BYTES)


class _ObjectFile(io.RawIOBase):
    """An object as a file without a buffer: each read asks for a range, once more where that failed."""

    def __init__(self, url: Url, size_bytes: int) -> None:
        self._url = url
        self._size_bytes = size_bytes
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size_bytes}[whence]
        return self._position

    def readinto(self, buffer: Any) -> int:
        end = min(self._position + min(len(buffer), _PIECE_BYTES), self._size_bytes)
        if end <= self._position:
            return 0
        with _requesting(self._url, "read", InputError):
            data = _obstore().get_range(_client(self._url.bucket), self._url.key, start=self._position, end=end)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


def _head(url: Url, error: type[G2PError]) -> Any:
    """Return what the store knows of an object, or None where there is none."""
    with _requesting(url, "read", error):
        try:
            return _obstore().head(_client(url.bucket), url.key)
        except FileNotFoundError as cause:
            _require_bucket(cause)
            return None


def _require_object(url: Url) -> Any:
    described = _head(url, InputError)
    if described is None:
        raise _absent(url)
    return described


def _absent(url: Url) -> InputError:
    return InputError(f"{url} does not exist: check the name")


def _nanoseconds(time_: datetime) -> int:
    """Return a time in nanoseconds since 1970."""
    return (time_ - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1) * 1000


def _obstore() -> Any:
    try:
        import obstore
        import obstore.exceptions
        import obstore.store
    except ImportError:
        raise PackageError("s3://, gs:// and az:// need obstore: `pip install 'g2p-batch[cloud]'`") from None
    return obstore


@cache
def _client(bucket: str) -> Any:
    """Open a bucket with what the environment says of credentials, region and endpoint."""
    endpoints = (s3_endpoint(), *map(os.environ.get, _PLAIN_ENDPOINTS))
    options = {
        "allow_http": any(endpoint and endpoint.startswith("http://") for endpoint in endpoints),
        "timeout": f"{_TIMEOUT_S}s",
        "connect_timeout": f"{_CONNECT_S}s",
    }
    try:
        return _obstore().store.from_url(bucket, client_options=options, retry_config={"max_retries": _RETRIES})
    except (_obstore().exceptions.BaseError, ValueError) as cause:
        raise InputError(f"{bucket} cannot be opened ({_reason(cause)}): {_ANY_REMEDY}") from None


def _require_bucket(cause: FileNotFoundError) -> None:
    """Raise again where it is the bucket, not an object in it, that is absent."""
    if any(code in str(cause) for code in _NO_BUCKET):
        raise cause


@contextmanager
def _requesting(url: Url, deed: str, error: type[G2PError] = OutputError) -> Iterator[None]:
    """Turn what a request can meet into an error that names the URL and what to do."""
    errors = _obstore().exceptions
    try:
        yield
    except errors.AlreadyExistsError:
        raise
    except (errors.BaseError, FileNotFoundError) as cause:
        answer = _ANSWER.search(str(cause))
        remedy = _REMEDIES.get(answer["code"], _ANY_REMEDY) if answer else _ANY_REMEDY
        raise error(f"{url} cannot be {deed} ({_reason(cause)}): {remedy}") from None


def _reason(cause: Exception) -> str:
    """Return the store's own words, or the first line of the client's."""
    answer = _ANSWER.search(str(cause))
    if answer:
        return scrubbed(": ".join(text for text in (answer["code"], answer["message"]) if text))
    return scrubbed(str(cause).partition("\n")[0])
