"""`G2P` on a model without a compiler: lists, tables, and what becomes of odd rows."""

import pickle
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import g2p_batch
from g2p_batch import G2P, Predictor
from g2p_batch.api import supported_tag
from g2p_batch.errors import InputError, UnknownLanguageError, UsageError
from g2p_batch.formats.lexicon import STATUSES
from g2p_batch.model.contract import load_contract
from g2p_batch.model.shipped import BUNDLED
from g2p_batch.words.filter import REASONS
from tests.helpers.fake_engine import FakeEngine, logprob_of
from tests.helpers.fake_model import ANSWERS, CONTRACT, FakeArtifact, FakeManifest, Opened, install

COMPOSED, DECOMPOSED = "\u00e9t\u00e9", "e\u0301te\u0301"


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Opened]:
    return install(monkeypatch, tmp_path / "model")


@pytest.fixture
def g2p(opened: list[Opened]) -> G2P:
    return G2P()


def test_a_list_gives_a_list_in_its_order(g2p: G2P) -> None:
    assert g2p(["world", "hello", "world"], lang="eng-us") == ["world", "həˈloʊ", "world"]
    assert g2p(("hello",), "en-US") == ["həˈloʊ"]
    assert g2p([], lang="fra") == []


def test_an_iterator_is_read_once(g2p: G2P) -> None:
    words = ["hello", "eau"]
    assert g2p(iter(words), lang="fra") == g2p(words, lang="fra")


def test_words_of_a_list_that_cannot_be_pronounced_are_empty_and_cost_no_other(g2p: G2P) -> None:
    words = ["", "a\tb", "x" * 65, "\ud800", "hello"]
    assert g2p(words, lang="eng-us") == ["", "", "", "", "həˈloʊ"]


def test_spellings_of_one_word_get_the_same_pronunciation(g2p: G2P) -> None:
    words = [DECOMPOSED, " " + COMPOSED, COMPOSED, f"{DECOMPOSED}\t", "h", COMPOSED]
    assert g2p(words, lang="fra") == ["ete", "ete", "ete", "ete", "", "ete"]


def text(rows: list[bytes | None]) -> pa.Array:
    """Strings that Arrow has not checked."""
    octets = pa.array(rows, pa.binary())
    return pa.StringArray.from_buffers(len(octets), octets.buffers()[1], octets.buffers()[2], octets.buffers()[0])


ROWS: list[tuple[bytes | None, str | None, str | None, str]] = [
    (b"hello", "eng-us", "həˈloʊ", "ok"),
    (DECOMPOSED.encode(), "fra", "ete", "ok"),
    (COMPOSED.encode(), "fr-FR", "ete", "ok"),
    (b"hello", "fra", "hello", "ok"),
    (b"h", "fra", "", "empty"),
    (b"ca", "ron", "ka", "invalid_utf8"),
    (b"caf\xe9", "fra", None, "invalid_utf8"),
    ("caf\N{REPLACEMENT CHARACTER}".encode(), "fra", "caf\N{REPLACEMENT CHARACTER}", "ok"),
    (None, "fra", None, "empty"),
    (b"  ", "fra", None, "empty"),
    (b"a\x00b", "fra", None, "control_character"),
    (b"hello", "cmn", None, "unknown_language"),
    (b"hello", "fin", None, "unknown_language"),
    (b"hello", None, None, "unknown_language"),
    (b"x" * 65, "fra", None, "too_long"),
    (b"hello", "eng-us", "həˈloʊ", "ok"),
]


