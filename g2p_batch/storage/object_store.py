"""A store in a bucket of an object store. The only file that imports obstore.

An object appears whole or not at all, when its last byte has come; so there are no drafts. Whoever is killed while it
sends a large one leaves an unfinished upload, which no reader sees and the bucket's lifecycle rules remove.
"""

import os
import re
import tempfile
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from g2p_batch.errors import OutputError, UsageError
from g2p_batch.storage.locations import Url, s3_endpoint, scrubbed
from g2p_batch.storage.publish import scratch_folder, writing
from g2p_batch.storage.store import StoredFile

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

_PLAIN_ENDPOINTS = ("AWS_ENDPOINT", "AZURE_ENDPOINT", "AZURE_STORAGE_ENDPOINT")

_TOLD = re.compile(r"<Code>(?P<code>[^<]*)</Code>(?:.*?<Message>(?P<message>[^<]*)</Message>)?", re.DOTALL)
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
                with _told(self.root / name, "written"):
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
        """Put an object."""
        with _told(self.root / name, "written"):
            _obstore().put(self._client, self._key(name), data, chunk_size=_PIECE_BYTES)

    def get(self, name: str) -> bytes | None:
        """Return the content of an object."""
        with _told(self.root / name, "read"):
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
        """Return the size and the age of an object."""
        found = self._head(name)
        return None if found is None else self._entry(found)

    def list(self, folder: str) -> tuple[StoredFile, ...]:
        """Return the objects whose names have one more part than the folder's."""
        with _told(self.root / folder, "listed"):
            found = _obstore().list_with_delimiter(self._client, self._key(folder))
        return tuple(sorted(map(self._entry, found["objects"]), key=lambda entry: entry.name))

    def remove(self, name: str) -> None:
        """Delete an object."""
        self._delete([self._key(name)])

    def clear(self, folder: str) -> None:
        """Delete all objects whose names begin with the folder's."""
        with _told(self.root / folder, "listed"):
            for objects in _obstore().list(self._client, self._key(folder)):
                self._delete([found["path"] for found in objects])

    def drafts(self, folder: str) -> tuple[StoredFile, ...]:
        """Return nothing: an object is whole."""
        return ()

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
        with _told(self.root, "listed"):
            next(iter(_obstore().list(self._client, self._key(name))), None)

    def publish(self, name: str, write: Callable[[Path], None], files: Collection[str] = ()) -> None:
        """Write a temporary file on this machine, then send it: in pieces, if it is large, that become one object."""
        self.require_writable(name, files)
        with self.scratch("publish") as scratch:
            draft = scratch / PurePosixPath(name).name
            with writing(draft):
                write(draft)
                size_bytes = draft.stat().st_size
            piece_bytes = max(_PIECE_BYTES, size_bytes // _MOST_PIECES)
            with _told(self.root / name, "written"):
                _obstore().put(self._client, self._key(name), draft, chunk_size=piece_bytes)

    def facts(self, name: str) -> tuple[int, int | str] | None:
        """Return size in bytes and entity tag of an object."""
        found = self._head(name)
        return None if found is None else (found["size"], found["e_tag"] or str(found["last_modified"]))

    @property
    def _client(self) -> Any:
        return _client(self.root.bucket)

    def _key(self, name: str) -> str:
        return "/".join(part for part in (self.root.key, name) if part)

    def _entry(self, found: Any) -> StoredFile:
        name = found["path"].removeprefix(self.root.key).lstrip("/")
        return StoredFile(name, found["size"], found["last_modified"].timestamp())

    def _head(self, name: str) -> Any:
        with _told(self.root / name, "read"):
            try:
                return _obstore().head(self._client, self._key(name))
            except FileNotFoundError as cause:
                _require_bucket(cause)
                return None

    def _delete(self, keys: Sequence[str]) -> None:
        with _told(self.root, "removed from"):
            try:
                _obstore().delete(self._client, keys)
            except FileNotFoundError as cause:
                _require_bucket(cause)


def _obstore() -> Any:
    try:
        import obstore
        import obstore.exceptions
        import obstore.store
    except ImportError:
        raise UsageError("s3://, gs:// and az:// need obstore: `pip install 'g2p-batch[cloud]'`") from None
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
        raise UsageError(f"{bucket} cannot be opened ({_said(cause)}): {_ANY_REMEDY}") from None


def _require_bucket(cause: FileNotFoundError) -> None:
    """Raise again where it is the bucket, not an object in it, that is absent."""
    if any(code in str(cause) for code in _NO_BUCKET):
        raise cause


@contextmanager
def _told(place: Url, deed: str) -> Iterator[None]:
    """Turn what a request can meet into an error that names the place and what to do."""
    errors = _obstore().exceptions
    try:
        yield
    except errors.AlreadyExistsError:
        raise
    except (errors.BaseError, FileNotFoundError) as cause:
        found = _TOLD.search(str(cause))
        remedy = _REMEDIES.get(found["code"], _ANY_REMEDY) if found else _ANY_REMEDY
        raise OutputError(f"{place} cannot be {deed} ({_said(cause)}): {remedy}") from None


def _said(cause: Exception) -> str:
    """Return the store's own words, or the first line of the client's."""
    found = _TOLD.search(str(cause))
    if found:
        return scrubbed(": ".join(text for text in (found["code"], found["message"]) if text))
    return scrubbed(str(cause).partition("\n")[0])
