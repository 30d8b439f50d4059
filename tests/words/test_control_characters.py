"""Control characters found by bytes, against the classes of Unicode."""

import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from g2p_batch.words.control_characters import has_control

MARKS = st.sampled_from("\0\x1f \x7f\x80\x85\x9f\xa0\xc2\u2027\u2028\u2029\u202a\u20a8a")


def classes(text: str) -> set[str]:
    return {unicodedata.category(mark) for mark in text}


@pytest.mark.parametrize(("separators", "wanted"), [(False, {"Cc"}), (True, {"Cc", "Zl", "Zp"})])
@settings(deadline=None)
@given(texts=st.lists(st.none() | st.text(MARKS) | st.text(), max_size=8), skip=st.integers(0, 2))
def test_control_characters_are_those_of_unicode(
    separators: bool, wanted: set[str], texts: list[str | None], skip: int
) -> None:
    found = has_control(pa.array(texts, pa.string()).slice(skip), separators)
    assert found.dtype == np.bool_
    assert found.tolist() == [bool(classes(text or "") & wanted) for text in texts[skip:]]


def test_every_character_is_judged_by_its_class() -> None:
    every = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    found = has_control(pa.array(every), separators=True)
    assert [mark for mark, has in zip(every, found, strict=True) if has] == [
        mark for mark in every if unicodedata.category(mark) in {"Cc", "Zl", "Zp"}
    ]