def test_a_table_keeps_its_rows_and_columns_and_gains_four(g2p: G2P) -> None:
    table = pa.table(
        {
            "number": range(len(ROWS)),
            "lang": pa.array([lang for _, lang, _, _ in ROWS]).dictionary_encode(),
            "word": text([word for word, _, _, _ in ROWS]),
        }
    )
    answered = g2p(table)
    assert answered.schema.names == ["number", "lang", "word", "pron", "logprob", "status", "asked"]
    assert answered.schema.types[3:] == [pa.string(), pa.float32(), pa.string(), pa.string()]
    assert answered.select(["number", "lang"]).equals(table.select(["number", "lang"]))
    assert list(zip(answered["pron"].to_pylist(), answered["status"].to_pylist(), strict=True)) == [
        (pron, status) for _, _, pron, status in ROWS
    ]
    assert answered["logprob"].is_valid().to_pylist() == [pron is not None for _, _, pron, _ in ROWS]
    assert {status for _, _, _, status in ROWS} <= {*STATUSES, *REASONS}


def test_log_probability_is_that_of_the_whole_pronunciation(g2p: G2P) -> None:
    answered = g2p(pa.table({"word": ["hello"], "lang": ["eng-us"]}))
    tokens = len("həˈloʊ".encode()) + 1
    expected = np.sum([logprob_of(b"<eng-us>: hello", at) for at in range(tokens)], dtype=np.float32)
    assert answered["logprob"].to_pylist() == pytest.approx([float(expected)])


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
)
def test_every_kind_of_text_is_read(g2p: G2P, kind: pa.DataType) -> None:
    table = pa.table({"word": pa.array(["hello", None]).cast(kind), "lang": pa.array(["eng-us", "fra"]).cast(kind)})
    assert g2p(table)["pron"].to_pylist() == ["həˈloʊ", None]


def test_tables_in_chunks_slices_and_without_rows_work(g2p: G2P) -> None:
    part = pa.table({"word": ["x", "hello", "y"], "lang": ["fra", "eng-us", "fra"]})
    table = pa.concat_tables([part.slice(1), part.slice(0, 0), part])
    assert g2p(table)["pron"].to_pylist() == ["həˈloʊ", "y", "x", "həˈloʊ", "y"]
    assert g2p(part.slice(0, 0)).schema.names == ["word", "lang", "pron", "logprob", "status", "asked"]
    nothing = pa.table({"word": pa.nulls(2), "lang": pa.nulls(2)})
    assert g2p(nothing)["status"].to_pylist() == ["empty", "empty"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pa.table({"word": ["a"]}), "the table has no columns lang among ['word']: give it one"),
        (
            pa.Table.from_arrays([pa.array(["a"])] * 3, names=["word", "lang", "word"]),
            "the table has 2 columns word among ['word', 'lang', 'word']: give it one",
        ),
        (pa.table({"word": [1], "lang": ["fra"]}), "the column word holds int64, not text: cast it to string"),
        (
            pa.table({"word": ["a"], "lang": ["fra"], "status": [1]}),
            "the table has a column status already: rename or drop it",
        ),
    ],
)
def test_a_table_of_another_shape_is_refused(g2p: G2P, table: pa.Table, message: str) -> None:
    with pytest.raises(InputError) as caught:
        g2p(table)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("hello", "fra"), "words is of type str: give a list of strings"),
        ((3, "fra"), "words is of type int: give a list of strings"),
        ((["a", 1.5], "fra"), "words[1] is of type float: give a list of strings"),
        ((["a"],), "say the language of the words: G2P(...)(words, lang='eng-us'), or one for each word"),
        ((["a"], 3), "say the language of the words: G2P(...)(words, lang='eng-us'), or one for each word"),
        (
            (pa.table({"word": ["a"], "lang": ["fra"]}), "fra"),
            "a table says its languages in its column lang: leave out the argument lang",
        ),
    ],
)
def test_a_wrong_call_says_how_to_call(g2p: G2P, arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        g2p(*arguments)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("lang", "message"),
    [
        ("cmn", "did you mean zho-s"),
        ("fin", "the model fake was not trained on fin (Finnish) but on eng-us, fra, grc, ron"),
    ],
)
def test_an_unknown_language_argument_is_an_error(g2p: G2P, lang: str, message: str) -> None:
    with pytest.raises(UnknownLanguageError) as caught:
        g2p(["hello"], lang=lang)
    assert message in str(caught.value)


