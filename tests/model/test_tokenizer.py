"""The codec against plain Python bytes."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from g2p_batch.model.ids import BYTE_OFFSET, EOS, PAD
from g2p_batch.model.tokenizer import detokenize, tokenize

WORDS = ["hello", "Straße", "việt nam", "ประเทศ", "北京", "ἄνθρωπος", "שלום", "a", "𐎠𐎡", "नमस्ते"]
IPA = [
    "həˈloʊ",
    "ˈʃtʁaːsə",
    "viət̚˧˨ʔ naːm˧˧",
    "pra˨˩.tʰeːt̚˥˩",
    "pei̯˨˩˦t͡ɕiŋ˥",
    "án.tʰrɔː.pos",
    "",
    "a",
    "ˈŋǃʰu",
    "nə.məs.t̪eː",
]

ids_of_bytes = st.integers(BYTE_OFFSET, BYTE_OFFSET + 255)


def expected_ids(texts: list[str]) -> tuple[list[list[int]], list[int]]:
    rows = [[byte + 3 for byte in text.encode()] for text in texts]
    width = max(map(len, rows), default=0)
    return [row + [0] * (width - len(row)) for row in rows], [len(row) for row in rows]


def expected_text(row: list[int]) -> tuple[str, bool]:
    row = row[: row.index(1)] if 1 in row else row
    octets = bytes(i - 3 for i in row if 3 <= i < 259)
    try:
        return octets.decode(), False
    except UnicodeDecodeError:
        return octets.decode(errors="ignore"), True


def check_tokenize(words: list[str], prefixes: list[str]) -> None:
    ids, lengths = tokenize(pa.array(words, pa.string()), pa.array(prefixes, pa.string()))
    rows, counts = expected_ids([prefix + word for prefix, word in zip(prefixes, words, strict=True)])
    assert ids.dtype == lengths.dtype == np.int32
    assert ids.shape == (len(words), max(counts, default=0))
    assert ids.tolist() == rows
    assert lengths.tolist() == counts


def check_detokenize(rows: list[list[int]], width: int) -> None:
    texts, invalid = detokenize(np.array(rows, np.int32).reshape(len(rows), width))
    expected = [expected_text(row) for row in rows]
    assert texts.type == pa.string()
    assert texts.null_count == 0
    assert texts.to_pylist() == [text for text, _ in expected]
    assert invalid.dtype == np.bool_
    assert invalid.tolist() == [bad for _, bad in expected]


def test_ids_are_bytes_plus_three_without_end_of_sequence() -> None:
    ids, lengths = tokenize(pa.array(["né"]), pa.array(["<fra>: "]))
    assert ids.tolist() == [[63, 105, 117, 100, 65, 61, 35, 113, 198, 172]]
    assert lengths.tolist() == [10]
    assert EOS not in ids
    assert PAD not in ids


@pytest.mark.parametrize("prefix", ["", "<eng-us>: ", "<eng-us>:"])
def test_words_of_every_script_become_their_bytes(prefix: str) -> None:
    check_tokenize(WORDS, [prefix] * len(WORDS))


def test_each_word_gets_its_own_prefix() -> None:
    check_tokenize(["pain", "pain", "Brot"], ["<fra>: ", "<eng-us>: ", "<ger>: "])


def test_no_words_give_an_empty_matrix() -> None:
    check_tokenize([], [])
    check_detokenize([], 0)
    check_detokenize([], 7)


def test_slices_and_large_strings_are_read_from_their_own_start() -> None:
    words, prefixes = pa.array(WORDS), pa.array(["<x>: "] * len(WORDS), pa.large_string())
    sliced, _ = tokenize(words.slice(3, 4), prefixes.slice(3, 4))
    assert sliced.tolist() == expected_ids(["<x>: " + word for word in WORDS[3:7]])[0]


@given(st.lists(st.tuples(st.text(max_size=12), st.sampled_from(["", "<por-bz>: ", "<zho-s>:"])), max_size=12))
def test_tokenize_agrees_with_python_bytes(pairs: list[tuple[str, str]]) -> None:
    check_tokenize([word for word, _ in pairs], [prefix for _, prefix in pairs])


def test_pronunciations_come_back_as_they_went_in() -> None:
    ids, lengths = tokenize(pa.array(IPA), pa.array([""] * len(IPA)))
    ended = np.pad(ids, ((0, 0), (0, 1)))
    ended[np.arange(len(IPA)), lengths] = EOS
    texts, invalid = detokenize(ended)
    assert texts.to_pylist() == IPA
    assert not invalid.any()


@pytest.mark.parametrize(
    ("row", "text", "invalid"),
    [
        ([100, 101, EOS, 102], "ab", False),
        ([EOS, 100, 101, 102], "", False),
        ([100, 101, 102, 103], "abcd", False),
        ([0, 2, 100, 0], "a", False),
        ([259, 100, 383, EOS], "a", False),
        ([0xC9 + 3, 0x99 + 3, EOS, 0], "ə", False),
        ([0xC9 + 3, EOS, 0x99 + 3, 0], "", True),
        ([100, 0xC9 + 3, 101, EOS], "ab", True),
        ([0xED + 3, 0xA0 + 3, 0x80 + 3, EOS], "", True),
        ([0xC0 + 3, 0x80 + 3, 100, EOS], "a", True),
        ([0xF4 + 3, 0x90 + 3, 0x80 + 3, 0x80 + 3], "", True),
        ([0xEF + 3, 0xBF + 3, 0xBD + 3, EOS], "\N{REPLACEMENT CHARACTER}", False),
    ],
    ids=[
        "ends before EOS",
        "nothing before EOS",
        "no EOS",
        "pad and unknown are dropped",
        "sentinels are dropped",
        "two bytes are one letter",
        "a letter cut by EOS",
        "a lead byte alone",
        "a surrogate",
        "an overlong form",
        "past the last code point",
        "a replacement character is text",
    ],
)
def test_outputs_are_read_like_this(row: list[int], text: str, invalid: bool) -> None:
    check_detokenize([row], 4)
    texts, flags = detokenize(np.array([row], np.int32))
    assert (texts.to_pylist(), flags.tolist()) == ([text], [invalid])


def test_an_invalid_row_leaves_its_neighbours_alone() -> None:
    rows = [[*(byte + 3 for byte in b"ka\xc9\x99t"), EOS], [100, 0xC9 + 3, 101, 0x99 + 3, 102, EOS], [EOS] * 6]
    texts, invalid = detokenize(np.array(rows, np.int32))
    assert texts.to_pylist() == ["kaət", "abc", ""]
    assert invalid.tolist() == [False, True, False]


def test_letters_split_between_rows_are_invalid_in_both() -> None:
    check_detokenize([[0xC9 + 3], [0x99 + 3]], 1)


@given(st.data(), st.integers(0, 9))
def test_detokenize_agrees_with_python_bytes(data: st.DataObject, width: int) -> None:
    tokens = st.one_of(ids_of_bytes, st.integers(0, 383), st.sampled_from([EOS, PAD]))
    check_detokenize(data.draw(st.lists(st.lists(tokens, min_size=width, max_size=width), max_size=6)), width)


@given(st.lists(st.text(max_size=8), min_size=1, max_size=8))
def test_any_text_survives_a_round_trip(texts: list[str]) -> None:
    ids, _ = tokenize(pa.array(texts, pa.string()), pa.array([""] * len(texts), pa.string()))
    back, invalid = detokenize(ids)
    assert back.to_pylist() == texts
    assert not invalid.any()
