"""Columns of Parquet files."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.helpers.word_lists import failure, rows


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.dictionary(pa.int32(), pa.string())]
)
def test_parquet_text_of_every_type_is_read(tmp_path, kind):
    words = pa.array(["hello", None, "süß"]).cast(pa.string())
    table = pa.table({"id": [1, 2, 3], "word": words.cast(kind), "lang": ["eng-us", "eng-us", None]})
    pq.write_table(table, tmp_path / "words.parquet")
    expected = [("hello", "eng-us", None), (None, "eng-us", None), ("süß", None, None)]
    assert rows(tmp_path / "words.parquet") == expected
    assert rows(tmp_path / "words.parquet", lang="ger") == [(word, "ger", None) for word, _, _ in expected]
    assert rows(tmp_path / "words.parquet", batch_rows=1) == expected


def test_a_parquet_string_that_is_no_utf8_is_one_bad_row(tmp_path):
    raw = pa.array([b"hello", b"caf\xe9", b"ok"], pa.binary())
    words = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    pq.write_table(pa.table({"word": words}), tmp_path / "words.parquet")
    expected = [("hello", "fra", None), ("caf\ufffd", "fra", "invalid_utf8"), ("ok", "fra", None)]
    assert rows(tmp_path / "words.parquet", lang="fra") == expected


def test_a_parquet_column_of_numbers_is_an_error(tmp_path):
    path = tmp_path / "words.parquet"
    pq.write_table(pa.table({"word": [1, 2]}), path)
    assert failure(path, lang="ger") == f"{path} has int64, not text, in its column 'word': write it as strings"
