"""The Montreal Forced Aligner: the dictionary parser of its package, without the parts that need Kaldi."""

import __future__

import ast
import importlib.util
import re
import typing
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.awkward import LANGUAGES, held, real, refused, said
from tests.helpers.lexicons import lexeme, problems, write

pytestmark = pytest.mark.clients


@cache
def package() -> Path:
    """Return the folder of the package, which cannot be imported without Kaldi."""
    found = importlib.util.find_spec("montreal_forced_aligner")
    if found is None or found.origin is None:
        pytest.skip("needs MFA's package: pip install --no-deps montreal-forced-aligner")
    return Path(found.origin).parent


def function(module: str, name: str, names: dict[str, Any]) -> Callable[..., Any]:
    """Return a function or method of the package by its source alone, with what it takes from its module."""
    tree = ast.parse((package() / module).read_text(encoding="utf-8"))
    defined = next(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name)
    defined.decorator_list = []
    exec(compile(ast.Module([defined], []), module, "exec", __future__.annotations.compiler_flag), names)
    found: Callable[..., Any] = names[name]
    return found


def parsed(path: Path) -> Iterator[tuple[str, list[str], float | None]]:
    """Yield word, phones and probability as MFA's own function does."""
    names = {"re": re, "typing": typing, "unicodedata": unicodedata, "Path": Path, "DictionaryError": ValueError}
    opened = {"mfa_open": lambda path: path.open(encoding="utf-8")}
    for word, phones, probability, *_ in function("utils.py", "parse_dictionary_file", names | opened)(path):
        yield word, [*phones], probability


def specials() -> set[str]:
    """Return the words that MFA skips, for an aligner with its defaults."""

    class Aligner:
        silence_word, oov_word, cutoff_word = "<eps>", "<unk>", "<cutoff>"
        bracketed_word, laughter_word = "[bracketed]", "[laughter]"

    found = function("dictionary/mixins.py", "specials_set", {})(Aligner())
    return {*found}


@pytest.mark.parametrize(("name", "probability"), [("mfa", None), ("mfa-prob", 1.0)])
@pytest.mark.parametrize("lang", LANGUAGES)
def test_it_parses_every_word_that_the_format_holds(
    tmp_path: Path, name: str, probability: float | None, lang: str
) -> None:
    rows = held(name, real(lang))
    assert len(rows) > 80
    found = list(parsed(write(name, rows, tmp_path / "words.dict")))
    expected = [(unicodedata.normalize("NFKC", word), phones, probability) for word, phones in said(rows)]
    assert found == expected
    assert not {word.lower() for word, _, _ in found} & specials()


def test_what_it_skips_is_refused_and_found(tmp_path: Path) -> None:
    words = [spelt for word in specials() for spelt in (word, word.upper(), word.replace("<", "\uff1c"))]
    rows = [row for word in sorted({*words}) for row in lexeme(word, "a")]
    assert refused("mfa", "reserved_word", rows) == rows
    path = write("mfa", rows, tmp_path / "words.dict")
    assert {word.lower() for word, _, _ in parsed(path)} == specials()
    assert [one.what for one in problems("mfa", path)] == [f"has the reserved word {row.word}" for row in rows]


def test_variants_have_their_probabilities(tmp_path: Path) -> None:
    rows = lexeme("read", "ɹ iː d", "ɹ ɛ d", logprobs=(-0.5, -1.25))
    assert list(parsed(write("mfa-prob", rows, tmp_path / "words.dict"))) == [
        ("read", ["ɹ", "iː", "d"], 1.0),
        ("read", ["ɹ", "ɛ", "d"], 0.47),
    ]
