"""Dictionary folders of Kaldi, against the checks of Kaldi's validate_dict_dir.pl stated anew."""

from collections import Counter
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from g2p_batch.errors import InputError
from g2p_batch.formats.lexicon import WriteOptions
from tests.helpers.lexicons import Row, accepted, batch, entries, golden, lexeme, nasty_rows, problems, write

READ = lexeme("read", "ɹ iː d", "ɹ ɛ d", "ɹ iː d", logprobs=(-0.5, -1.25, -2)) + lexeme("zoë", "z oʊ")
BLANK = {chr(code) for code in (*range(9, 14), 32, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029)} | {
    *"\u202f\u205f\u3000"
}


def kaldi_accepts(folder: Path) -> None:
    """Assert what Kaldi asks of a dictionary folder."""
    content = {path.name: path.read_bytes().decode() for path in folder.iterdir()}
    for name, text in content.items():
        assert not (BLANK - {*" \t\n"}) & {*text}, name
        assert text.endswith("\n") or not text, name
        assert all(line.split() for line in text.split("\n")[:-1]), name
    silences, others = (content[name].split() for name in ("silence_phones.txt", "nonsilence_phones.txt"))
    assert silences
    assert others
    assert max(Counter(silences + others).values()) == 1
    for phone in silences + others:
        assert not phone.startswith("#")
        assert phone != "<eps>"
        assert phone[-2:] not in ("_B", "_E", "_S", "_I")
    assert content["optional_silence.txt"].split("\n") == [content["optional_silence.txt"].strip(), ""]
    assert content["optional_silence.txt"].strip() in silences
    known = {*silences, *others}
    pairs = {}
    for name, skipped in (("lexicon.txt", 1), ("lexiconp.txt", 2)):
        rows = content.get(name, "").split("\n")[:-1]
        assert len({*rows}) == len(rows), name
        fields = [[field for field in row.replace("\t", " ").split(" ") if field] for row in rows]
        assert not {row[0] for row in fields} & {"<s>", "</s>", "<eps>", "#0"}
        assert all(row[skipped:] and {*row[skipped:]} <= known for row in fields), name
        assert skipped == 1 or all(0 < float(row[1]) <= 1 for row in fields)
        pairs[name] = [(row[0], row[skipped:]) for row in fields]
    assert pairs["lexicon.txt"]
    assert pairs["lexiconp.txt"] in ([], pairs["lexicon.txt"])
    questions = [{*line.split()} for line in content["extra_questions.txt"].split("\n")[:-1]]
    assert all(question <= known for question in questions)
    for line in content["nonsilence_phones.txt"].split("\n")[:-1]:
        for one, other in permutations(line.split(), 2):
            assert any(one in question and other not in question for question in questions)


def files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.iterdir())}


SETS = {
    "extra_questions.txt": "SIL SPN\n",
    "nonsilence_phones.txt": "d\niː\noʊ\nz\nɛ\nɹ\n",
    "optional_silence.txt": "SIL\n",
    "silence_phones.txt": "SIL\nSPN\n",
}


def test_a_folder_has_everything_that_prepare_lang_takes(tmp_path: Path) -> None:
    folder = write("kaldi-dict", READ, tmp_path / "dict", each=1)
    assert files(folder) == {
        "lexicon.txt": "!SIL SIL\n<UNK> SPN\nread ɹ iː d\nread ɹ ɛ d\nzoë z oʊ\n",
        **SETS,
    }
    kaldi_accepts(folder)
    assert problems("kaldi-dict", folder) == []
    assert [word for word, _, _ in entries("kaldi-dict", folder)] == ["read", "read", "zoë"]


def test_with_scores_it_has_probabilities_too(tmp_path: Path) -> None:
    folder = write("kaldi-dict", READ, tmp_path / "dict", WriteOptions(scores=True))
    assert files(folder)["lexiconp.txt"] == (
        "!SIL 1.00 SIL\n<UNK> 1.00 SPN\nread 1.00 ɹ iː d\nread 0.47 ɹ ɛ d\nzoë 1.00 z oʊ\n"
    )
    kaldi_accepts(folder)
    assert problems("kaldi-dict", folder) == []


