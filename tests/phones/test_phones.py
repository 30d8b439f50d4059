"""Segmentation: examples of each rule, laws, and whole dictionaries where they are at hand."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from g2p_batch.errors import UsageError
from g2p_batch.languages import LANGUAGES
from g2p_batch.phones import PhoneMap, Style, segment
from g2p_batch.phones.quirks import QUIRKS
from tests.helpers.phone_samples import SAMPLES, golden

WHOLE = [
    Style(stress=stress, tones=tones, syllables="keep", alphabet="raw")
    for stress in ("keep", "separate")
    for tones in ("attach", "separate")
]
"""Styles that leave nothing out and move nothing."""

IPA = "tʃdʒɹaɪəθŋʔʰʲˤᵐⁿᵑˀːˑ\u0361\u0303\u0329\u032fˈˌ˥˩²⁻.‿-' `:\"^%0çX,é"
TAGS = st.sampled_from(sorted(LANGUAGES))
PRONS = st.one_of(st.text(st.sampled_from(IPA), max_size=12), st.text(max_size=8))


def phones_of(lang: str, pron: str, **style: object) -> list[str]:
    return segment(pa.array([pron]), pa.array([lang]), Style(**style)).phones[0].as_py()


@pytest.mark.parametrize(("lang", "pron", "phones"), SAMPLES)
def test_each_dictionary_is_read_by_its_own_rules(lang, pron, phones):
    assert phones_of(lang, pron, alphabet="raw") == phones.split(" ")


@pytest.mark.parametrize(
    ("stress", "phones"),
    [
        ("keep", "ˌs t r æ ˈt i dʒ ɪ"),
        ("attach", "s t r ˌæ t ˈi dʒ ɪ"),
        ("separate", "ˌ s t r æ ˈ t i dʒ ɪ"),
        ("drop", "s t r æ t i dʒ ɪ"),
    ],
)
def test_stress_is_kept_attached_separated_or_dropped(stress, phones):
    assert phones_of("eng-uk", "ˌstræˈtidʒɪ", stress=stress) == phones.split()


@pytest.mark.parametrize(
    ("pron", "phones"),
    [
        ("ˈtr̩ɡ", "t ˈr̩ ɡ"),
        ("ˈi̯a", "i̯ ˈa"),
        ("ˈpst", "ˈp s t"),
        ("ˈpsˌta", "ˈp s t ˌa"),
        ("ˈˌta", "t ˈˌa"),
        ("taˈ", "t a ˈ"),
        ("ˈ.ta", "t ˈa"),
    ],
)
def test_attached_stress_goes_to_the_next_nucleus_or_stays(pron, phones):
    assert phones_of("slk", pron, stress="attach") == phones.split()


def test_a_dropped_mark_does_not_join_letters_that_it_separated():
    assert phones_of("eng-us", "ˈɡətˈʃɛɫ", stress="drop") == ["ɡ", "ə", "t", "ʃ", "ɛ", "ɫ"]


def test_tones_join_the_phone_before_them_but_nothing_else():
    assert phones_of("vie-n", "hat˨ˀ˩ʔ-˧mo", tones="attach") == ["h", "a", "t˨ˀ˩ʔ", "˧", "m", "o"]


def test_breaks_are_phones_of_their_own_when_kept():
    assert phones_of("tha", "ʔot̚˨˩.tʰon˧", syllables="keep") == ["ʔ", "o", "t̚", "˨˩", ".", "tʰ", "o", "n", "˧"]


def test_what_is_not_ipa_stays_and_is_counted_by_language_over_all_rows():
    prons = pa.array(["t͡Sa", "t͡Sa", "ta", "t͡Sa", "S,ŝ"])
    done = segment(prons, pa.array(["uzb", "uzb", "uzb", "ltz", "fas"]), Style())
    assert done.phones.to_pylist() == [["t͡S", "a"], ["t͡S", "a"], ["t", "a"], ["t͡S", "a"], ["S", ",", "ŝ"]]
    assert done.unknown == {("uzb", "S"): 2, ("ltz", "S"): 1, ("fas", "S"): 1, ("fas", ","): 1, ("fas", "ŝ"): 1}


def test_a_vowel_with_a_tone_is_known_composed_or_not_but_a_letter_of_a_spelling_is_not():
    done = segment(pa.array(["à a\u0300 ŕ ç", "š"]), pa.array(["san", "fin"]), Style())
    assert done.unknown == {("fin", "š"): 1}


@given(st.lists(st.tuples(TAGS, PRONS), max_size=6), st.sampled_from(WHOLE))
def test_phones_joined_give_the_pronunciation(rows, style):
    prons = [pron for _, pron in rows]
    done = segment(pa.array(prons, pa.string()), pa.array([lang for lang, _ in rows], pa.string()), style)
    assert ["".join(phones) for phones in done.phones.to_pylist()] == prons
    assert all(all(phones) for phones in done.phones.to_pylist())


@given(TAGS, PRONS)
def test_attaching_stress_moves_marks_and_changes_nothing_else(lang, pron):
    def without_marks(**style: object) -> list[str]:
        return [phone for phone in phones_of(lang, pron, syllables="keep", **style) if phone not in marks]

    marks = {"ˈ", "ˌ", *QUIRKS[lang].stress} if lang in QUIRKS else {"ˈ", "ˌ"}
    attached = "".join(phones_of(lang, pron, stress="attach", syllables="keep", alphabet="raw"))
    assert sorted(attached) == sorted(pron)
    assert without_marks(stress="separate") == phones_of(lang, pron, stress="drop", syllables="keep")


@given(st.lists(st.tuples(TAGS, PRONS), min_size=1, max_size=6), st.randoms())
def test_a_row_is_split_whatever_its_neighbours_are(rows, random):
    shuffled = random.sample(rows * 2, len(rows) * 2)
    langs, prons = zip(*shuffled, strict=True)
    style = Style(stress="attach", tones="attach", clean=True)
    coded = pa.array(langs).dictionary_encode()
    together = segment(pa.chunked_array([pa.array(prons[:1]), pa.array(prons[1:])]), coded, style)
    alone = [segment(pa.array([pron]), pa.array([lang]), style) for lang, pron in shuffled]
    assert together.phones.to_pylist() == [done.phones[0].as_py() for done in alone]
    assert together.unknown == sum((done.unknown for done in alone), start=type(together.unknown)())


def test_no_rows_and_empty_pronunciations_have_no_phones():
    none = pa.array([], pa.string())
    assert segment(none, none, Style()).phones.to_pylist() == []
    assert segment(pa.array(["", "a"]), pa.array(["ita", "ita"]), Style()).phones.to_pylist() == [[], ["a"]]


def test_more_rows_than_are_held_at_a_time_stay_in_order():
    prons = [f"a{'ː' * (row % 7)}t" for row in range(300_000)]
    done = segment(pa.array(prons), pa.repeat("fin", len(prons)), Style())
    assert pc.binary_join(done.phones, "").to_pylist() == prons


def test_the_golden_words_hold_nothing_but_ipa_and_marks_of_five_dictionaries_and_join_to_themselves():
    langs, prons = zip(*golden(), strict=True)
    done = segment(pa.array(prons), pa.array(langs), WHOLE[0])
    assert [*pc.binary_join(done.phones, "").to_pylist()] == list(prons)
    assert set(done.unknown) == {("est", "^"), ("kur", "ş"), ("mri", '"'), ("amh", "`"), ("tts", ":")}


def test_every_quirk_is_of_a_known_language():
    assert set(QUIRKS) <= set(LANGUAGES)


@pytest.mark.parametrize("field", ["stress", "tones", "syllables", "alphabet"])
def test_a_style_that_does_not_exist_is_refused(field):
    with pytest.raises(UsageError, match=f"{field} cannot be 'loud': choose .* or "):
        Style(**{field: "loud"})


def test_a_phone_map_cannot_follow_another_alphabet():
    with pytest.raises(UsageError) as error:
        Style(alphabet="x-sampa", phone_map=PhoneMap("mine.tsv", {"a": ("A",)}))
    assert str(error.value) == (
        "the phone map mine.tsv reads IPA, and the phones are to be x-sampa: leave one of the two out"
    )


DATA = os.environ.get("G2P_BATCH_DATA")


@pytest.mark.skipif(not DATA, reason="G2P_BATCH_DATA names no folder of Parquet files with `lang` and `pron`")
@pytest.mark.parametrize("style", WHOLE, ids=lambda style: f"{style.stress}-{style.tones}")
def test_every_pronunciation_of_whole_dictionaries_is_given_back(style):
    for path in sorted(Path(str(DATA)).glob("*.parquet")):
        for batch in pq.ParquetFile(path).iter_batches(1 << 18, columns=["lang", "pron"]):
            done = segment(batch["pron"], batch["lang"], style)
            assert pc.all(pc.equal(pc.binary_join(done.phones, ""), batch["pron"])).as_py()
