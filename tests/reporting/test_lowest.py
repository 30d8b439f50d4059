"""The lowest-scored words do not depend on parts, and are few."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from g2p_batch.formats.lexicon import LEXICON
from g2p_batch.reporting.lowest import Lowest


def rows_of(words: list[tuple[str, str, float | None]]) -> pa.Table:
    """Return rows of schema `LEXICON`: language, word and score."""
    langs, spelt, scores = zip(*words, strict=True) if words else ((), (), ())
    count = len(words)
    columns = {
        "word": spelt,
        "lang": langs,
        "rank": [1] * count,
        "pron": spelt,
        "phones": [None] * count,
        "logprob": scores,
        "source": ["model"] * count,
        "status": ["ok"] * count,
        "asked": [None] * count,
        "input_row": range(count),
    }
    return pa.table({name: pa.array(columns[name], LEXICON.field(name).type) for name in LEXICON.names}, LEXICON)


WORDS = st.lists(
    st.tuples(
        st.sampled_from(["fra", "ger", "zz"]),
        st.text("abc", min_size=1, max_size=3),
        st.one_of(st.none(), st.sampled_from([0.0, -0.5, -1.0, -2.5, float("nan")])),
    ),
    max_size=40,
)


@given(st.lists(WORDS, max_size=5), st.integers(1, 6))
def test_the_lowest_are_the_same_in_whatever_parts_words_come(
    parts: list[list[tuple[str, str, float | None]]], most: int
) -> None:
    lowest = Lowest(most)
    for part in parts:
        lowest.add(rows_of(part))
    scored = [(score, lang, word) for part in parts for lang, word, score in part if score is not None and score <= 0]
    by_language = {tag: sorted(one for one in scored if one[1] == tag)[:most] for tag in ("fra", "ger", "zz")}

    def listed(rows: pa.Table) -> list[tuple[float, str, str]]:
        return [(row["logprob"], row["lang"], row["word"]) for row in rows.to_pylist()]

    assert {tag: listed(lowest.of(tag)) for tag in by_language} == by_language
    assert listed(lowest.overall()) == sorted(scored)[:most]


def test_many_words_leave_few_in_memory() -> None:
    lowest, before = Lowest(50), pa.total_allocated_bytes()
    for start in range(0, 200_000, 20_000):
        words = [(("fra", "ger")[i % 2], f"w{i}", float(-i)) for i in range(start, start + 20_000)]
        lowest.add(rows_of(words))
    assert lowest.kept == 100
    assert pa.total_allocated_bytes() - before < 100_000