@settings(max_examples=100, deadline=None)
@given(rows=nasty_rows(), each=st.integers(1, 4), scores=st.booleans())
def test_what_is_accepted_makes_a_folder_that_kaldi_accepts(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], each: int, scores: bool
) -> None:
    fields = accepted("kaldi-dict", batch(rows)).to_pylist()
    some = [Row(*(row[field] for field in Row._fields)) for row in fields]
    folder = write("kaldi-dict", some, tmp_path_factory.mktemp("nasty") / "d", WriteOptions(scores=scores), each)
    if some:
        kaldi_accepts(folder)
    assert [one.what for one in problems("kaldi-dict", folder)] == ([] if some else ["is empty"])
    assert [(word, tuple(phones or ())) for word, _, phones in entries("kaldi-dict", folder)] == list(
        dict.fromkeys((row.word, tuple(row.phones or ())) for row in some)
    )


@pytest.mark.parametrize("lang", sorted({row.lang for row in golden() if " " not in row.word}))
def test_the_golden_words_pass(tmp_path: Path, lang: str) -> None:
    words = [row for row in golden(lang) if " " not in row.word]
    some = accepted("kaldi-dict", batch(words)).to_pylist()
    assert len(some) > 0.8 * len(words)
    rows = [Row(*(row[field] for field in Row._fields)) for row in some]
    folder = write("kaldi-dict", rows, tmp_path / "dict", WriteOptions(scores=True))
    kaldi_accepts(folder)
    assert problems("kaldi-dict", folder) == []


