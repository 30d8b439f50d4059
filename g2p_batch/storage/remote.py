"""Word lists in buckets, read through Arrow's file systems: the only file that uses `pyarrow.fs`."""

import os
from dataclasses import dataclass
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.fs as pf

from g2p_batch.errors import InputError, UsageError
from g2p_batch.storage.locations import Url, s3_endpoint, scrubbed

_REMEDY = "check the name, the network, and credentials, region and endpoint in the environment"
_ATTEMPTS = 8
_ACCOUNT = "AZURE_STORAGE_ACCOUNT_NAME"


@dataclass(frozen=True)
class FileVersion:
    """What is known of a file without reading it."""

    size_bytes: int
    modified_ns: int
    """Time in nanoseconds since 1970; 0 where there is an entity tag, which tells more."""
    etag: str | None


def files_at(url: Url) -> list[str]:
    """Return the URLs of an object, or of all objects at any depth below a name, sorted.

    Raises:
        InputError: there is neither; or the bucket cannot be read.
    """
    system = _system(url.scheme)
    try:
        if url.key and system.get_file_info(str(url.path)).type == pf.FileType.File:
            return [str(url)]
        found = system.get_file_info(pf.FileSelector(str(url.path), recursive=True))
    except FileNotFoundError:
        raise InputError(f"{url} does not exist: check the name") from None
    except (OSError, pa.ArrowException) as cause:
        raise _error(url, cause) from None
    return sorted(f"{url.scheme}://{entry.path}" for entry in found if entry.type == pf.FileType.File)


def opened(url: Url) -> Any:
    """Open an object for reading at any place.

    Raises:
        OSError, pyarrow.ArrowException: it cannot be read; told to the user with `said`.
    """
    return _system(url.scheme).open_input_file(str(url.path))


def stream(url: Url) -> Any:
    """Open an object for reading from its beginning, as it is stored.

    Raises:
        OSError, pyarrow.ArrowException: it cannot be read; told to the user with `said`.
    """
    return _system(url.scheme).open_input_stream(str(url.path), compression=None)


def facts(url: Url) -> FileVersion:
    """Ask for size and entity tag, or time, of an object.

    Raises:
        InputError: it cannot be read.
    """
    try:
        system = _system(url.scheme)
        info = system.get_file_info(str(url.path))
        if info.type != pf.FileType.File:
            raise InputError(f"{url} does not exist: check the name")
        with system.open_input_file(str(url.path)) as file:
            etag = {name.lower(): value for name, value in (file.metadata() or {}).items()}.get("etag")
    except (OSError, pa.ArrowException) as cause:
        raise _error(url, cause) from None
    return FileVersion(info.size, 0 if etag else info.mtime_ns or 0, etag and etag.decode().strip('"'))


def said(cause: Exception) -> str:
    """Return in words why an object cannot be read, without what may be secret."""
    if isinstance(cause, FileNotFoundError):
        return "does not exist: check the name"
    return f"cannot be read ({scrubbed(str(cause))}): {_REMEDY}, and that the file is what its name says"


def _error(url: Url, cause: Exception) -> InputError:
    return InputError(f"{url} cannot be read ({scrubbed(str(cause))}): {_REMEDY}")


@cache
def _system(scheme: str) -> Any:
    try:
        return _SYSTEMS[scheme]()
    except ImportError:
        raise UsageError(
            f"this build of pyarrow cannot read {scheme}://: install the one of PyPI, or copy the word lists here"
        ) from None


def _s3() -> Any:
    scheme, _, server = (s3_endpoint() or "").rpartition("://")
    return pf.S3FileSystem(
        region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"),
        endpoint_override=server.rstrip("/") or None,
        scheme=scheme or "https",
        retry_strategy=pf.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
    )


def _google() -> Any:
    return pf.GcsFileSystem()


def _azure() -> Any:
    account = os.environ.get(_ACCOUNT)
    if account is None:
        raise UsageError(f"az:// URLs need the name of the storage account: set {_ACCOUNT}")
    return pf.AzureFileSystem(account, account_key=os.environ.get("AZURE_STORAGE_ACCOUNT_KEY"))


_SYSTEMS = {"s3": _s3, "gs": _google, "az": _azure}
