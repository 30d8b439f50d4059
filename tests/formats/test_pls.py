"""PLS documents, against ElementTree and the rules of the schema of PLS 1.0 stated anew."""

import xml.etree.ElementTree as ET
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from g2p_batch.errors import InputError, UsageError
from g2p_batch.formats.kind import Expected
from g2p_batch.formats.lexicon import WriteOptions
from g2p_batch.formats.registry import FORMATS
from g2p_batch.languages import LANGUAGES
from tests.helpers.lexicons import Row, accepted, batch, entries, golden, lexeme, nasty_rows, problems, reasons, write

NS = "{http://www.w3.org/2005/01/pronunciation-lexicon}"
LANG = "{http://www.w3.org/XML/1998/namespace}lang"
X_SAMPA = WriteOptions(alphabet="x-sampa")


def schema_accepts(path: Path) -> list[tuple[str, list[str]]]:
    """Assert what the schema of PLS asks of documents like ours, and return graphemes and phonemes."""
    root = ET.parse(path).getroot()
    assert root.tag == f"{NS}lexicon"
    assert root.keys() == ["version", "alphabet", LANG]
    assert (root.get("version"), root.get("alphabet") in ("ipa", "x-sampa")) == ("1.0", True)
    found = []
    for element in root:
        assert (element.tag, element.keys()) == (f"{NS}lexeme", [])
        assert [child.tag for child in element] == [f"{NS}grapheme", *[f"{NS}phoneme"] * (len(element) - 1)]
        texts = [child.text or "" for child in element]
        assert len(texts) > 1
        assert all(text.strip() for text in texts)
        found.append((texts[0], texts[1:]))
    return found


READ = [*lexeme("read", "ɹ iː d", "ɹ ɛ d", "ɹ iː d"), *lexeme("<a> & b", "a")]


@pytest.mark.parametrize("each", [1, 2, 100])
def test_a_document_has_a_lexeme_a_word(tmp_path: Path, each: int) -> None:
    path = write("pls", READ, tmp_path / "x.pls", each=each)
    assert path.read_text(encoding="utf-8") == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<lexicon version="1.0" xmlns="http://www.w3.org/2005/01/pronunciation-lexicon" alphabet="ipa" '
        'xml:lang="en-US">\n'
        "<lexeme><grapheme>read</grapheme><phoneme>ɹiːd</phoneme><phoneme>ɹɛd</phoneme></lexeme>\n"
        "<lexeme><grapheme>&lt;a&gt; &amp; b</grapheme><phoneme>a</phoneme></lexeme>\n"
        "</lexicon>\n"
    )
    assert problems("pls", path, Expected(lang="eng-us")) == []
    assert entries("pls", path) == [("read", "ɹiːd", None), ("read", "ɹɛd", None), ("<a> & b", "a", None)]


def test_a_language_that_only_a_model_has_is_named_as_it_is(tmp_path: Path) -> None:
    path = write("pls", [Row("a", "b", None, lang="xx1")], tmp_path / "x.pls")
    assert 'xml:lang="xx1"' in path.read_text(encoding="utf-8")


def test_documents_name_their_alphabet(tmp_path: Path) -> None:
    rows = [Row("cat", "k{t", None), Row("a & b", "a:&", None)]
    path = write("pls", rows, tmp_path / "x.pls", X_SAMPA)
    assert 'alphabet="x-sampa"' in path.read_text(encoding="utf-8")
    assert schema_accepts(path) == [("cat", ["k{t"]), ("a & b", ["a:&"])]
    assert problems("pls", path) == []


@pytest.mark.parametrize("tag", LANGUAGES)
def test_every_language_has_its_bcp_47_tag_and_is_checked_by_its_own(tmp_path: Path, tag: str) -> None:
    path = write("pls", lexeme("a", "a", lang=tag), tmp_path / "x.pls")
    assert ET.parse(path).getroot().get(LANG) == LANGUAGES[tag].bcp47
    assert problems("pls", path, Expected(lang=tag)) == []
    other = "fra" if tag != "fra" else "ger"
    assert problems("pls", path, Expected(lang=other)) != []


def test_no_rows_are_a_lexicon_of_no_known_language(tmp_path: Path) -> None:
    path = write("pls", [], tmp_path / "x.pls")
    assert ET.parse(path).getroot().get(LANG) == "und"
    assert schema_accepts(path) == []
    assert problems("pls", path) == []


