"""Lexicons in formats that hold phones, one language or fewer words than were asked for: nothing is lost unsaid."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from g2p_batch.errors import InputError, OutputError, UsageError
from g2p_batch.formats.existing import ExistingLexicon
from g2p_batch.formats.kind import Expected
from g2p_batch.formats.registry import FORMATS
from g2p_batch.phones import PhoneMap, Style, read_phone_set
from g2p_batch.run.conform import Phonetics
from g2p_batch.run.output import LexiconOutput
from tests.helpers.runs import Job, fake_decoding, job_in, no_model

ENGLISH = "hello\nworld\nice cream\nhello\nab\n"


def english(folder: Path, **merging: object) -> Job:
    """Return a job of English words, of which the model knows `hello` and says others as they are spelt."""
    return job_in(folder, ENGLISH, "words.txt", "eng-us").written(**merging)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("mfa", "hello\th ə l o ʊ\nworld\tw o r l d\nab\ta b\n", "space_in_word"),
        ("kaldi", "ab a b\nhello h ə ˈl o ʊ\nworld w o r l d\n", "space_in_word"),
        ("charsiu", "hello\thəˈloʊ\nworld\tworld\nab\tab\n", "space_in_pronunciation"),
    ],
)
def test_a_lexicon_holds_what_its_format_can_and_the_rest_is_rejected(
    tmp_path: Path, name: str, text: str, reason: str
) -> None:
    job = english(tmp_path, path=tmp_path / "lexicon", format_name=name)
    summary = job()
    assert job.lexicon() == text
    assert summary.rejects == {reason: 1}
    assert summary.rows_in == 5 == summary.words + summary.duplicates + summary.rejected
    assert job.rejects() == f"row\tlang\tword\treason\n3\teng-us\tice cream\t{reason}\n"


def test_a_word_that_readers_take_for_an_earlier_one_is_rejected(tmp_path: Path) -> None:
    text = "Polish\tfra\npolish\teng-us\nPolish\teng-us\nPolish \teng-us\nread\teng-us\n"
    job = job_in(tmp_path, f"word\tlang\n{text}").written(path=tmp_path / "{lang}.txt", format_name="sherpa")
    summary = job()
    written = {path.stem: path.read_text() for path in tmp_path.glob("*.txt")}
    assert written == {"eng-us": "Polish P o l i s h\nread r e a d\n", "fra": "Polish P o l i s h\n"}
    assert summary.rejects == {"differs_in_case": 1}
    assert summary.rows_in == 5 == summary.words + summary.duplicates + summary.rejected
    assert job.rejects() == "row\tlang\tword\treason\n2\teng-us\tpolish\tdiffers_in_case\n"


def test_every_format_writes_what_it_finds_valid(tmp_path: Path) -> None:
    job = english(tmp_path)
    job()
    for name, known in FORMATS.items():
        place = tmp_path / f"out.{name}"
        job.written(path=place, format_name=name, space_in_word="_")(no_model())
        assert [problem.what for problem in known.validate(place, Expected())] == []
        assert sum(len(batch) for batch in known.read(place)) > 0


def test_strict_writes_nothing_but_the_rejects(tmp_path: Path) -> None:
    job = english(tmp_path, path=tmp_path / "lexicon.dict", strict=True)
    with pytest.raises(
        InputError, match=r"1 word left out of a lexicon of format mfa \(space_in_word 1\), listed in .*rejects\.tsv"
    ):
        job()
    assert not job.output.path.exists()
    assert "ice cream" in job.rejects()
    job.written(space_in_word="_")()
    assert "ice_cream\t" in job.lexicon()


def test_variants_that_a_format_cannot_hold_are_counted_while_another_is_held(tmp_path: Path) -> None:
    (tmp_path / "tokens.txt").write_text("h 0\nə 1\nl 2\no 3\nʊ 4\na 5\nb 6\n", encoding="utf-8")
    (tmp_path / "old.jsonl").write_text(
        '{"word": "ab", "lang": "eng-us", "pron": "xy", "phones": ["x", "y"]}\n'
        '{"word": "ab", "lang": "eng-us", "pron": "ab", "phones": ["a", "b"]}\n',
        encoding="utf-8",
    )
    job = english(
        tmp_path, path=tmp_path / "lexicon.txt", format_name="sherpa", tokens=tmp_path / "tokens.txt", space_in_word="_"
    ).planned(lexicons=(ExistingLexicon(tmp_path / "old.jsonl"),))
    summary = job.written(phones=Phonetics(Style(stress="drop"), True))()
    assert job.lexicon() == "ab a b\nhello h ə l o ʊ\n"
    assert (summary.phones_outside, summary.rows_outside) == (
        {"c": 2, "e": 2, "r": 2, "d": 1, "i": 1, "m": 1, "w": 1, "x": 1, "y": 1},
        3,
    )
    assert summary.variants_left_out == {"token_not_in_set": 1}
    assert summary.rejects == {"never_said": 1, "token_not_in_set": 1}
    assert (summary.words, summary.looked_up) == (2, 1)
    assert "Variants left out: token_not_in_set 1." in summary.to_text()


def test_several_languages_need_a_place_or_a_lexicon_each(tmp_path: Path) -> None:
    job = job_in(tmp_path).written(path=tmp_path / "lexicon.dict")
    with pytest.raises(
        UsageError, match=r"mfa has no place for languages, and there are 8 .*'.*lexicon\.\{lang\}\.dict'"
    ):
        job(no_model())
    job = job.written(path=tmp_path / "{lang}" / "lexicon.dict")
    summary = job()
    written = {path.parent.name: path.read_text(encoding="utf-8") for path in tmp_path.glob("*/lexicon.dict")}
    assert written["fra"] == "eau\to\nhello\th e l l o\n"
    assert written["eng-us"] == "hello\th ə l o ʊ\n"
    assert sorted(written) == ["eng-us", "fin", "fra", "ger", "ita", "mri", "nan", "ron"]
    assert summary.rejects["no_phones"] == 1
    said: list[str] = []
    job(no_model(), said.append)
    assert "complete already" in said[0]
    (tmp_path / "ger" / "lexicon.dict").unlink()
    job(no_model())
    assert (tmp_path / "ger" / "lexicon.dict").exists()


def test_phones_follow_the_style_and_the_map_and_those_of_lexicons_stay_apart(tmp_path: Path) -> None:
    (tmp_path / "old.dict").write_text("ab\tˈao b\n", encoding="utf-8")
    mapped = PhoneMap("map", {"o": ("OO",), "l": ()})
    phonetics = Phonetics(Style(stress="separate", phone_map=mapped), True)
    job = english(tmp_path, path=tmp_path / "lexicon.tsv", phones=phonetics)
    job = job.planned(lexicons=(ExistingLexicon(tmp_path / "old.dict"),))
    job()
    assert job.lexicon().splitlines()[1:] == [
        "hello\teng-us\thəˈloʊ\th ə ˈ OO ʊ",
        "world\teng-us\tworld\tw OO r d",
        "ice cream\teng-us\tice cream\ti c e c r e a m",
        "ab\teng-us\tˈaob\tˈ a OO b",
    ]


def test_phones_of_the_users_own_stay_beside_the_map_that_writes_them(tmp_path: Path) -> None:
    (tmp_path / "old.dict").write_text("ab\tx1 BB\n", encoding="utf-8")
    phonetics = Phonetics(Style(phone_map=PhoneMap("map", {"o": ("OO",)})), True)
    job = english(tmp_path, path=tmp_path / "lexicon.tsv", phones=phonetics)
    job = job.planned(lexicons=(ExistingLexicon(tmp_path / "old.dict", alphabet="own"),))
    job()
    assert "ab\teng-us\tx1BB\tx1 BB" in job.lexicon()
    assert "world\teng-us\tworld\tw OO r l d" in job.lexicon()
    with pytest.raises(UsageError, match="own are the phones of a --phone-map, and there is none"):
        job.written(phones=Phonetics(asked=True))()
    job.written(phones=Phonetics())()
    assert "ab\teng-us\tx1BB\n" in job.lexicon()


def test_arpabet_of_a_lexicon_comes_out_as_it_was_in_a_format_of_arpabet(tmp_path: Path) -> None:
    (tmp_path / "old.dict").write_text("ab N AH1 T SH EH0 L\nab(2) EY1 B IY2\n", encoding="utf-8")
    job = english(tmp_path, path=tmp_path / "cmudict.dict", format_name="cmudict")
    job = job.planned(lexicons=(ExistingLexicon(tmp_path / "old.dict"),))
    job()
    assert "ab N AH1 T SH EH0 L\nab(2) EY1 B IY2\n" in job.lexicon()
    job.written(path=tmp_path / "new.dict", format_name="mfa")()
    assert "ab\tn ə t ʃ ɛ ɫ\nab\te ɪ b i\n" in (tmp_path / "new.dict").read_text(encoding="utf-8")


def test_symbols_that_are_not_ipa_and_phones_outside_a_set_are_counted(tmp_path: Path) -> None:
    (tmp_path / "phones.txt").write_text("h\nə\nˈl\no\nʊ\nw\nr\nl\nd\n", encoding="utf-8")
    phonetics = Phonetics(asked=True, phone_set=read_phone_set(tmp_path / "phones.txt"))
    job = job_in(tmp_path, "hello\nworld\n7a$\n", "words.txt", "eng-us").written(phones=phonetics)
    summary = job()
    assert summary.unknown_symbols == {"eng-us": {"$": 1, "7": 1}}
    assert (summary.phones_outside, summary.rows_outside) == ({"$": 1, "7": 1, "a": 1}, 1)
    text = summary.to_text()
    assert "Not IPA, written as it is: eng-us $ 1, eng-us 7 1." in text
    assert "Phones that are not in the set: $ 1, 7 1, a 1; in 1 pronunciation." in text


def test_parquet_always_has_phones(tmp_path: Path) -> None:
    job = english(tmp_path, path=tmp_path / "lexicon.parquet")
    job()
    assert pq.read_table(job.output.path)["phones"][0].as_py() == ["h", "ə", "ˈl", "o", "ʊ"]


def test_cmudict_is_arpabet_without_being_told(tmp_path: Path) -> None:
    job = english(tmp_path, path=tmp_path / "cmudict.dict", format_name="cmudict")
    job()
    assert job.lexicon().startswith("hello HH AH0 L OW1\n")
    job.written(phones=Phonetics(Style(stress="drop"), True))()
    assert job.lexicon().startswith("hello HH AH L OW\n")


@pytest.mark.parametrize(
    "asked", [{"phones": Phonetics(Style(stress="drop"), True)}, {"reader": "pocketsphinx"}], ids=["stress", "reader"]
)
def test_words_of_a_given_cmudict_lose_their_stress_too(tmp_path: Path, asked: dict[str, Any]) -> None:
    (tmp_path / "cmudict-old.dict").write_text("ab AE1 B\nab(2) AE0 B\nab(3) EY1 B\n", encoding="utf-8")
    job = english(tmp_path, path=tmp_path / "new.dict", format_name="cmudict")
    job = job.planned(lexicons=(ExistingLexicon(tmp_path / "cmudict-old.dict", "eng-us"),))
    job.written(**asked)()
    assert "hello HH AH L OW\n" in job.lexicon()
    assert "ab AE B\nab(2) EY B\n" in job.lexicon()
    job()
    assert "ab AE1 B\nab(2) AE0 B\nab(3) EY1 B\n" in job.lexicon()


def test_a_lexicon_for_training_leaves_out_what_would_spoil_it(tmp_path: Path) -> None:
    (tmp_path / "old.dict").write_text("hello\th ɛ|b\nworld\tw\n", encoding="utf-8")
    job = english(tmp_path, path=tmp_path / "new.dict")
    job = job.planned(lexicons=(ExistingLexicon(tmp_path / "old.dict", "eng-us"),))
    summary = job.written(reader="phonetisaurus")()
    assert summary.rejects["separator"] == 1
    assert "world\tw\n" in job.lexicon()
    assert "hello" not in job.lexicon()
    job()
    assert "hello\th ɛ|b\n" in job.lexicon()


def test_a_folder_replaces_its_like_and_nothing_else(tmp_path: Path) -> None:
    job = english(tmp_path, path=tmp_path / "dict", format_name="kaldi-dict")
    job()
    before = (tmp_path / "dict" / "lexicon.txt").read_text(encoding="utf-8")
    said: list[str] = []
    job(no_model(), said.append)
    assert "complete already" in said[0]
    (tmp_path / "dict" / "lexicon.txt").write_text("damaged", encoding="utf-8")
    job.written(force=True)(no_model())
    assert (tmp_path / "dict" / "lexicon.txt").read_text(encoding="utf-8") == before
    job.written(scores=True)(no_model())
    assert (tmp_path / "dict" / "lexiconp.txt").exists()
    job(no_model())
    assert not (tmp_path / "dict" / "lexiconp.txt").exists()
    (tmp_path / "dict" / "mine.txt").write_text("precious", encoding="utf-8")
    (tmp_path / "dict" / "lexicon.txt").write_text("damaged", encoding="utf-8")
    with pytest.raises(OutputError, match=r"holds other files too, such as mine\.txt"):
        job.written(force=True)
    assert (tmp_path / "dict" / "mine.txt").read_text(encoding="utf-8") == "precious"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".tmp-")]
    with pytest.raises(OutputError, match="exists and is no folder"):
        LexiconOutput(tmp_path / "words.txt", "kaldi-dict")


def test_options_that_shape_a_lexicon_make_it_anew(tmp_path: Path) -> None:
    job = english(tmp_path, path=tmp_path / "lexicon.dict")
    job()
    plain = job.lexicon()
    job.written(phones=Phonetics(Style(stress="drop"), True))(no_model())
    assert job.lexicon() == plain.replace("ˈ", "")
    job.written(phones=Phonetics(Style(phone_map=PhoneMap("m", {"a": ("A",)})), True))(no_model())
    assert "ab\tA b\n" in job.lexicon()
    job.written(phones=Phonetics(Style(phone_map=PhoneMap("m", {"a": ("AA",)})), True))(no_model())
    assert "ab\tAA b\n" in job.lexicon()


def test_a_run_answers_for_all_formats_with_one_decoding(tmp_path: Path) -> None:
    english(tmp_path)(fake_decoding())
    english(tmp_path, path=tmp_path / "lexicon.pls")(no_model())
    assert "<phoneme>həˈloʊ</phoneme>" in (tmp_path / "lexicon.pls").read_text(encoding="utf-8")


def test_formats_of_pronunciations_join_phones_where_these_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "phones.txt").write_text("a\n", encoding="utf-8")
    job = english(tmp_path, path=tmp_path / "lexicon.pls")
    counted = job.written(phones=Phonetics(phone_set=read_phone_set(tmp_path / "phones.txt")))()
    assert counted.phones_outside["h"] == 1
    assert "<phoneme>həˈloʊ</phoneme>" in job.lexicon()
    job.written(phones=Phonetics(Style(alphabet="x-sampa"), asked=True))(no_model())
    assert 'alphabet="x-sampa"' in job.lexicon()
    assert '<phoneme>h@"loU</phoneme>' in job.lexicon()


def test_a_phone_set_alone_adds_no_column(tmp_path: Path) -> None:
    (tmp_path / "phones.txt").write_text("a\n", encoding="utf-8")
    job = english(tmp_path).written(phones=Phonetics(phone_set=read_phone_set(tmp_path / "phones.txt")))
    assert job().rows_outside == 4
    assert job.lexicon().startswith("word\tlang\tpron\nhello")


def test_strict_tells_of_a_lexicon_that_is_complete_what_it_tells_of_a_new_one(tmp_path: Path) -> None:
    job = english(tmp_path, path=tmp_path / "lexicon.dict")
    job()
    with pytest.raises(
        InputError, match=r"1 word left out of .*lexicon\.dict \(space_in_word 1\), listed in .*rejects\.tsv"
    ):
        job.written(strict=True)(no_model())
