"""The names of all formats, for whoever needs no more of them: help, completion, the command line."""

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

READ_ONLY = ("wikipron", "ipa-dict", "phonetisaurus", "sequitur")
"""Of lexicons of other tools, which are read and not written."""


def choice(names: Iterable[str]) -> str:
    """Return names as a choice in a sentence: `a, b or c`."""
    *some, last = names
    return f"{', '.join(some)} or {last}"
