"""JSON records that tell when they are damaged."""

import hashlib
import json
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


class DamagedError(ValueError):
    """A record is not what its writer wrote."""


def sha256_of(data: bytes) -> str:
    """Return the sha256 of some bytes, in hex."""
    return hashlib.sha256(data).hexdigest()


def seal(record: Any) -> bytes:
    """Return a record, a dataclass or a mapping, as readable JSON that holds its own digest."""
    plain = msgspec.to_builtins(record)
    sealed = {"record": plain, "sha256": sha256_of(_body(plain))}
    return (json.dumps(sealed, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


class _Sealed(msgspec.Struct):
    record: dict[str, Any]
    sha256: str


def unseal(data: bytes, kind: type[T]) -> T:
    """Return the record in what `seal` made.

    Args:
        data: the bytes.
        kind: what the record is: a dataclass, or a mapping.

    Raises:
        DamagedError: the bytes are not as they were, or the record is of another kind; the message names the field.
    """
    try:
        sealed = msgspec.json.decode(data, type=_Sealed)
        if sha256_of(_body(sealed.record)) != sealed.sha256:
            raise DamagedError("its digest differs")
        return msgspec.convert(sealed.record, kind)
    except msgspec.MsgspecError as cause:
        raise DamagedError(f"{type(cause).__name__}: {cause}") from None


def _body(record: Any) -> bytes:
    return json.dumps(record, sort_keys=True, ensure_ascii=False).encode()
