"""Lexicon rows for the tests of formats: real words, nasty words, and independent readers of what is written."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
from hypothesis import strategies as st

from g2p_batch.formats.entries import ENTRIES
from g2p_batch.formats.kind import Expected, Problem
from g2p_batch.formats.lexicon import LEXICON, WriteOptions
from g2p_batch.formats.registry import FORMATS

PLAIN = WriteOptions()
PHONE_LINE_FORMATS = ("mfa", "mfa-prob", "kaldi", "kaldi-prob", "icefall", "sherpa")
"""Their lines are a word and its phones, in any language."""


class Row(NamedTuple):
    word: str
    pron: str
    phones: list[str] | None
    rank: int = 1
    logprob: float | None = -0.5
    lang: str = "eng-us"
    asked: str | None = None


def batch(rows: Iterable[Row]) -> pa.RecordBatch:
    """Return rows of schema `LEXICON`."""
    rows = list(rows)
    columns = {name: [getattr(row, name) for row in rows] for name in Row._fields}
    columns |= {
        "source": ["model"] * len(rows),
        "status": ["ok"] * len(rows),
        "input_row": list(range(1, len(rows) + 1)),
    }
    return pa.record_batch([pa.array(columns[f.name], f.type) for f in LEXICON], schema=LEXICON)


def lexeme(word: str, *variants: str, lang: str = "eng-us", logprobs: Iterable[float | None] = ()) -> list[Row]:
    """Return a word with variants whose phones are given with blanks between them."""
    scores = [*logprobs] or [-0.5 * rank for rank in range(1, len(variants) + 1)]
    return [
        Row(word, text.replace(" ", ""), text.split(), rank, score, lang)
        for rank, (text, score) in enumerate(zip(variants, scores, strict=True), 1)
    ]


def golden(lang: str | None = None) -> list[Row]:
    """Return the golden words, a character a phone, in bytewise order of words."""
    lines = (Path(__file__).parents[2] / "golden/bundled/words.tsv").read_text(encoding="utf-8").splitlines()[1:]
    cells = [line.split("\t") for line in lines]
    rows = [
        Row(word, pron, [*pron.replace("ˈ", "").replace("ˌ", "").replace(" ", "")], 1, float(logprob), tag)
        for tag, word, pron, logprob, _ in cells
        if lang in (None, tag)
    ]
    return sorted(rows, key=lambda row: (row.lang, row.word.encode()))


def accepted(name: str, rows: pa.RecordBatch, options: WriteOptions = PLAIN) -> pa.RecordBatch:
    """Leave out what a format refuses."""
    kind = FORMATS[name]
    held = rows.filter(kind.refuse(rows, options).is_null())
    return held if kind.repeats is None else held.filter(kind.repeats()(held, options).is_null())


def reasons(name: str, rows: Iterable[Row], options: WriteOptions = PLAIN) -> list[str | None]:
    refusals: list[str | None] = FORMATS[name].refuse(batch(rows), options).to_pylist()
    return refusals


def write(name: str, rows: Iterable[Row], path: Path, options: WriteOptions = PLAIN, each: int = 1000) -> Path:
    """Write rows, so many a batch."""
    whole = batch(rows)
    FORMATS[name].write([whole.slice(at, each) for at in range(0, max(len(whole), 1), each)], path, options)
    return path


def problems(name: str, path: Path, expected: Expected | None = None) -> list[Problem]:
    return list(FORMATS[name].validate(path, expected or Expected()))


def entries(name: str, path: Path) -> list[tuple[str, str, list[str] | None]]:
    """Read a file, and return word, pronunciation and phones."""
    batches = list(FORMATS[name].read(path))
    assert all(one.schema == ENTRIES for one in batches)
    rows = [row for one in batches for row in one.to_pylist() if row["passed_over"] is None]
    return [(row["word"], row["pron"], row["phones"]) for row in rows]


NASTY_WORDS = (
    *("[LAUGHTER]", "\uff1cunk\uff1e", "<sil>", "a(b)", ";;", "a|b"),
    *("a b", " ", " a", "a ", "(x)", "a(2)", "(2)", "#", "#0", "#1", "# c", "a #b", "\u00a0", "a\u00a0b", "\u3000x"),
    *('"', "''", "<eps>", "<s>", "</s>", "!SIL", "<UNK>", "<unk>", "[laughter]", ";;;", ";;; x", "1", "0.5", "\ufeffa"),
    *(
        "שלום",
        "مرحبا",
        "e\u0301",
        "é",
        "\u0301",
        "´",
        "ﬁ",
        "a,b",
        "a\\b",
        "a&b<c>d",
        "]]>",
        "&amp;",
        "\u200d",
        "A",
        "a",
    ),
    *(
        "\x7f",
        "\x85",
        "a\tb",
        "a\nb",
        "a\rb",
        "\x00",
        "\u2028",
        "\ufffe",
        "\U0001f600",
        "_",
        "a_b",
        "-",
        "word",
        "lang",
    ),
)
NASTY_PHONES = (
    *("a", "b", "tʃ", "ã", "1", "1:", "1̃", "0.5", "1.0x", "٣.٥", "sil", "spn", "SIL", "SPN", "#", "#0", "#x", "a_B"),
    *("<eps>", "", " ", "a b", "\u00a0", "_B", "AA1", "AH0", "K", ",", "&", "<", '"', "\\", "\ufeff", "\ufffe", "ˈa"),
)

words = (
    st.sampled_from(NASTY_WORDS)
    | st.text("aA1#(2)<>&\"'\\;,_ \t\u00a0\u0301שé\ufeff", min_size=1, max_size=6)
    | st.text("aAb(2)é\u0301ש", min_size=1, max_size=3)
)
phones = (
    st.lists(st.sampled_from(("a", "tʃ", "ã", "ˈa")), min_size=1, max_size=2)
    | st.lists(st.sampled_from(NASTY_PHONES), min_size=1, max_size=3)
    | st.sampled_from(([], None))
)
logprobs = st.none() | st.floats(-20, 0, width=32)
variants = st.lists(st.tuples(phones, logprobs), min_size=1, max_size=4)


@st.composite
def nasty_rows(draw: st.DrawFn) -> list[Row]:
    """Words in bytewise order, each with all its variants."""
    lexicon = draw(st.dictionaries(words, variants, max_size=6))
    return [
        Row(word, "".join(phones_ or ()), phones_, rank, logprob)
        for word in sorted(lexicon, key=str.encode)
        for rank, (phones_, logprob) in enumerate(lexicon[word], 1)
    ]


MFA_SKIPS = {"<eps>", "<unk>", "<cutoff>", "[bracketed]", "[laughter]", "<s>", "</s>"}
"""Words of MFA's own."""


def mfa_reads(content: str) -> Iterator[tuple[str, float | None, tuple[str, ...]]]:
    """Read as MFA does, stricter: whatever it takes silently and wrong is an error too."""
    number = re.compile(r"\b(\d+\.\d+|1)\b")
    for line in re.split("\r\n|\r|\n", content):
        if not line.strip():
            continue
        word, *rest = line.split()
        numbers = []
        while rest and len(numbers) < 4 and number.match(rest[0]):
            numbers.append(float(rest.pop(0)))
        assert rest, f"{line!r} has no pronunciation"
        assert len(numbers) < 2, f"{line!r} has a phone that is taken for a probability"
        assert all(0.01 <= value <= 1 for value in numbers)
        assert not {"sil", "spn"} & {*rest}
        name = unicodedata.normalize("NFKC", word)
        assert name.split() == [name]
        assert name.lower() not in MFA_SKIPS
        yield name, numbers[0] if numbers else None, tuple(rest)
