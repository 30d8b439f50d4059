"""JSON records that tell when they are damaged."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any


class DamagedError(ValueError):
    """A record is not what its writer wrote."""


def sha256_of(data: bytes) -> str:
    """Return the sha256 of some bytes, in hex."""
    return hashlib.sha256(data).hexdigest()


def seal(record: Mapping[str, Any]) -> bytes:
    """Return a record as readable JSON that holds its own digest."""
    body = json.dumps(record, sort_keys=True, ensure_ascii=False)
    sealed = {"record": record, "sha256": sha256_of(body.encode())}
    return (json.dumps(sealed, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def unseal(data: bytes) -> dict[str, Any]:
    """Return the record in what `seal` made.

    Raises:
        DamagedError: the bytes are not as they were.
    """
    try:
        sealed = json.loads(data)
        record: dict[str, Any] = sealed["record"]
        body = json.dumps(record, sort_keys=True, ensure_ascii=False)
        wanted = sealed["sha256"]
    except (ValueError, LookupError, TypeError) as cause:
        raise DamagedError(f"{type(cause).__name__}: {cause}") from None
    if sha256_of(body.encode()) != wanted:
        raise DamagedError("its digest differs")
    return record