BROKEN = {
    "no lexicon": ({"lexicon.txt": None}, [("lexicon.txt", 0, "is missing")]),
    "no silences": (
        {"silence_phones.txt": None},
        [
            ("silence_phones.txt", 0, "is missing"),
            ("optional_silence.txt", 0, "is not one phone of silence_phones.txt"),
            ("lexicon.txt", 1, "has the phone SIL, which no list of phones has"),
            ("lexicon.txt", 2, "has the phone SPN, which no list of phones has"),
            ("extra_questions.txt", 1, "has the phone SIL, which no list of phones has"),
            ("extra_questions.txt", 1, "has the phone SPN, which no list of phones has"),
        ],
    ),
    "empty silences": ({"silence_phones.txt": ""}, [("silence_phones.txt", 0, "is empty")]),
    "empty phones": (
        {"nonsilence_phones.txt": "", "lexicon.txt": "!SIL SIL\n"},
        [("nonsilence_phones.txt", 0, "is empty")],
    ),
    "no optional silence": ({"optional_silence.txt": None}, [("optional_silence.txt", 0, "is missing")]),
    "two optional silences": (
        {"optional_silence.txt": "SIL SPN\n"},
        [("optional_silence.txt", 0, "is not one phone of silence_phones.txt")],
    ),
    "an optional silence that is none": (
        {"optional_silence.txt": "d\n"},
        [("optional_silence.txt", 0, "is not one phone of silence_phones.txt")],
    ),
    "CRLF after the optional silence": (
        {"optional_silence.txt": "SIL\r\n"},
        [("optional_silence.txt", 1, "holds whitespace other than blank and tab: U+000D")],
    ),
    "sets that overlap": (
        {"silence_phones.txt": "SIL\nSPN\nd\n"},
        [("nonsilence_phones.txt", 0, "lists d, which silence_phones.txt lists too")],
    ),
    "a phone twice": (
        {"nonsilence_phones.txt": SETS["nonsilence_phones.txt"] + "d\n"},
        [("nonsilence_phones.txt", 7, "lists d again")],
    ),
    "a phone that is a position": (
        {"nonsilence_phones.txt": SETS["nonsilence_phones.txt"] + "d_B\n"},
        [("nonsilence_phones.txt", 7, "has the reserved phone d_B")],
    ),
    "phones without a line break": (
        {"nonsilence_phones.txt": SETS["nonsilence_phones.txt"].rstrip("\n")},
        [("nonsilence_phones.txt", 6, "does not end in a line break")],
    ),
    "an empty line of phones": (
        {"nonsilence_phones.txt": "\n" + SETS["nonsilence_phones.txt"]},
        [("nonsilence_phones.txt", 1, "is empty")],
    ),
    "an unknown phone": (
        {"lexicon.txt": "a d x\n"},
        [("lexicon.txt", 1, "has the phone x, which no list of phones has")],
    ),
    "a reserved word": ({"lexicon.txt": "<s> d\n"}, [("lexicon.txt", 1, "has the reserved word <s>")]),
    "another order": (
        {"lexicon.txt": "a d\nb z\n", "lexiconp.txt": "b 1 z\na 1 d\n"},
        [("lexiconp.txt", 1, "is not the same entry as in lexicon.txt")],
    ),
    "a line too few": (
        {"lexicon.txt": "a d\nb z\n", "lexiconp.txt": "a 1 d\n"},
        [("lexiconp.txt", 2, "is not the same entry as in lexicon.txt")],
    ),
    "a line too many": (
        {"lexicon.txt": "a d\n", "lexiconp.txt": "a 1 d\nb 1 z\n"},
        [("lexiconp.txt", 2, "is not the same entry as in lexicon.txt")],
    ),
    "no probability": (
        {"lexicon.txt": "a d\n", "lexiconp.txt": "a 2 d\n"},
        [("lexiconp.txt", 1, "has no probability between 0 and 1 after a")],
    ),
    "a question of an unknown phone": (
        {"extra_questions.txt": "d x\n"},
        [("extra_questions.txt", 1, "has the phone x, which no list of phones has")],
    ),
    "phones that questions tell apart": (
        {"nonsilence_phones.txt": "d z\niː oʊ ɛ ɹ\n", "extra_questions.txt": "d\niː oʊ\nɛ iː\n"},
        [],
    ),
    "phones that no question tells apart": (
        {"nonsilence_phones.txt": "d z\niː oʊ ɛ ɹ\n", "extra_questions.txt": "iː oʊ\nɛ iː\n"},
        [("nonsilence_phones.txt", 1, "has d and z, which no line of extra_questions.txt tells apart")],
    ),
    "no questions": ({"extra_questions.txt": None}, []),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_folder_is_found_out(tmp_path: Path, case: str) -> None:
    folder = write("kaldi-dict", READ, tmp_path / "dict")
    changes, found = BROKEN[case]
    for name, text in changes.items():
        if text is None:
            (folder / name).unlink()
        else:
            (folder / name).write_text(text, encoding="utf-8")
    told = [(one.file, one.line, one.what) for one in problems("kaldi-dict", folder)]
    assert told[: max(len(found), 1)] == found
    if found:
        with pytest.raises((AssertionError, KeyError)):
            kaldi_accepts(folder)


@pytest.mark.parametrize("name", ["silence_phones.txt", "nonsilence_phones.txt", "lexicon.txt", "extra_questions.txt"])
@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda data: data.replace(b"\n", b"\r\n", 1), "holds whitespace other than blank and tab: U+000D"),
        (lambda data: "\u00a0".encode() + data, "holds whitespace other than blank and tab: U+00A0"),
        (lambda data: b"\xff" + data, "is not UTF-8"),
    ],
)
def test_strange_whitespace_and_bytes_are_found_in_every_file(
    tmp_path: Path, name: str, change: object, what: str
) -> None:
    assert callable(change)
    folder = write("kaldi-dict", READ, tmp_path / "dict")
    (folder / name).write_bytes(change((folder / name).read_bytes()))
    assert (name, 1, what) in [(one.file, one.line, one.what) for one in problems("kaldi-dict", folder)]


def test_a_file_is_no_folder_and_a_folder_without_lexicon_is_none(tmp_path: Path) -> None:
    (tmp_path / "lexicon.txt").touch()
    with pytest.raises(InputError, match=r"is no folder: give a dictionary folder of Kaldi, or take the format kaldi"):
        problems("kaldi-dict", tmp_path / "lexicon.txt")
    with pytest.raises(InputError, match=r"holds neither lexicon\.txt nor lexiconp\.txt"):
        entries("kaldi-dict", tmp_path / "lexicon.txt")