@pytest.mark.parametrize("each", [1, 100])
def test_a_document_of_several_languages_is_refused(tmp_path: Path, each: int) -> None:
    rows = lexeme("a", "a") + lexeme("b", "b", lang="fra")
    with pytest.raises(UsageError, match="would be of several languages, and PLS has one: write a file for each"):
        write("pls", rows, tmp_path / "x.pls", each=each)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (Row("a", "", ["a"]), "no_pronunciation"),
        (Row("a", " ", ["a"]), "no_pronunciation"),
        (Row("a\x01", "a", None), "control_character"),
        (Row("a\nb", "a", None), "control_character"),
        (Row("\u00a0", "a", None), "blank_word"),
        (Row("a\ufffe", "a", None), "not_xml"),
        (Row("a", "a\uffff", None), "not_xml"),
        (Row("a <b> & c", "a", None), None),
    ],
)
def test_what_xml_cannot_hold_is_refused(row: Row, reason: str | None) -> None:
    assert reasons("pls", [row]) == [reason]


@settings(max_examples=100, deadline=None)
@given(rows=nasty_rows(), each=st.integers(1, 4))
def test_what_is_accepted_is_xml_that_says_the_same(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], each: int
) -> None:
    fields = accepted("pls", batch(rows)).to_pylist()
    some = [Row(*(row[field] for field in Row._fields)) for row in fields]
    path = write("pls", some, tmp_path_factory.mktemp("nasty") / "x.pls", each=each)
    assert problems("pls", path) == []
    expected = [(word, [*dict.fromkeys(row.pron for row in found)]) for word, found in groupby(some, lambda r: r.word)]
    assert schema_accepts(path) == expected
    assert [(word, pron) for word, pron, _ in entries("pls", path)] == [
        (w, pron) for w, prons in expected for pron in prons
    ]


@pytest.mark.parametrize("lang", sorted({row.lang for row in golden()}))
def test_the_golden_words_pass(tmp_path: Path, lang: str) -> None:
    rows = golden(lang)
    assert reasons("pls", rows) == [None] * len(rows)
    path = write("pls", rows, tmp_path / "x.pls")
    assert schema_accepts(path) == [(row.word, [row.pron]) for row in rows]
    assert problems("pls", path, Expected(lang=lang)) == []


def document(body: str = "", root: str = 'version="1.0" alphabet="ipa" xml:lang="en"', name: str = "lexicon") -> str:
    return f'<{name} {root} xmlns="http://www.w3.org/2005/01/pronunciation-lexicon">\n{body}\n</{name}>\n'


A, B = "<grapheme>a</grapheme>", "<phoneme>b</phoneme>"
DOCUMENTS: dict[str, tuple[str, list[tuple[int, str]]]] = {
    "everything that is allowed": (
        document(
            f'<meta name="x" content="y"/><metadata><x xmlns="urn:x"><grapheme/>text</x></metadata>\n'
            f'<!-- x --><lexeme role="x" xml:id="x">{A}{A}{B}<alias prefer="true">c</alias>'
            '<phoneme alphabet="x-sampa" prefer="false">d</phoneme><example>e</example><example/></lexeme>'
        ),
        [],
    ),
    "no XML": (document("<lexeme>"), [(3, "is not XML: mismatched tag")]),
    "an entity": (document("<lexeme>&e;</lexeme>"), [(2, "is not XML: undefined entity")]),
    "nothing": ("", [(1, "is not XML: no element found")]),
    "another root": (
        "<lexicon/>",
        [
            (
                1,
                "begins with <no namespace lexicon>, not <lexicon> of http://www.w3.org/2005/01/pronunciation-lexicon",
            )
        ],
    ),
    "no attributes": (
        document(root=""),
        [(1, "has no version 1.0"), (1, "has no alphabet that is ipa or x-…"), (1, "has no xml:lang")],
    ),
    "another alphabet": (
        document(root='version="1.0" alphabet="sampa" xml:lang="en"'),
        [(1, "has no alphabet that is ipa or x-…")],
    ),
    "no grapheme": (document(f"<lexeme>{B}</lexeme>"), [(2, "has a <lexeme> without <grapheme>")]),
    "no phoneme": (document(f"<lexeme>{A}</lexeme>"), [(2, "has a <lexeme> without <phoneme> or <alias>")]),
    "an empty grapheme": (document(f"<lexeme><grapheme> </grapheme>{B}</lexeme>"), [(2, "has an empty <grapheme>")]),
    "an empty phoneme": (document(f"<lexeme>{A}<phoneme/></lexeme>"), [(2, "has an empty <phoneme>")]),
    "the phoneme first": (document(f"<lexeme>{B}{A}</lexeme>"), [(2, "has <grapheme> after <phoneme>")]),
    "the example first": (
        document(f"<lexeme>{A}<example>c</example>{B}</lexeme>"),
        [(2, "has <phoneme> after <example>")],
    ),
    "metadata last": (document(f"<lexeme>{A}{B}</lexeme>\n<metadata/>"), [(3, "has <metadata> after <lexeme>")]),
    "an unknown element": (document(f"<lexeme>{A}{B}<x/></lexeme>"), [(2, "has <x> inside <lexeme>")]),
    "a phoneme outside": (document(B), [(2, "has <phoneme> inside <lexicon>")]),
    "a wrong preference": (
        document(f'<lexeme>{A}<phoneme prefer="yes">b</phoneme></lexeme>'),
        [(2, "has prefer='yes', not true or false")],
    ),
    "an alphabet of one phoneme": (
        document(f'<lexeme>{A}<phoneme alphabet="y">b</phoneme></lexeme>'),
        [(2, "has the alphabet y, neither ipa nor x-…")],
    ),
    "text between": (document(f"<lexeme>{A} stray {B}</lexeme>"), [(2, "has text in <lexeme>: stray")]),
}