@pytest.mark.parametrize(("lang", "tag"), [("fra", "fra"), ("fr", "fra"), ("EN_us", "eng-us")])
def test_languages_go_by_tag_and_by_code(lang: str, tag: str) -> None:
    assert supported_tag(lang, CONTRACT) == tag


def test_the_arguments_say_which_model_is_opened(opened: list[Opened], tmp_path: Path) -> None:
    g2p = G2P(tmp_path, dtype="float32", target_config="cpu.toml", workers=3)
    assert opened == [Opened(str(tmp_path), "cpu", "float32", Path("cpu.toml"))]
    assert g2p.contract == CONTRACT
    with pytest.raises(UsageError, match="workers is 'two': give a whole number of at least 1"):
        G2P(workers="two")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="workers is 0: give a whole number of at least 1"):
        G2P(workers=0)


@pytest.mark.parametrize("workers", [1, 3])
def test_calls_from_several_threads_do_not_meet(opened: list[Opened], workers: int) -> None:
    g2p = G2P(workers=workers)
    lists = [[f"{letter * (i % 30 + 1)}{i}" for i in range(50)] for letter in "abcd"]
    answers: dict[int, list[str]] = {}
    threads = [
        threading.Thread(target=lambda i=i: answers.update({i: g2p(lists[i], "fra")})) for i in range(len(lists))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answers[i] for i in range(len(lists))] == lists


def test_words_of_several_languages_may_be_one_list(g2p: G2P) -> None:
    assert g2p(["hello", "hello", "h"], lang=["en-US", "fra", "fra"]) == ["həˈloʊ", "hello", ""]
    assert g2p([], lang=[]) == []
    with pytest.raises(UsageError, match="there are 2 words and 1 languages: give one for each word, or one"):
        g2p(["a", "b"], lang=["fra"])
    with pytest.raises(UnknownLanguageError, match="no language has the tag 'klingon'"):
        g2p(["a", "b"], lang=["fra", "klingon"])


