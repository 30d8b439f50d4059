"""What validators find in lines that others wrote."""

from pathlib import Path

import pytest

from g2p_batch.formats.kind import Expected
from tests.helpers.lexicons import problems

BROKEN: tuple[tuple[str, bytes, list[tuple[int, str]]], ...] = (
    ("mfa", b"a\n", [(1, "gives a no pronunciation")]),
    ("mfa", b"ok\tk\n\na\t0.5\n", [(3, "gives a no pronunciation")]),
    ("mfa", b"a\t1: a\n", [(1, "has 1: as first phone, which MFA reads as a probability and cannot")]),
    ("mfa", b"a\t1.5\ta\n", [(1, "has the probability 1.5, which is not between 0.01 and 1")]),
    ("mfa", b"a\t0.001\ta\n", [(1, "has the probability 0.001, which is not between 0.01 and 1")]),
    ("mfa", b"a\t0.5\t9.9\t9.9\t9.9\ta\n", []),
    ("mfa", b"a\tb\r\n<unk>\tspn", []),
    ("mfa", b"<eps>\tsil\n<UNK>\tspn\n[laughter]\t1.0\tspn\n[cutoff]\ta\n", []),
    *(
        ("mfa", f"{word}\ta\n".encode(), [(1, f"has the reserved word {word}")])
        for word in ("<cutoff>", "<UNK>", "[LAUGHTER]", "[Bracketed]", "<S>", "<EPS>", "\uff1cunk\uff1e")
    ),
    ("mfa", b"<s>\tsil\n", [(1, "has the reserved word <s>")]),
    ("mfa", b"a\ta sil\n", [(1, "has the reserved phone sil")]),
    ("mfa", b"<eps>\ta\n", [(1, "has the reserved word <eps>")]),
    ("mfa", b"a\rb\tc\n", [(1, "holds a carriage return, which ends the line for MFA")]),
    ("mfa", b"\xef\xbb\xbfa\tb\n", [(1, "begins with a byte order mark, which becomes part of the first word")]),
    ("mfa", b"a\tb\nb\t\xe9\n", [(2, "is not UTF-8")]),
    ("kaldi", b"a b\n\xff c\n", [(2, "is not UTF-8")]),
    ("kaldi", b"a b", [(1, "does not end in a line break")]),
    ("kaldi", b"a b\r\n", [(1, "holds whitespace other than blank and tab: U+000D")]),
    ("kaldi", "a b\u00a0c\n".encode(), [(1, "holds whitespace other than blank and tab: U+00A0")]),
    ("kaldi", "a b\n\u3000 c\n".encode(), [(2, "holds whitespace other than blank and tab: U+3000")]),
    ("kaldi", b"a b\n\nc d\n", [(2, "is empty")]),
    ("kaldi", b"a b\nc d\na b\n", [(3, "is there twice")]),
    ("kaldi", b"<s> b\n#0 c\n", [(1, "has the reserved word <s>"), (2, "has the reserved word #0")]),
    ("kaldi", b"a\n", [(1, "gives a no pronunciation")]),
    ("kaldi", b"a #b\n", [(1, "has the reserved phone #b")]),
    ("kaldi", b"a b_I\n", [(1, "has the reserved phone b_I")]),
    ("kaldi", b"a\tb c\n", []),
    ("kaldi-prob", b"a 1.0 b\n", []),
    ("kaldi-prob", b"a 0 b\n", [(1, "has no probability between 0 and 1 after a")]),
    ("kaldi-prob", b"a 1.1 b\n", [(1, "has no probability between 0 and 1 after a")]),
    ("kaldi-prob", b"a nan b\n", [(1, "has no probability between 0 and 1 after a")]),
    ("kaldi-prob", b"a b c\n", [(1, "has no probability between 0 and 1 after a")]),
    ("kaldi-prob", b"a 0.5\n", [(1, "gives a no pronunciation")]),
    ("icefall", b"a\n\n", [(1, "gives a no pronunciation"), (2, "is empty")]),
    ("icefall", b"<eps> b\n", [(1, "has the reserved word <eps>")]),
    ("icefall", b"a b\na c\n", [(2, "gives a another pronunciation, and icefall takes one")]),
    ("icefall", b"a #0\n", [(1, "has the reserved token #0")]),
    ("icefall", b"a \xff\n", [(1, "is not UTF-8")]),
    ("icefall", b"!SIL SIL\n<UNK> SPN\na b\n", []),
    ("icefall", b"!SIL a\n<UNK> SIL\n", [(1, "has the reserved word !SIL"), (2, "has the reserved word <UNK>")]),
    ("sherpa", b"a b\nA c\n", [(2, "has A again: sherpa-onnx ignores it")]),
    ("sherpa", b"a\n", [(1, "gives a no pronunciation")]),
    ("sherpa", b"\n", [(1, "is empty")]),
    ("sherpa", "don't a\nŒuf b\n中国 c\n".encode(), [(2, "has Œuf, which sherpa-onnx splits: it is never said")]),
    ("sherpa", b"? a\n", [(1, "has ?, which sherpa-onnx takes for a pause: it is never said")]),
    ("cmudict", b"a AH0\na(2) EY1 # letter\n", []),
    ("cmudict", b"a  AH0\n", [(1, "has more than one blank between fields")]),
    ("cmudict", b";;; x\n", [(1, "begins with a comment mark"), (1, "has x, which is no symbol of ARPAbet")]),
    ("cmudict", b"a AH3\n", [(1, "has AH3, which is no symbol of ARPAbet")]),
    ("cmudict", b"a AH0\na EY1\n", [(2, "has a again")]),
    ("cmudict", b"a(2) AH0\n", [(1, "has a(2) before a")]),
    ("cmudict", b";;x AH0\n##x AH0\n", [(1, "begins with a comment mark"), (2, "begins with a comment mark")]),
    ("cmudict", b"<s> AH0\n</s> AH0\n", [(1, "has the reserved word <s>"), (2, "has the reserved word </s>")]),
    ("cmudict", b"<sil> AH0\n", [(1, "has the reserved word <sil>")]),
    (
        "cmudict",
        b"x(a) AH0\n()x() AH0\n",
        [
            (1, "has x(a), which PocketSphinx takes for a variant of x"),
            (2, "has ()x(), which PocketSphinx takes for a variant of ()x"),
        ],
    ),
    ("cmudict", "é EY1\n".encode(), [(1, "has é, which is not ASCII")]),
    ("cmudict", b"a\n\n", [(1, "gives a no pronunciation"), (2, "is empty")]),
    ("charsiu", b"a b\tc,d\n", []),
    ("charsiu", b"a\n", [(1, "has no tab between word and pronunciation")]),
    ("charsiu", b"\ta\n", [(1, "has no word")]),
    ("charsiu", b"a\tb,\n", [(1, "gives a an empty pronunciation")]),
    ("charsiu", b"a\tb c\n", [(1, "holds whitespace in the pronunciation")]),
    ("charsiu", b"a\tb\tc\n", [(1, "holds whitespace in the pronunciation")]),
    ("charsiu", b"a\tb\r\n", [(1, "holds a carriage return, which becomes part of the pronunciation")]),
    ("charsiu", b"a\t\xe9\n", [(1, "is not UTF-8")]),
)


