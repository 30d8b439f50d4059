"""TSV, JSON lines and Parquet: columns that hold every word."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from g2p_batch.errors import InputError
from g2p_batch.formats.kind import Expected
from g2p_batch.formats.lexicon import WriteOptions
from g2p_batch.formats.registry import FORMATS
from tests.helpers.lexicons import Row, accepted, batch, entries, golden, lexeme, nasty_rows, problems, reasons, write

READ = [*lexeme("read", "ɹ iː d", "ɹ ɛ d"), Row('a "b" \\', "", None, 1, None, "fra")]


def test_jsonl_is_an_object_a_row(tmp_path: Path) -> None:
    assert write("jsonl", READ, tmp_path / "x.jsonl", each=2).read_text(encoding="utf-8") == (
        '{"word": "read", "lang": "eng-us", "rank": 1, "pron": "ɹiːd", "phones": ["ɹ", "iː", "d"]}\n'
        '{"word": "read", "lang": "eng-us", "rank": 2, "pron": "ɹɛd", "phones": ["ɹ", "ɛ", "d"]}\n'
        '{"word": "a \\"b\\" \\\\", "lang": "fra", "rank": 1, "pron": "", "phones": null}\n'
    )


def test_jsonl_with_scores_adds_log_probability_and_status(tmp_path: Path) -> None:
    path = write("jsonl", READ, tmp_path / "x.jsonl", WriteOptions(scores=True))
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [(row["logprob"], row["status"]) for row in rows] == [(-0.5, "ok"), (-1.0, "ok"), (None, "ok")]
    assert rows[2]["word"] == 'a "b" \\'


@pytest.mark.parametrize("name", ["tsv", "jsonl", "parquet"])
@settings(max_examples=100, deadline=None)
@given(rows=nasty_rows(), each=st.integers(1, 4))
def test_what_is_accepted_passes_and_reads_back(
    tmp_path_factory: pytest.TempPathFactory, name: str, rows: list[Row], each: int
) -> None:
    fields = accepted(name, batch(rows)).to_pylist()
    some = [Row(*(row[field] for field in Row._fields)) for row in fields]
    clean = [row for row in some if not {"\t", "\n", "\r"} & {*row.pron}]
    path = write(name, clean, tmp_path_factory.mktemp("nasty") / "lexicon", each=each)
    assert problems(name, path, Expected(lang="eng-us")) == []
    assert entries(name, path) == [
        (row.word, row.pron, None if name == "tsv" else row.phones) for row in clean if row.pron
    ]


@settings(max_examples=100, deadline=None)
@given(rows=nasty_rows())
def test_every_json_line_is_json(tmp_path_factory: pytest.TempPathFactory, rows: list[Row]) -> None:
    some = accepted("jsonl", batch(rows))
    path = tmp_path_factory.mktemp("json") / "x.jsonl"
    FORMATS["jsonl"].write([some], path, WriteOptions())
    read = [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]
    assert [row["word"] for row in read] == some["word"].to_pylist()
    assert [row["phones"] for row in read] == some["phones"].to_pylist()


def test_only_control_characters_in_words_are_refused() -> None:
    rows = [*lexeme("a\tb", "a"), *lexeme("a\u2028", "a"), *lexeme(" #\u00a0", "a"), Row("b", "", None)]
    assert reasons("tsv", rows) == ["control_character", "control_character", None, None]
    assert reasons("jsonl", rows) == reasons("tsv", rows)
    assert reasons("parquet", rows) == [None] * 4


@pytest.mark.parametrize("name", ["tsv", "jsonl", "parquet"])
def test_the_golden_words_pass(tmp_path: Path, name: str) -> None:
    rows = golden()
    assert reasons(name, rows) == [None] * len(rows)
    path = write(name, rows, tmp_path / "lexicon", WriteOptions(scores=True), each=100)
    assert problems(name, path) == []
    assert [(word, pron) for word, pron, _ in entries(name, path)] == [(row.word, row.pron) for row in rows]


LANG = Expected(lang="fra")


@pytest.mark.parametrize(
    ("name", "content", "expected", "found"),
    [
        ("tsv", b"", Expected(), [(0, "has no header")]),
        ("tsv", b"word\tlang\n", Expected(), [(1, "names no column pron")]),
        ("tsv", b"word\tpron\na\tb\nc\n", Expected(), [(3, "has 1 cells, not 2")]),
        ("tsv", b"word\tpron\n\tb\n", Expected(), [(2, "has no word")]),
        ("tsv", b"word\tpron\na\t\xe9\n", Expected(), [(2, "is not UTF-8")]),
        ("tsv", b"word\tpron\na\tb\n", LANG, [(1, "names no column lang")]),
        ("tsv", b"word\tlang\tpron\na\tfra\tb\na\tger\tb\n", LANG, [(3, "is of the language ger, not fra")]),
        ("tsv", b"\xef\xbb\xbfword\tpron\r\na\tb\r\n", Expected(), []),
        ("jsonl", b'{"word": "a", "pron": "b"}\n', Expected(), []),
        ("jsonl", b"[]\n\n{\n", Expected(), [(at, "is no JSON object") for at in (1, 2, 3)]),
        ("jsonl", b'{"word": "", "pron": 1}\n', Expected(), [(1, "has no text pron"), (1, "has an empty word")]),
        ("jsonl", b'{"word": "a", "pron": "b", "lang": 1}\n', Expected(), [(1, "has a lang that is no text")]),
        (
            "jsonl",
            b'{"word": "a", "pron": "b", "phones": ["b", 1]}\n',
            Expected(),
            [(1, "has phones that are no list of texts")],
        ),
        ("jsonl", b'{"word": "\\ud800", "pron": "b"}\n', Expected(), [(1, "holds half of a surrogate pair")]),
        ("jsonl", b'{"word": "a", "pron": "\xff"}\n', Expected(), [(1, "is not UTF-8")]),
        ("jsonl", b'{"word": "a", "pron": "b"}\n', LANG, [(1, "is of the language None, not fra")]),
    ],
)
def test_a_validator_finds_this(
    tmp_path: Path, name: str, content: bytes, expected: Expected, found: list[tuple[int, str]]
) -> None:
    (tmp_path / "lexicon").write_bytes(content)
    assert [(one.line, one.what) for one in problems(name, tmp_path / "lexicon", expected)] == found


def parquet_file(path: Path, **columns: pa.Array) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


NOT_UTF8 = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xe9")])


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ({"word": pa.array(["a"])}, [(0, "has no column pron"), (0, "has no column lang")]),
        (
            {"word": pa.array([1]), "pron": pa.array(["b"]), "lang": pa.array(["fra"])},
            [(0, "has int64, not text, in its column word")],
        ),
        (
            {"word": pa.array(["a", None, ""]), "pron": pa.array(["b", "", None]), "lang": pa.array(["fra"] * 3)},
            [(2, "has no word"), (3, "has no word"), (3, "has no pron")],
        ),
        (
            {"word": NOT_UTF8, "pron": pa.array(["b"]), "lang": pa.array(["ger"])},
            [(1, "has a word that is not UTF-8"), (1, "is not of the language fra")],
        ),
        (
            {"word": pa.array(["a"]), "pron": pa.array(["b"]), "lang": pa.array(["fra"]), "phones": pa.array(["b"])},
            [(0, "has string, not lists of text, in its column phones")],
        ),
        (
            {"word": pa.array(["a"]), "pron": pa.array(["b"]), "lang": pa.array(["fra"]), "rank": pa.array(["1"])},
            [(0, "has string, not whole numbers, in its column rank")],
        ),
    ],
)
def test_a_parquet_file_is_checked_by_column_and_row(
    tmp_path: Path, columns: dict[str, pa.Array], found: list[tuple[int, str]]
) -> None:
    path = parquet_file(tmp_path / "x.parquet", **columns)
    assert [(one.line, one.what) for one in problems("parquet", path, LANG)] == found


def test_parquet_of_others_is_read(tmp_path: Path) -> None:
    path = parquet_file(
        tmp_path / "x.parquet",
        pron=pa.array(["b", "c", "", None], pa.large_string()),
        word=pa.array(["a", "a", "d", "e"]).dictionary_encode(),
        rank=pa.array([1, 2, 1, 1], pa.int64()),
    )
    rows = [row for one in FORMATS["parquet"].read(path) for row in one.to_pylist()]
    assert [(row["word"], row["pron"], row["rank"], row["lang"], row["phones"]) for row in rows[:2]] == [
        ("a", "b", 1, None, None),
        ("a", "c", 2, None, None),
    ]
    assert [(row["line"], row["passed_over"]) for row in rows] == [
        (1, None),
        (2, None),
        (3, "no_pronunciation"),
        (4, "no_pronunciation"),
    ]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"word": pa.array(["a"])}, "has no column pron: write the columns word and pron as text"),
        ({"word": pa.array([None], pa.string()), "pron": pa.array(["b"])}, "has rows without a word: leave them out"),
        ({"word": NOT_UTF8, "pron": pa.array(["b"])}, "cannot be read (In column 0: Invalid: Invalid UTF8"),
    ],
)
def test_parquet_that_cannot_be_read_is_an_error(tmp_path: Path, columns: dict[str, pa.Array], message: str) -> None:
    path = parquet_file(tmp_path / "x.parquet", **columns)
    with pytest.raises(InputError) as caught:
        entries("parquet", path)
    assert str(caught.value).startswith(f"{path} {message}")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tsv", b"a\tb\n", "line 1: is no header with word and pron: is this a lexicon of format charsiu?"),
        ("tsv", b"word\tpron\na\n", "line 2: 1 cells, not 2 as in the header"),
        ("jsonl", b"{}\n", "line 1: has no text word: write objects with word and pron"),
        ("jsonl", b"x\n", "line 1: is no JSON object: write objects with word and pron"),
        (
            "jsonl",
            b'{"word": "a", "pron": "b", "phones": ["\\ud800"]}\n',
            "line 1: holds half of a surrogate pair: write objects with word and pron",
        ),
    ],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / "lexicon"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        entries(name, path)
    assert str(caught.value) == f"{path}, {message}"


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_is_absent_or_damaged_is_an_error(tmp_path: Path, name: str) -> None:
    damaged = tmp_path / "damaged"
    damaged.write_bytes(gzip.compress(b"a b\n" * 1000)[:-9])
    for path in (tmp_path / "absent", damaged):
        with pytest.raises(InputError, match=path.name):
            entries(name, path)
        with pytest.raises(InputError, match=path.name):
            problems(name, path)
