"""Texts that are asked for words, and the answers of words from those of their parts."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from g2p_batch.model.progress import Silent
from g2p_batch.storage.tables import with_columns
from g2p_batch.words.asking import ask, texts_of
from g2p_batch.words.filter import WORDS
from g2p_batch.words.spelling import SEPARATOR
from tests.helpers.fake_engine import SHAPES, Echo, FakeEngine
from tests.helpers.fake_model import CONTRACT
from tests.helpers.runs import Recorder

ANSWERS = Echo({"<fra>: ca": b"k\xc9a", "<fra>: bla": "blablablabla", "<fra>: sto": "x" * 200})
PARTS = replace(CONTRACT, languages=("fra", "ger"))


def table(*rows: tuple[str, str, str | None]) -> pa.Table:
    words, langs, asked = zip(*rows, strict=True)
    columns = {"row": range(len(rows)), "word": words, "lang": langs, "asked": asked, "src_bytes": [60] * len(rows)}
    arrays = {name: pa.array(column, WORDS.field(name).type) for name, column in columns.items()}
    whole = with_columns(pa.table(arrays), WORDS)
    return whole.cast(WORDS)


WORDS_OF_PARTS = table(
    ("New York", "fra", f"new{SEPARATOR}york"),
    ("new", "fra", None),
    ("NEW", "fra", "new"),
    ("new", "ger", None),
    ("Ça-sto", "fra", f"ca{SEPARATOR}sto"),
    ("bla", "fra", None),
    ("York-York", "fra", f"york{SEPARATOR}york"),
)


def test_each_text_is_asked_once_a_language() -> None:
    texts = texts_of(WORDS_OF_PARTS, PARTS)
    assert texts.table.to_pylist() == [
        {"word": word, "lang": lang, "src_bytes": len(word) + 7}
        for lang, word in [
            ("fra", "new"),
            ("fra", "york"),
            ("ger", "new"),
            ("fra", "ca"),
            ("fra", "sto"),
            ("fra", "bla"),
        ]
    ]
    assert texts.which.tolist() == [0, 1, 0, 0, 2, 3, 4, 5, 1, 1]
    assert texts.starts.tolist() == [0, 2, 3, 4, 5, 7, 8, 10]


def test_a_word_has_the_answers_of_its_parts_end_to_end() -> None:
    progress = Recorder()
    said = ask(WORDS_OF_PARTS, PARTS, lambda: FakeEngine(ANSWERS, SHAPES), 1, progress)
    assert said.pron.to_pylist() == ["newyork", "new", "new", "new", "ka" + "x" * 128, "blablablabla", "yorkyork"]
    assert said.truncated.tolist() == [False, False, False, False, True, False, False]
    assert said.invalid_utf8.tolist() == [False, False, False, False, True, False, False]
    assert said.repeated.tolist() == [False, False, False, False, True, True, False]
    alone = ask(table(("york", "fra", None)), PARTS, lambda: FakeEngine(ANSWERS, SHAPES), 1, Silent())
    assert said.logprob[0] == pytest.approx(said.logprob[1] + alone.logprob[0])
    assert said.logprob[6] == np.float32(alone.logprob[0] + alone.logprob[0])
    assert (progress.told[0], progress.told[-1], progress.advanced()) == (("start", 7), ("close", 0), 7)


def test_answers_do_not_depend_on_the_company_of_a_word() -> None:
    whole = ask(WORDS_OF_PARTS, PARTS, lambda: FakeEngine(ANSWERS, SHAPES), 1, Silent())
    for row in range(len(WORDS_OF_PARTS)):
        one = ask(WORDS_OF_PARTS.slice(row, 1), PARTS, lambda: FakeEngine(ANSWERS, SHAPES), 1, Silent())
        assert (one.pron[0], one.logprob[0]) == (whole.pron[row], whole.logprob[row])