FOR_ONE_READER: tuple[tuple[str, str, bytes, list[tuple[int, str]]], ...] = (
    ("pocketsphinx", "cmudict", b"read R IY D\nread(2) R EH D\n", []),
    (
        "pocketsphinx",
        "cmudict",
        b"a B\nread R IY1 D AH0\nb B # bee\n",
        [
            (2, "has IY1, and PocketSphinx drops words with stress: write the lexicon with --stress drop"),
            (3, "has a comment, which PocketSphinx takes for phones: it drops the word"),
        ],
    ),
    ("phonetisaurus", "mfa", b"a{b\ta b\n<unk>\tspn\n", []),
    (
        "phonetisaurus",
        "mfa-prob",
        "a_b\t1.00\ta |\na\uff5cb\ta\na(2)\ta\n".encode(),
        [
            (1, "has a_b, and training refuses a lexicon with _"),
            (1, "has |, and training refuses a lexicon with |"),
            (2, "has a\uff5cb, and training refuses a lexicon with |"),
            (3, "has a(2), which Phonetisaurus takes for a variant of a"),
        ],
    ),
)


@pytest.mark.parametrize(("reader", "name", "content", "found"), FOR_ONE_READER)
def test_a_validator_finds_this_for_one_reader(
    tmp_path: Path, reader: str, name: str, content: bytes, found: list[tuple[int, str]]
) -> None:
    (tmp_path / "lexicon").write_bytes(content)
    told = problems(name, tmp_path / "lexicon", Expected(reader=reader))
    assert [(one.line, one.what) for one in told] == found
    assert problems(name, tmp_path / "lexicon") == []


@pytest.mark.parametrize(("name", "content", "found"), BROKEN)
def test_a_validator_finds_this(tmp_path: Path, name: str, content: bytes, found: list[tuple[int, str]]) -> None:
    (tmp_path / "lexicon").write_bytes(content)
    assert [(one.line, one.what) for one in problems(name, tmp_path / "lexicon")] == found
