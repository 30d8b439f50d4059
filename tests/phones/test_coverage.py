"""Phone lists, and the phones that are not in them."""

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from g2p_batch.errors import InputError
from g2p_batch.phones import PHONES, PhoneSet, coverage, read_phone_set

KNOWN = PhoneSet(Path("phones.txt"), frozenset({"a", "t"}))


@pytest.mark.parametrize(
    ("text", "phones"),
    [
        ("a\nt͡ʃ\n", {"a", "t͡ʃ"}),
        ("\ufeffa\r\n\r\nt\r\n", {"a", "t"}),
        ("<eps> 0\na 1\nt 2\n#0 3\n", {"<eps>", "a", "t", "#0"}),
        ("_ 0\n  3\na\t16\n", {"_", "a"}),
    ],
)
def test_a_list_is_one_phone_a_line_or_the_first_column(tmp_path, text, phones):
    path = tmp_path / "tokens.txt"
    path.write_bytes(text.encode())
    assert read_phone_set(path) == PhoneSet(path, frozenset(phones))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\n \n", "lists no phones: write one a line"),
        (b"a\n\xff\n", "is not UTF-8 at byte 2: save it as UTF-8"),
        (None, "cannot be read as a list of phones: No such file or directory; name a file that exists"),
    ],
)
def test_a_file_that_is_no_list_is_an_error(tmp_path, content, message):
    path = tmp_path / "tokens.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_phone_set(path)
    assert str(error.value) == f"{path} {message}"


def test_phones_outside_are_counted_the_most_frequent_first_and_their_rows_marked():
    phones = pa.array([["a", "t"], ["x", "a", "y"], [], ["x"], ["t", "b"]], PHONES)
    found = coverage(phones, KNOWN)
    assert list(found.outside.items()) == [("x", 2), ("b", 1), ("y", 1)]
    assert found.rows.to_pylist() == [False, True, False, True, True]


@given(st.lists(st.lists(st.sampled_from("atxyz"), max_size=5), max_size=8), st.integers(0, 8))
def test_counts_and_rows_agree_with_the_phones_of_any_slice(rows, start):
    found = coverage(pa.array(rows, PHONES).slice(start), KNOWN)
    outside = [[phone for phone in row if phone not in KNOWN.phones] for row in rows[start:]]
    assert found.outside == Counter(phone for row in outside for phone in row)
    assert found.rows.to_pylist() == [bool(row) for row in outside]
