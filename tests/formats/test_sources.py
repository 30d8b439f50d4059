"""Lexicons of other tools, which are read and not written."""

from pathlib import Path

import pytest

from g2p_batch.errors import InputError
from g2p_batch.formats.kind import Expected
from g2p_batch.formats.registry import READABLE

NOT_SEQUITUR = "is not a word, index and posterior or neither, and phones, with tabs between them"
READ: dict[str, tuple[str, list[tuple[str, str, list[str] | None, float | None]]]] = {
    "wikipron": (
        "xin chào\ts i n t͡ɕ aː w\nlà\tl aː\nlà\tl a\n",
        [
            ("xin chào", "sint͡ɕaːw", ["s", "i", "n", "t͡ɕ", "aː", "w"], None),
            ("là", "laː", ["l", "aː"], None),
            ("là", "la", ["l", "a"], None),
        ],
    ),
    "ipa-dict": (
        "a\t/ˈeɪ/, /ə/\nan hour\t/ən ˈaʊɝ/\n一\t[i˥]\n",
        [
            ("a", "ˈeɪ", None, None),
            ("a", "ə", None, None),
            ("an hour", "ən ˈaʊɝ", None, None),
            ("一", "i˥", None, None),
        ],
    ),
    "phonetisaurus": (
        "read\t11.24\tɹ iː d\nread\t13.1\tɹ ɛ d\nred\tɹ ɛ d\nxyz\t3\t\n",
        [
            ("read", "ɹiːd", ["ɹ", "iː", "d"], None),
            ("read", "ɹɛd", ["ɹ", "ɛ", "d"], None),
            ("red", "ɹɛd", ["ɹ", "ɛ", "d"], None),
            ("xyz", "", [], None),
        ],
    ),
    "sequitur": (
        "read\t0\t0.75\tɹ iː d\nread\t1\t0.25\tɹ ɛ d\nred\tɹ ɛ d\n",
        [
            ("read", "ɹiːd", ["ɹ", "iː", "d"], 0.75),
            ("read", "ɹɛd", ["ɹ", "ɛ", "d"], 0.25),
            ("red", "ɹɛd", ["ɹ", "ɛ", "d"], None),
        ],
    ),
}


@pytest.mark.parametrize("name", READ)
def test_what_other_tools_write_is_read_with_posteriors_and_without_costs(tmp_path: Path, name: str) -> None:
    text, expected = READ[name]
    (tmp_path / "x").write_text(text, encoding="utf-8")
    rows = [row for batch in READABLE[name].read(tmp_path / "x") for row in batch.to_pylist()]
    assert [(row["word"], row["pron"], row["phones"], row["prob"]) for row in rows] == expected
    assert [row["line"] for row in rows if row["word"] != "a"][-1] == text.count("\n")


@pytest.mark.parametrize(
    ("name", "line", "what"),
    [
        ("wikipron", "a", "has 0 tabs, not one between word and phones"),
        ("wikipron", "a\tb\tc", "has 2 tabs, not one between word and phones"),
        ("wikipron", "a\t", "gives a no pronunciation"),
        ("wikipron", "\tb", "has no word"),
        ("ipa-dict", "a\tb", "is not a word, a tab and pronunciations in slashes, commas between them"),
        ("ipa-dict", "a\t/b", "is not a word, a tab and pronunciations in slashes, commas between them"),
        ("phonetisaurus", "a\tx\tb", "is not a word, a cost or none, and phones, with tabs between them"),
        ("phonetisaurus", "a\t1\t", "gives a no pronunciation"),
        ("sequitur", "a\t0.5\tb", "is not a word, index and posterior or neither, and phones, with tabs between them"),
        (
            "sequitur",
            "a\t0\t1.5\tb",
            "is not a word, index and posterior or neither, and phones, with tabs between them",
        ),
        (
            "sequitur",
            "a\tx\t0.5\tb",
            "is not a word, index and posterior or neither, and phones, with tabs between them",
        ),
    ],
)
def test_what_breaks_their_rules_is_named_by_line(tmp_path: Path, name: str, line: str, what: str) -> None:
    good = READ[name][0].splitlines()[0]
    (tmp_path / "x").write_text(f"{good}\n{line}\n", encoding="utf-8")
    problems = list(READABLE[name].validate(tmp_path / "x", Expected()))
    assert [(problem.line, problem.what) for problem in problems] == [(2, what)]
    if "no pronunciation" not in what:
        with pytest.raises(InputError, match="x, line 2: "):
            list(READABLE[name].read(tmp_path / "x"))


@pytest.mark.parametrize("name", READ)
def test_what_is_right_passes(tmp_path: Path, name: str) -> None:
    (tmp_path / "x").write_text(READ[name][0].replace("xyz\t3\t\n", ""), encoding="utf-8")
    assert list(READABLE[name].validate(tmp_path / "x", Expected())) == []
