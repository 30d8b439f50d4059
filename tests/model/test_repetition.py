"""Outputs that say a piece again and again."""

import re

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from g2p_batch.model.repetition import repeated


def found(prons: list[str], words: list[str] | None = None) -> list[bool]:
    return repeated(pa.array(prons, pa.large_string()), pa.array(words or [""] * len(prons))).tolist()


@pytest.mark.parametrize(
    ("pron", "word", "is_repeated"),
    [
        ("ɛmɝɹɹɹɹəs", "emerus", True),
        ("ɛmɝɹɹɹəs", "emerus", False),
        ("aaaa", "a", True),
        ("ˈlɑlɑlɑlɑ", "la", True),
        ("ˈlɑlɑlɑlɑ", "lalala", False),
        ("kikakakaka", "kikakakaka", False),
        ("abcdefghijabcdefghijabcdefghijabcdefghij", "x", True),
        ("nɔdəstrəktəblənɔdəstrəktəbləs", "x", False),
        ("", "x", False),
        ("ʃʃʃʃ", "ш", True),
        ("sss", "x", False),
    ],
)
def test_a_piece_said_four_times_is_a_loop_unless_the_word_repeats_itself(
    pron: str, word: str, is_repeated: bool
) -> None:
    assert found([pron], [word]) == [is_repeated]


def test_words_beside_one_another_are_no_loop() -> None:
    assert found(["ab", "ab", "ab", "ab", "a", "a", "a", "a", "aa", "aa"]) == [False] * 10


@given(st.lists(st.text(alphabet="aəˈ", max_size=12), max_size=20))
def test_the_same_is_found_by_a_regular_expression(prons: list[str]) -> None:
    assert found(prons) == [re.search(rb"(.{1,32}?)\1\1\1", pron.encode(), re.DOTALL) is not None for pron in prons]
