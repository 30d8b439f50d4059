"""Where something lies: on this machine, or in a bucket of an object store."""

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from g2p_batch.errors import UsageError

SCHEMES = ("s3", "gs", "az")
"""How URLs of buckets begin: Amazon S3 and what speaks its language, Google Cloud Storage, Azure containers."""
STDIN = "-"
"""How standard input is called where a file can be."""

_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL)
_QUERY = re.compile(r"\?[^\s\"'<>]*")
_USER = re.compile(r"//[^/\s@]*@")
_SECRET_NAME = re.compile(r"KEY|SECRET|TOKEN|PASSWORD|SAS|CREDENTIAL|CONNECTION_STRING")
_SHORTEST_SECRET = 8


@dataclass(frozen=True)
class Url:
    """A place in a bucket; prints as it was given, and takes further parts like a path."""

    scheme: str
    path: PurePosixPath
    """The bucket, then the key."""

    def __str__(self) -> str:
        return f"{self.scheme}://{self.path}"

    def __truediv__(self, name: str) -> "Url":
        return Url(self.scheme, self.path / name)

    @property
    def bucket(self) -> str:
        """The bucket alone, like `s3://lexicons`."""
        return f"{self.scheme}://{self.path.parts[0]}"

    @property
    def key(self) -> str:
        """What follows the bucket; empty for the bucket itself."""
        return "/".join(self.path.parts[1:])

    @property
    def name(self) -> str:
        """The last part."""
        return self.path.name

    @property
    def stem(self) -> str:
        """The last part without its suffix."""
        return self.path.stem

    @property
    def suffix(self) -> str:
        """How the last part ends, its dot included."""
        return self.path.suffix

    @property
    def parent(self) -> "Url":
        """The place above."""
        return Url(self.scheme, self.path.parent)

    @property
    def parents(self) -> "list[Url]":
        """The places above, up to the bucket."""
        return [Url(self.scheme, above) for above in self.path.parents[:-1]]

    def with_name(self, name: str) -> "Url":
        """Return the place of another name beside this one."""
        return Url(self.scheme, self.path.with_name(name))

    def absolute(self) -> "Url":
        """Return itself: no URL is relative."""
        return self

    def resolve(self) -> "Url":
        """Return itself: buckets have no links."""
        return self


Location = Path | Url


def located(text: str) -> Location:
    """Return the place that a text names.

    Raises:
        UsageError: it is a URL of another kind, names no bucket, or holds credentials.
    """
    url = _SCHEME.fullmatch(text)
    if url is None:
        return Path(text)
    scheme, rest = url["scheme"].lower(), url["rest"]
    if scheme not in SCHEMES:
        raise UsageError(
            f"{scrubbed(text)} is no place that is known: give a path, or a URL with s3://, gs:// or az://"
        )
    bucket, _, key = rest.partition("/")
    if "@" in bucket:
        raise UsageError(f"a {scheme}:// URL must not hold credentials: put them in the environment, and only there")
    if not bucket or any(part in (".", "..") for part in key.split("/")):
        raise UsageError(f"{text} names no place in a bucket: write {scheme}://BUCKET/NAME")
    return Url(scheme, PurePosixPath(bucket, key.strip("/")))


def inside(place: Location, folder: Location) -> bool:
    """Tell whether a place is a folder or file, or lies in it, whatever links lead to either."""
    if isinstance(place, Url) or isinstance(folder, Url):
        return f"{place}/".startswith(f"{folder}/")
    return place.resolve().is_relative_to(folder.resolve())


def s3_endpoint() -> str | None:
    """Return the server that stands for Amazon's, if the environment names one."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")


def scrubbed(text: str) -> str:
    """Return a message without what may be secret: queries, users in URLs, and values of the environment's secrets."""
    text = _USER.sub("//", _QUERY.sub("", text))
    secrets = {value for name, value in os.environ.items() if _SECRET_NAME.search(name.upper())}
    for secret in sorted((value for value in secrets if len(value) >= _SHORTEST_SECRET), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
