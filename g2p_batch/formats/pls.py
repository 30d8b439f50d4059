"""W3C Pronunciation Lexicon Specification 1.0: one XML document a language.

The rules are those of the recommendation of 14 October 2008: https://www.w3.org/TR/pronunciation-lexicon/
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import IO, Literal, NamedTuple
from xml.parsers import expat

import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.errors import UsageError
from g2p_batch.formats.entries import Entry, batched, opened, wrong
from g2p_batch.formats.kind import Expected, Format, Problem
from g2p_batch.formats.lexicon import WriteOptions
from g2p_batch.formats.rules import BLANKS, CONTROL_RULES, Rule, first_reason, text
from g2p_batch.formats.word_lines import by_word, folded, unrepeated, write_lines
from g2p_batch.languages import LANGUAGES, lookup

NAMESPACE = "http://www.w3.org/2005/01/pronunciation-lexicon"
_LANG = "http://www.w3.org/XML/1998/namespace lang"

_UNDETERMINED = "und"
"""BCP-47 for a lexicon without words, of which no language is known."""
_NOT_XML = r"[\x{FFFE}\x{FFFF}]"
_HEAD = f"""<?xml version="1.0" encoding="UTF-8"?>
<lexicon version="1.0" xmlns="{NAMESPACE}" alphabet="{{alphabet}}" xml:lang="{{lang}}">
"""
"""The start tag is on one line: some consumers look for it there."""
_CHUNK_BYTES = 1 << 20


def write(batches: Iterable[pa.RecordBatch], path: Path, options: WriteOptions) -> None:
    """Write a lexeme a word, with all its variants, best first.

    Raises:
        UsageError: the rows are of more than one language.
    """
    rows = by_word(batches)
    first = next(rows, None)
    tag = None if first is None else first["lang"][0].as_py()
    lang = _UNDETERMINED if tag is None else LANGUAGES[tag].bcp47 if tag in LANGUAGES else tag
    with path.open("wb") as file:
        file.write(_HEAD.format(alphabet=options.alphabet, lang=lang).encode())
        for batch in chain(() if first is None else (first,), rows):
            if pc.any(pc.not_equal(batch["lang"], tag)).as_py():
                raise UsageError(f"{path} would be of several languages, and PLS has one: write a file for each")
            _write_lexemes(file, batch)
        file.write(b"</lexicon>\n")


def refuse(rows: pa.RecordBatch, options: WriteOptions) -> pa.Array:
    """Refuse characters that XML has no way to write, and empty text."""
    return first_reason(rows, options, _RULES)


def read(path: Path) -> Iterator[pa.RecordBatch]:
    """Read a document: every phoneme of every grapheme, the preferred one first, with the alphabet that it names.

    `lang` is the tag that the document's language means, or null.

    Raises:
        InputError: the file cannot be read, or is no lexicon.
    """
    return batched(_entries(path))


def validate(path: Path, expected: Expected) -> Iterator[Problem]:
    """Check a document, up to the first place where it is not XML."""
    stack: list[_Open] = []
    try:
        for node in _nodes(path):
            if node.kind == "start":
                yield from _start_problems(node, stack, expected)
                stack.append(_Open(node.name))
            else:
                yield from _end_problems(node, stack.pop())
    except expat.ExpatError as error:
        yield Problem(error.lineno, f"is not XML: {expat.ErrorString(error.code)}")


class _Node(NamedTuple):
    """The start or end of an element."""

    line: int
    kind: Literal["start", "end"]
    name: str
    """Without namespace if it is that of PLS, else `namespace name`."""
    attributes: dict[str, str]
    text: str
    """Of an end: the text in the element itself."""


@dataclass
class _Open:
    """An element that has begun."""

    name: str
    children: set[str] = field(default_factory=set)


def _nodes(path: Path) -> Iterator[_Node]:
    """Yield starts and ends of elements as the file is read; entities are those of XML alone."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    nodes: list[_Node] = []
    stack: list[tuple[str, list[str]]] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        nodes.append(_Node(parser.CurrentLineNumber, "start", _plain(name), attributes, ""))
        stack.append((_plain(name), []))

    def end(_name: str) -> None:
        name, texts = stack.pop()
        nodes.append(_Node(parser.CurrentLineNumber, "end", name, {}, "".join(texts)))

    def characters(data: str) -> None:
        name, texts = stack[-1]
        if name in _TEXTS or not data.isspace():  # line breaks between millions of lexemes are not kept
            texts.append(data)

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, characters
    with opened(path) as file:
        while chunk := file.read(_CHUNK_BYTES):
            parser.Parse(chunk, False)
            yield from nodes
            nodes.clear()
        parser.Parse(b"", True)
    yield from nodes


def _plain(name: str) -> str:
    namespace, _, local = name.rpartition(" ")
    return local if namespace == NAMESPACE else f"{namespace or 'no namespace'} {local}"


_CHILDREN = {
    "lexicon": ("meta", "metadata", "lexeme"),
    "lexeme": ("grapheme", "phoneme", "alias", "example"),
}
_AFTER = {
    "meta": ("lexeme",),
    "metadata": ("lexeme", "metadata"),
    "grapheme": ("phoneme", "alias", "example"),
    "phoneme": ("example",),
    "alias": ("example",),
}
"""What must not come before an element among its siblings."""
_TEXTS = ("grapheme", "phoneme", "alias")


