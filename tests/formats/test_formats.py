"""Lexicon rows and their writers, to the byte."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from g2p_batch.errors import UsageError
from g2p_batch.formats.lexicon import LEXICON, STATUSES, WriteOptions, entries
from g2p_batch.formats.registry import FORMATS, format_for
from g2p_batch.formats.tsv import write_rejects
from g2p_batch.model.threaded import Answers

WORDS = [
    ("hello", "eng-us", "həˈloʊ", -0.25),
    ('"ngā"', "mri", 'ŋa"ː', -1.5),
    ("việt nam", "vie-n", "viət̚˧˨ʔ naːm˧˧", -0.0625),
    ("台灣", "nan", "tai̯⁵⁵⁻³³uan²⁴", -3.0),
    ("h", "fra", "", -0.5),
]


def answers(prons: list[str], **flags: list[bool]) -> Answers:
    no = [False] * len(prons)
    return Answers(
        pa.array(prons, pa.string()),
        np.arange(len(prons), dtype=np.float32) * np.float32(-0.5),
        np.array(flags.get("truncated", no)),
        np.array(flags.get("invalid_utf8", no)),
        np.array(flags.get("repeated", no)),
    )


def word_table(words: list[tuple[str, str]]) -> pa.Table:
    return pa.table(
        {
            "word": pa.array([word for word, _ in words], pa.string()),
            "lang": pa.array([lang for _, lang in words], pa.string()),
            "row": pa.array(range(1, len(words) + 1), pa.int64()),
            "asked": pa.nulls(len(words), pa.string()),
            "doubt": pa.nulls(len(words), pa.string()),
        }
    )


def lexicon() -> pa.RecordBatch:
    said = Answers(
        pa.array([pron for *_, pron, _ in WORDS]),
        np.array([logprob for *_, logprob in WORDS], np.float32),
        np.array([False, False, False, True, False]),
        np.zeros(5, np.bool_),
        np.zeros(5, np.bool_),
    )
    return entries(word_table([(word, lang) for word, lang, *_ in WORDS]), said)


def written(name: str, path: Path, options: WriteOptions, batches: list[pa.RecordBatch] | None = None) -> bytes:
    FORMATS[name].write([lexicon()] if batches is None else batches, path, options)
    return path.read_bytes()


def test_rows_have_every_column_of_the_schema() -> None:
    rows = lexicon()
    assert rows.schema == LEXICON
    assert rows.to_pylist()[0] == {
        "word": "hello",
        "lang": "eng-us",
        "rank": 1,
        "pron": "həˈloʊ",
        "phones": None,
        "logprob": -0.25,
        "source": "model",
        "status": "ok",
        "asked": None,
        "input_row": 1,
    }
    assert rows["status"].to_pylist() == ["ok", "ok", "ok", "truncated", "empty"]
    assert rows["input_row"].to_pylist() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("pron", "truncated", "invalid_utf8", "kept", "status"),
    [
        ("ˈkæt", False, False, "ˈkæt", "ok"),
        ("", False, False, "", "empty"),
        ("k\tæt", False, False, "kæt", "invalid"),
        ("kæt\n", False, False, "kæt", "invalid"),
        ("\r\n", False, False, "", "invalid"),
        ("k\x00æ\x1ft\x7f\x85", False, False, "kæt", "invalid"),
        ("k\u2028æ\u2029t", False, False, "kæt", "invalid"),
        ("naːm naːm", False, False, "naːm naːm", "ok"),
        ("\u200dkæt\u00a0", False, False, "\u200dkæt\u00a0", "ok"),
        ("kæ", True, False, "kæ", "truncated"),
        ("kæ", False, True, "kæ", "invalid_utf8"),
        ("k\tæ", True, True, "kæ", "truncated"),
        ("\t", False, True, "", "invalid_utf8"),
    ],
)
def test_an_output_becomes_this_pronunciation_and_status(
    pron: str, truncated: bool, invalid_utf8: bool, kept: str, status: str
) -> None:
    said = answers([pron, "o"], truncated=[truncated, False], invalid_utf8=[invalid_utf8, False])
    rows = entries(word_table([("cat", "eng-us"), ("eau", "fra")]), said)
    assert list(zip(rows["pron"].to_pylist(), rows["status"].to_pylist(), strict=True)) == [(kept, status), ("o", "ok")]
    assert status in STATUSES


def test_no_words_make_no_rows() -> None:
    rows = entries(word_table([]), answers([]))
    assert rows.schema == LEXICON
    assert rows.num_rows == 0


def test_tsv_is_three_columns_without_quoting(tmp_path: Path) -> None:
    assert written("tsv", tmp_path / "lexicon.tsv", WriteOptions()).decode() == (
        "word\tlang\tpron\n"
        "hello\teng-us\thəˈloʊ\n"
        '"ngā"\tmri\tŋa"ː\n'
        "việt nam\tvie-n\tviət̚˧˨ʔ naːm˧˧\n"
        "台灣\tnan\ttai̯⁵⁵⁻³³uan²⁴\n"
        "h\tfra\t\n"
    )


def test_tsv_with_scores_adds_log_probability_and_status(tmp_path: Path) -> None:
    assert written("tsv", tmp_path / "lexicon.tsv", WriteOptions(scores=True)).decode() == (
        "word\tlang\tpron\tlogprob\tstatus\tasked\n"
        "hello\teng-us\thəˈloʊ\t-0.25\tok\t\n"
        '"ngā"\tmri\tŋa"ː\t-1.5\tok\t\n'
        "việt nam\tvie-n\tviət̚˧˨ʔ naːm˧˧\t-0.0625\tok\t\n"
        "台灣\tnan\ttai̯⁵⁵⁻³³uan²⁴\t-3\ttruncated\t\n"
        "h\tfra\t\t-0.5\tempty\t\n"
    )


def test_tsv_scores_read_back_as_the_same_float32(tmp_path: Path) -> None:
    batch = lexicon()
    values = np.array([-0.1, -1 / 3, -123.456, -1e-9, -2.5e-38], np.float32)
    batch = batch.set_column(5, LEXICON.field("logprob"), pa.array(values))
    lines = written("tsv", tmp_path / "lexicon.tsv", WriteOptions(scores=True), [batch]).decode().splitlines()[1:]
    assert [np.float32(line.split("\t")[3]) for line in lines] == values.tolist()


def test_tsv_batches_follow_one_another_and_empty_ones_leave_no_trace(tmp_path: Path) -> None:
    whole = written("tsv", tmp_path / "whole.tsv", WriteOptions(scores=True))
    rows = lexicon()
    parts = [rows.slice(0, 2), rows.slice(0, 0), rows.slice(2, 1), rows.slice(3)]
    assert written("tsv", tmp_path / "parts.tsv", WriteOptions(scores=True), parts) == whole
    assert written("tsv", tmp_path / "none.tsv", WriteOptions(), []) == b"word\tlang\tpron\n"


def test_parquet_reads_back_with_types_metadata_and_compression(tmp_path: Path) -> None:
    provenance = {"g2p-batch.tool": "g2p-batch 0.1.0", "g2p-batch.prefix": "space"}
    path = tmp_path / "lexicon.parquet"
    written("parquet", path, WriteOptions(provenance=provenance))
    table = pq.read_table(path)
    assert table.schema.equals(LEXICON)
    assert table.to_pylist() == lexicon().to_pylist()
    file = pq.ParquetFile(path)
    assert {key.decode(): value.decode() for key, value in file.schema_arrow.metadata.items()} == provenance
    assert {file.metadata.metadata[key.encode()].decode() for key in provenance} == set(provenance.values())
    assert {file.metadata.row_group(0).column(i).compression for i in range(file.metadata.num_columns)} == {"ZSTD"}


def test_parquet_of_no_words_still_has_its_schema(tmp_path: Path) -> None:
    written("parquet", tmp_path / "none.parquet", WriteOptions(), [])
    assert pq.read_table(tmp_path / "none.parquet").schema.equals(LEXICON)


def test_rejects_keep_one_line_each_whatever_the_word_holds(tmp_path: Path) -> None:
    rejects = pa.table(
        {
            "row": pa.array([1, 4, 5, 9, 12, 13], pa.int64()),
            "lang": pa.array(["eng-us", None, "cmn", "eng-us", "grc", "eng\tus"], pa.string()),
            "word": pa.array(["", "hi", "北京", "a\tb\nc\x00\x85\u2028d", None, "\\n"], pa.string()),
            "reason": pa.array(
                ["empty", "unknown_language", "unknown_language", "control_character", "empty", "unknown_language"]
            ),
        }
    )
    write_rejects(rejects.to_batches(), tmp_path / "rejects.tsv")
    assert (tmp_path / "rejects.tsv").read_bytes().decode() == (
        "row\tlang\tword\treason\n"
        "1\teng-us\t\tempty\n"
        "4\t\thi\tunknown_language\n"
        "5\tcmn\t北京\tunknown_language\n"
        "9\teng-us\ta\\tb\\nc\\x00\\x85\\u2028d\tcontrol_character\n"
        "12\tgrc\t\tempty\n"
        "13\teng\\tus\t\\n\tunknown_language\n"
    )


def test_no_rejects_are_a_header(tmp_path: Path) -> None:
    write_rejects([], tmp_path / "rejects.tsv")
    assert (tmp_path / "rejects.tsv").read_bytes() == b"row\tlang\tword\treason\n"


@pytest.mark.parametrize(
    ("path", "name", "expected"),
    [
        ("lexicon.tsv", None, "tsv"),
        ("Lexicon.TSV", None, "tsv"),
        ("a.b.parquet", None, "parquet"),
        ("lexicon.txt", "tsv", "tsv"),
        ("lexicon.tsv", "parquet", "parquet"),
        ("lexicon", "parquet", "parquet"),
        ("lexicon.dict", None, "mfa"),
        ("lexicon.pls", None, "pls"),
        ("lexicon.jsonl", None, "jsonl"),
        ("lexicon.dict", "cmudict", "cmudict"),
    ],
)
def test_the_name_or_else_the_suffix_chooses_the_format(path: str, name: str | None, expected: str) -> None:
    assert format_for(Path(path), name).name == expected


NAMES = "tsv, charsiu, parquet, jsonl, mfa, mfa-prob, kaldi, kaldi-prob, kaldi-dict, icefall, sherpa, cmudict or pls"


@pytest.mark.parametrize(
    ("path", "name", "message"),
    [
        (
            "lexicon.txt",
            None,
            "lexicon.txt does not tell its format: end it in .tsv, .parquet, .jsonl, .dict or .pls, or give --format "
            f"{NAMES}",
        ),
        (
            "lexicon",
            None,
            "lexicon does not tell its format: end it in .tsv, .parquet, .jsonl, .dict or .pls, or give --format "
            f"{NAMES}",
        ),
        ("lexicon.tsv", "xls", f"there is no format 'xls': choose {NAMES}"),
    ],
)
def test_an_unknown_format_is_a_usage_error(path: str, name: str | None, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        format_for(Path(path), name)
    assert str(caught.value) == message


def test_every_format_is_found_by_its_name_and_by_its_suffix() -> None:
    assert FORMATS
    for name, known in FORMATS.items():
        assert known.name == name
        assert format_for(Path("x"), name) is known
        if known.suffix:
            assert format_for(Path("x" + known.suffix)) is known


def test_tsv_has_phones_beside_pronunciations_if_they_are_asked_for(tmp_path: Path) -> None:
    rows = lexicon().slice(0, 1)
    phones = pa.array([["h", "ə", "ˈl", "oʊ"]], LEXICON.field("phones").type)
    rows = rows.set_column(LEXICON.names.index("phones"), LEXICON.field("phones"), phones)
    said = written("tsv", tmp_path / "lexicon.tsv", WriteOptions(phones=True, scores=True), [rows])
    assert said.decode() == (
        "word\tlang\tpron\tphones\tlogprob\tstatus\tasked\nhello\teng-us\thəˈloʊ\th ə ˈl oʊ\t-0.25\tok\t\n"
    )