def test_engines_are_kept_between_calls_and_one_a_core_by_default(
    opened: list[Opened], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    monkeypatch.setattr("g2p_batch.api.usable_cores", lambda: 3)
    monkeypatch.setattr(FakeArtifact, "engine", lambda _self: made.append(1) or FakeEngine(ANSWERS))
    g2p, words = G2P(), [f"{'abcdefghij'[i % 10] * (i % 37 + 1)}{i}" for i in range(200)]
    for _ in range(3):
        assert g2p(words, "fra") == words
    assert len(made) == 3


def test_words_are_spelt_as_on_the_command_line(opened: list[Opened], monkeypatch: pytest.MonkeyPatch) -> None:
    contract = replace(CONTRACT, alphabets=load_contract(BUNDLED).alphabets)
    monkeypatch.setattr(FakeArtifact, "manifest", FakeManifest(contract))
    words = ["“Hello,”", "New York", "hello🙂", "1984", "hello"]
    table = pa.table({"word": words, "lang": ["eng-us"] * 5})
    answered = [
        ("həˈloʊ", "ok", "hello"),
        ("newyork", "ok", "new york"),
        ("həˈloʊ", "unseen_character", "hello"),
        (None, "no_known_letter", None),
        ("həˈloʊ", "ok", None),
    ]
    assert list(zip(*(G2P()(table)[name].to_pylist() for name in ("pron", "status", "asked")), strict=True)) == answered
    assert G2P(spelling="off")(words, "eng-us") == ["“Hello,”", "New York", "hello🙂", "", "həˈloʊ"]
    assert G2P(unseen="reject")(words, "eng-us") == ["həˈloʊ", "newyork", "", "", "həˈloʊ"]


@pytest.mark.parametrize("option", ["normalize", "spelling", "unseen"])
def test_options_have_values_that_are_named(opened: list[Opened], option: str) -> None:
    wrong: Any = {option: "sometimes"}
    with pytest.raises(UsageError, match=f"{option} is 'sometimes': give one of "):
        G2P(**wrong)


def test_a_predictor_says_where_to_decode(opened: list[Opened]) -> None:
    Predictor("a-device", device="cpu")(pa.table({"word": ["h"], "lang": ["fra"]}))
    assert opened == [Opened("a-device", "cpu", "float32")]
    with pytest.raises(UsageError, match="--device gpu is neither cpu nor cuda"):
        Predictor("a-device", device="gpu")(pa.table({"word": ["h"], "lang": ["fra"]}))


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, g2p_batch; print(sorted({'numpy', 'pyarrow', 'duckdb', 'tvm_ffi', 'click'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_package_exports_g2p_and_its_version() -> None:
    assert g2p_batch.__all__ == ["G2P", "Predictor", "__version__"]
    assert g2p_batch.__version__.split(".")[0].isdigit()
    with pytest.raises(AttributeError, match="module 'g2p_batch' has no attribute 'g2p'"):
        _ = g2p_batch.g2p


def test_a_predictor_answers_like_g2p_and_opens_one_engine(opened: list[Opened], g2p: G2P) -> None:
    table = pa.table({"word": ["hello", "", "h"], "lang": ["eng-us", "fra", "fra"], "id": [3, 1, 2]})
    first, second = Predictor("model-of-this-test"), pickle.loads(pickle.dumps(Predictor("model-of-this-test")))
    opened.clear()
    assert first(table).to_pylist() == second(table).to_pylist() == g2p(table).to_pylist()
    assert [model.name for model in opened] == ["model-of-this-test"]


def test_a_predictor_maps_batches_as_spark_hands_them(opened: list[Opened], g2p: G2P) -> None:
    table = pa.table({"word": ["hello", "h", "world"] * 3, "lang": ["eng-us", "fra", "eng-us"] * 3})
    batches = table.to_batches(max_chunksize=4)
    assert len(batches) == 3
    answered = list(Predictor("spark").batches(iter([*batches, batches[0].slice(0, 0)])))
    assert all(isinstance(batch, pa.RecordBatch) for batch in answered)
    assert answered[0].schema.names == ["word", "lang", "pron", "logprob", "status", "asked"]
    assert pa.Table.from_batches(answered).to_pylist() == g2p(table).to_pylist()


def test_threads_that_share_a_predictor_take_turns(opened: list[Opened]) -> None:
    predictor = Predictor("threads")
    table = pa.table({"word": [f"word{i}" for i in range(40)], "lang": ["fra"] * 40})
    answers: list[pa.Table] = []
    threads = [threading.Thread(target=lambda: answers.append(predictor(table))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer["pron"].to_pylist() for answer in answers] == [table["word"].to_pylist()] * 4
    assert len(opened) == 1


def test_several_pronunciations_come_with_their_probabilities() -> None:
    assert G2P(variants=3, workers=1)(["read"], "eng-us") == [[("ˈɹid", None), ("ˈɹɛd", None)]]  # the dictionary's
    g2p = G2P(variants=3, workers=1, dictionary=False)
    read, nothing, number = g2p(["read", "", "1"], "eng-us")
    assert [pron for pron, _ in read[:2]] == ["ˈɹid", "ˈɹɛd"]
    assert (len(read), nothing, number) == (2, [], [])
    probs = [prob for _, prob in read]
    assert probs == sorted(probs, reverse=True)
    assert 0.9 < sum(probs) <= 1
    row = g2p(pa.table({"word": ["read"], "lang": ["eng-us"]})).to_pylist()[0]
    assert [(one["pron"], one["prob"]) for one in row["variants"]] == read
    assert (row["pron"], row["status"]) == ("ˈɹid", "ok")
    with pytest.raises(InputError, match="has a column variants already"):
        g2p(pa.table({"word": ["a"], "lang": ["eng-us"], "variants": [1]}))
    with pytest.raises(UsageError, match="33 variants cannot be had"):
        G2P(variants=33)