@pytest.mark.parametrize("case", DOCUMENTS)
def test_the_validator_finds_this(tmp_path: Path, case: str) -> None:
    content, found = DOCUMENTS[case]
    (tmp_path / "x.pls").write_text(content, encoding="utf-8")
    assert [(one.line, one.what) for one in problems("pls", tmp_path / "x.pls")] == found


def test_bytes_that_are_no_utf_8_are_a_problem_and_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.pls"
    path.write_bytes(document(f"<lexeme>{A}\n<phoneme>\xff</phoneme></lexeme>").encode("latin-1"))
    assert [(one.line, one.what) for one in problems("pls", path)] == [
        (3, "is not XML: not well-formed (invalid token)")
    ]
    with pytest.raises(InputError, match=r"x\.pls, line 3: is not XML \(not well-formed \(invalid token\)\): mend it"):
        entries("pls", path)


def test_entities_do_not_blow_up(tmp_path: Path) -> None:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    bomb = f'<!DOCTYPE lexicon [<!ENTITY e0 "lol">{entities}]>' + document(
        f"<lexeme>{A}<phoneme>&e9;</phoneme></lexeme>"
    )
    (tmp_path / "x.pls").write_text(bomb, encoding="utf-8")
    assert [one.what for one in problems("pls", tmp_path / "x.pls")][-1].startswith("is not XML: limit on input ampl")


def test_the_preferred_phoneme_is_read_first_for_every_grapheme(tmp_path: Path) -> None:
    path = tmp_path / "x.pls"
    lexeme = (
        f'<lexeme>{A}<grapheme>A</grapheme>{B}<phoneme prefer="true">c</phoneme><alias prefer="true">x</alias>'
        '<phoneme prefer="true">d</phoneme></lexeme>'
    )
    path.write_text(document(lexeme, 'version="1.0" alphabet="ipa" xml:lang="de-AT"'), encoding="utf-8")
    rows = [row for one in FORMATS["pls"].read(path) for row in one.to_pylist()]
    said = [row for row in rows if row["passed_over"] is None]
    assert [(row["word"], row["pron"], row["rank"], row["lang"]) for row in said] == [
        (word, pron, rank, "ger") for word in "aA" for rank, pron in enumerate("cdb", 1)
    ]
    assert [(row["word"], row["passed_over"]) for row in rows if row not in said] == [("a", "alias"), ("A", "alias")]


def test_another_document_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.pls").write_text("<speak/>", encoding="utf-8")
    with pytest.raises(
        InputError, match=r"line 1: begins with <no namespace speak>, not <lexicon>: give a PLS document"
    ):
        entries("pls", tmp_path / "x.pls")