def _start_problems(node: _Node, stack: list[_Open], expected: Expected) -> Iterator[Problem]:
    if not stack:
        if node.name != "lexicon":
            yield Problem(node.line, f"begins with <{node.name}>, not <lexicon> of {NAMESPACE}")
        else:
            yield from (Problem(node.line, what) for what in _root_faults(node.attributes, expected.lang))
        return
    parent = stack[-1]
    if any(above.name == "metadata" for above in stack):
        return
    if node.name not in _CHILDREN.get(parent.name, ()):
        yield Problem(node.line, f"has <{node.name}> inside <{parent.name}>")
    for before in _AFTER.get(node.name, ()):
        if before in parent.children:
            yield Problem(node.line, f"has <{node.name}> after <{before}>")
    parent.children.add(node.name)
    if node.name == "phoneme" and not _is_alphabet(node.attributes.get("alphabet", "ipa")):
        yield Problem(node.line, f"has the alphabet {node.attributes['alphabet']}, neither ipa nor x-…")
    if node.attributes.get("prefer", "true") not in ("true", "false"):
        yield Problem(node.line, f"has prefer={node.attributes['prefer']!r}, not true or false")


def _root_faults(attributes: dict[str, str], lang: str | None) -> Iterator[str]:
    if attributes.get("version") != "1.0":
        yield "has no version 1.0"
    if not _is_alphabet(attributes.get("alphabet", "")):
        yield "has no alphabet that is ipa or x-…"
    tag = attributes.get(_LANG)
    if not tag:
        yield "has no xml:lang"
    elif lang and lookup(tag) != LANGUAGES[lang] and tag.lower() != LANGUAGES[lang].bcp47.lower():
        yield f"is of the language {tag}, not {LANGUAGES[lang].bcp47} ({lang})"


def _end_problems(node: _Node, element: _Open) -> Iterator[Problem]:
    if node.name in _TEXTS and not node.text.strip():
        yield Problem(node.line, f"has an empty <{node.name}>")
    if node.name == "lexeme" and "grapheme" not in element.children:
        yield Problem(node.line, "has a <lexeme> without <grapheme>")
    if node.name == "lexeme" and not {"phoneme", "alias"} & element.children:
        yield Problem(node.line, "has a <lexeme> without <phoneme> or <alias>")
    if node.name in _CHILDREN and node.text.strip():
        yield Problem(node.line, f"has text in <{node.name}>: {node.text.split()[0]}")


def _is_alphabet(name: str) -> bool:
    return name == "ipa" or (name.startswith("x-") and len(name) > len("x-"))


def _entries(path: Path) -> Iterator[Entry]:
    root: _Node | None = None
    lang: str | None = None
    lexeme = _Lexeme()
    try:
        for node in _nodes(path):
            if root is None:
                root = node
                if node.name != "lexicon":
                    raise wrong(path, node.line, f"begins with <{node.name}>, not <lexicon>: give a PLS document")
                language = lookup(node.attributes.get(_LANG, ""))
                lang = language.tag if language else None
            elif node.kind == "start":
                lexeme.attributes = node.attributes
            elif node.name == "grapheme":
                lexeme.graphemes.append(_one_line(node.text))
            elif node.name == "phoneme":
                alphabet = lexeme.attributes.get("alphabet") or root.attributes.get("alphabet")
                said = Entry("", _one_line(node.text), lang=lang, line=node.line, alphabet=alphabet)
                lexeme.add(said)
            elif node.name == "alias":
                lexeme.add(Entry("", "", lang=lang, line=node.line, passed_over=_ALIAS))
            elif node.name == "lexeme":
                yield from lexeme.entries()
                lexeme = _Lexeme()
    except expat.ExpatError as error:
        raise wrong(path, error.lineno, f"is not XML ({expat.ErrorString(error.code)}): mend it") from None


_ALIAS = "alias"
"""Why an entry is passed over that says how other words are spelt that sound the same."""


@dataclass
class _Lexeme:
    """A lexeme as far as it has been read."""

    attributes: dict[str, str] = field(default_factory=dict)
    """Of the element that is open."""
    graphemes: list[str] = field(default_factory=list)
    said: list[tuple[bool, Entry]] = field(default_factory=list)
    """Pronunciations without their word, and whether others are preferred."""

    def add(self, said: Entry) -> None:
        self.said.append((self.attributes.get("prefer") != "true", said))

    def entries(self) -> Iterator[Entry]:
        """Yield every pronunciation of every grapheme, the preferred one first."""
        self.said.sort(key=itemgetter(0))
        return (said._replace(word=word) for word in self.graphemes for _, said in self.said)


def _one_line(text: str) -> str:
    """Return text that an editor has broken into lines as it was before."""
    return _LINE_END.sub(" ", text).strip() if "\n" in text else text


_LINE_END = re.compile(r"\s*\n\s*")


def _write_lexemes(file: IO[bytes], rows: pa.RecordBatch) -> None:
    lines = unrepeated(_escaped(rows["word"]), _escaped(rows["pron"]), rows["logprob"])
    words, prons = folded(lines, "</phoneme><phoneme>")
    pieces = ("<lexeme><grapheme>", words, "</grapheme><phoneme>", prons, "</phoneme></lexeme>")
    write_lines(file, [pc.binary_join_element_wise(*pieces, "")], "")


def _escaped(texts: pa.Array) -> pa.Array:
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        texts = pc.replace_substring(texts, character, entity)
    return texts


_RULES: tuple[Rule, ...] = (
    ("no_pronunciation", text("pron", f"^[{BLANKS}]*$")),
    *CONTROL_RULES,
    ("blank_word", text("word", f"^[{BLANKS}]*$")),
    ("not_xml", text("word", _NOT_XML)),
    ("not_xml", text("pron", _NOT_XML)),
)

PLS = Format("pls", ".pls", write, read, validate, refuse, names_language=True, phones="joined")
