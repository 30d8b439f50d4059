"""sherpa-onnx: a voice whose sound is the tokens that its front end hands to the model."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.awkward import AWKWARD, LANGUAGES, held, real, refused, said
from tests.helpers.lexicons import Row, lexeme, write

onnx: Any = pytest.importorskip("onnx", reason="needs onnx, of the extra `clients`")
sherpa: Any = pytest.importorskip("sherpa_onnx", reason="needs sherpa-onnx, of the extra `clients`")
pytestmark = pytest.mark.clients

HAN = re.compile("[\u4e00-\u9fff]{2,}")
CHINESE = {"language": "Chinese", "jieba": "1"}
"""What a voice says of itself that matches phrases."""


class Voice:
    """A voice with a lexicon, and with the tokens that its phones are."""

    def __init__(self, folder: Path, lexicon: Path, phones: Iterable[str], facts: dict[str, str] | None = None) -> None:
        self._names = [" ", *sorted({*phones})]
        tokens = "".join(f"{token} {number}\n" for number, token in enumerate(self._names))
        (folder / "tokens.txt").write_text(tokens, encoding="utf-8")
        _save_echo(folder / "model.onnx", {"language": "English"} | (facts or {}))
        files = {"model": folder / "model.onnx", "lexicon": lexicon, "tokens": folder / "tokens.txt"}
        vits = sherpa.OfflineTtsVitsModelConfig(**{name: str(path) for name, path in files.items()})
        self._voice = sherpa.OfflineTts(sherpa.OfflineTtsConfig(model=sherpa.OfflineTtsModelConfig(vits=vits)))

    def say(self, text: str) -> list[str]:
        return [self._names[round(sample)] for sample in self._voice.generate(text).samples]


def _save_echo(path: Path, facts: dict[str, str]) -> None:
    """Save a VITS model whose samples are the numbers of its tokens."""
    make, types = onnx.helper, onnx.TensorProto
    shapes = {"input": (types.INT64, [1, "N"]), "input_lengths": (types.INT64, [1]), "scales": (types.FLOAT, [3])}
    inputs = [make.make_tensor_value_info(name, *shape) for name, shape in shapes.items()]
    output = make.make_tensor_value_info("output", types.FLOAT, [1, 1, "N"])
    nodes = [
        make.make_node("Cast", ["input"], ["numbers"], to=types.FLOAT),
        make.make_node("Unsqueeze", ["numbers", "axis"], ["output"]),
    ]
    graph = make.make_graph(nodes, "echo", inputs, [output], [make.make_tensor("axis", types.INT64, [1], [1])])
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 13)], ir_version=8)
    for key, value in {"sample_rate": "16000", "n_speakers": "1", "comment": "coqui", **facts}.items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, path)


def voice_of(folder: Path, rows: list[Row], facts: dict[str, str] | None = None) -> Voice:
    lexicon = write("sherpa", rows, folder / "lexicon.txt")
    return Voice(folder, lexicon, (phone for row in rows for phone in row.phones or ()), facts)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_voice_says_every_word_as_it_was_written(tmp_path: Path, lang: str) -> None:
    rows = [row for row in held("sherpa", real(lang)) if not HAN.fullmatch(row.word)]
    assert len(rows) > 20
    voice = voice_of(tmp_path, rows)
    assert [(row.word, voice.say(row.word)) for row in rows] == said(rows)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_word_that_is_refused_is_never_said(tmp_path: Path, lang: str) -> None:
    rows = refused("sherpa", "never_said", real(lang))
    assert len(rows) > 20
    voice = voice_of(tmp_path, rows)
    assert [row.word for row in rows if voice.say(row.word) == row.phones] == []


def test_each_character_splits_words_or_does_not_as_the_rule_says(tmp_path: Path) -> None:
    characters = [*map(chr, (*range(0x21, 0x7F), *range(0xA1, 0x250))), *"αяشक’あ中"]
    rows = [lexeme(f"p{character}t", f"p a{number} t")[0] for number, character in enumerate(characters)]
    voice = voice_of(tmp_path, rows)
    one_case = {row.word.lower() if row.word.isascii() else row.word: row for row in reversed(rows)}
    spoken = {row.word for row in one_case.values() if voice.say(row.word) == row.phones}
    assert spoken == {row.word for row in held("sherpa", list(one_case.values()))}


def test_a_voice_of_chinese_finds_words_of_up_to_ten_characters(tmp_path: Path) -> None:
    words = ("中", "中国", "北京", "上海市", "時々", "重庆大学", "人山人海", "中" * 10)
    rows = [lexeme(word, f"p a{number}", lang="zho-s")[0] for number, word in enumerate(words)]
    assert held("sherpa", rows) == rows
    voice = voice_of(tmp_path, rows, CHINESE)
    assert [(row.word, voice.say(row.word)) for row in rows] == said(rows)
    long = lexeme("国" * 11, "p a")
    assert refused("sherpa", "never_said", long) == long
    assert voice_of(tmp_path, long, CHINESE).say(long[0].word) == []


def test_the_first_of_words_that_differ_in_case_is_said(tmp_path: Path) -> None:
    rows = lexeme("Polish", "p oʊ") + lexeme("polish", "p ɒ")
    assert voice_of(tmp_path, rows).say("polish") == ["p", "oʊ"]
    assert [row.word for row in held("sherpa", rows)] == ["Polish"]


def test_a_line_with_an_unknown_token_is_skipped(tmp_path: Path) -> None:
    rows = lexeme("ok", "ɔ kː") + lexeme("odd", "ɔ d")
    voice = Voice(tmp_path, write("sherpa", rows, tmp_path / "lexicon.txt"), ("ɔ", "kː"))
    assert [voice.say(word) for word in ("ok", "odd")] == [["ɔ", "kː"], []]


def test_the_awkward_words_are_of_both_kinds() -> None:
    kept = {row.word for row in held("sherpa", real("eng-us"))} & {*AWKWARD}
    assert {"don't", "'tis", "Straße", "中国", "%"} <= kept
    assert not {"x-ray", '"Ngā"', "a_b", "gęś", "?"} & kept
