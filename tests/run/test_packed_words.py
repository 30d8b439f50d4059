"""Words with what is asked for them, as one text and back."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from g2p_batch.run.packed_words import packed, unpacked
from g2p_batch.storage.tables import with_columns
from g2p_batch.words.filter import WORDS

TEXT = st.text(st.characters(min_codepoint=32, exclude_categories=["Cc", "Cs"]), max_size=5)
ROWS = st.lists(st.tuples(TEXT, st.none() | TEXT, st.none() | st.sampled_from(["acronym", "unseen_character"])))


def table(rows: list[tuple[str, str | None, str | None]]) -> pa.RecordBatch:
    words, asked, doubt = zip(*rows, strict=True) if rows else ((), (), ())
    columns = {"word": words, "asked": asked, "doubt": doubt}
    arrays = {name: pa.array(column, pa.string()) for name, column in columns.items()}
    whole = with_columns(pa.table(arrays), WORDS).cast(WORDS)
    return whole.combine_chunks().to_batches()[0] if rows else pa.RecordBatch.from_pylist([], WORDS)


@given(ROWS)
def test_what_is_packed_is_unpacked(rows: list[tuple[str, str | None, str | None]]) -> None:
    found = unpacked(packed(table(rows)))
    wanted = [(word, None if asked == word else asked, doubt) for word, asked, doubt in rows]
    assert list(zip(*(column.to_pylist() for column in found), strict=True)) == wanted


def test_words_that_are_asked_the_same_are_adjacent() -> None:
    rows = [
        ("the", None, None),
        ("The", "the", None),
        ("THE", "the", "acronym"),
        ("the ", None, None),
        ("th", None, None),
    ]
    assert [word.split("\x1e")[0] for word in sorted(packed(table(rows)).to_pylist())] == [
        "th",
        "the",
        "the",
        "the",
        "the ",
    ]
