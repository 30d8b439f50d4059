"""The names of all formats: what help and completion show, without the formats themselves."""

from collections.abc import Iterable

NAMES = (
    "tsv",
    "charsiu",
    "parquet",
    "jsonl",
    "mfa",
    "mfa-prob",
    "kaldi",
    "kaldi-prob",
    "kaldi-dict",
    "icefall",
    "sherpa",
    "cmudict",
    "pls",
)


def choice(names: Iterable[str]) -> str:
    """Return names as a choice in a sentence: `a, b or c`."""
    *some, last = names
    return f"{', '.join(some)} or {last}"
