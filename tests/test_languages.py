import pytest

from g2p_batch.errors import UnknownLanguageError
from g2p_batch.languages import COMMA_JOINED, LANGUAGES, Language, lookup, normalization, resolve, search

TEST_FILES = """
ady afr amh ang ara arg arm-e arm-w aze bak bel bos bul bur cat cze dan dut egy eng-uk eng-us enm epo est eus fas fin
fra fra-qu geo ger gle glg grc gre hbs-cyrl hbs-latn hin hun ice ido ina ind isl ita jpn kaz khm kor kur lat-clas
lat-eccl lit ltz mac mlt mri msa nan nob ori pap pol por-bz por-po ron rus san slk slo slv sme snd spa spa-latin
spa-me sqi srp swa swe syc tam tat tgl tha tts tuk tur uig ukr urd uzb vie-c vie-n vie-s wel-nw wel-sw yue zho-s zho-t
"""
TAGS = TEST_FILES.split()


def test_the_table_holds_the_hundred_tags_of_the_model_in_order():
    assert len(TAGS) == 100
    assert list(LANGUAGES) == TAGS
    assert all(language.tag == tag for tag, language in LANGUAGES.items())


def test_names_tell_tags_apart_but_for_the_two_languages_listed_twice():
    names = [language.name for language in LANGUAGES.values()]
    assert {name for name in names if names.count(name) > 1} == {"Icelandic", "Slovak"}


def test_languages_without_blanks_between_words_and_doubtful_dictionaries_carry_a_warning():
    warned = {tag: language.warning for tag, language in LANGUAGES.items() if language.warning}
    segmented = {tag for tag, warning in warned.items() if warning.startswith("words must be segmented first")}
    assert segmented == {"bur", "jpn", "khm", "nan", "tha", "tts", "yue", "zho-s", "zho-t"}
    assert set(warned) - segmented == {"egy", "ice", "isl", "kur", "slk", "slo", "swe", "uzb"}
    assert warned["uzb"] == "the dictionary is known to be wrong upstream: check every pronunciation"


def test_one_language_says_all_it_has_to():
    assert LANGUAGES["por-bz"] == Language("por-bz", "Portuguese, Brazilian", "pt-BR", "Latn", None)


@pytest.mark.parametrize("tag", TAGS)
def test_every_tag_resolves_to_itself_and_is_found_by_a_search(tag):
    assert resolve(tag) is LANGUAGES[tag]
    assert LANGUAGES[tag] in search(tag)


@pytest.mark.parametrize(
    ("query", "tag"),
    [
        ("ENG-US", "eng-us"),
        (" eng-us ", "eng-us"),
        ("en-US", "eng-us"),
        ("en_GB", "eng-uk"),
        ("pt-BR", "por-bz"),
        ("PT-br", "por-bz"),
        ("zh-Hans", "zho-s"),
        ("zh-Hant-TW", "zho-t"),
        ("zh-CN", "zho-s"),
        ("es-419", "spa-latin"),
        ("es", "spa"),
        ("fr-CA", "fra-qu"),
        ("fr-FR", "fra"),
        ("de", "ger"),
        ("de-AT", "ger"),
        ("deu", "ger"),
        ("hye", "arm-e"),
        ("hyw", "arm-w"),
        ("ckb-IQ", "kur"),
        ("sr-Cyrl-RS", "srp"),
        ("grc", "grc"),
    ],
)
def test_a_bcp47_or_iso_639_code_of_one_language_resolves(query, tag):
    assert resolve(query).tag == tag


@pytest.mark.parametrize(
    ("query", "nearest"),
    [
        ("cmn", "zho-s (Chinese, Mandarin, simplified), zho-t (Chinese, Mandarin, traditional)"),
        ("en", "eng-uk (English, British), eng-us (English, American)"),
        ("en-AU", "eng-uk (English, British), eng-us (English, American)"),
        ("is", "ice (Icelandic), isl (Icelandic)"),
        ("zh-HK", "yue (Chinese, Cantonese), zho-t (Chinese, Mandarin, traditional)"),
        ("sr-Latn", "hbs-latn (Serbo-Croatian, Latin), bos (Bosnian)"),
        ("uz-Cyrl", "uzb (Uzbek)"),
        ("nn", "nob (Norwegian Bokmål)"),
        ("german", "ger (German), geo (Georgian)"),
        ("eng-usa", "eng-us (English, American), eng-uk (English, British)"),
    ],
)
def test_a_code_that_leaves_the_choice_open_or_is_misspelt_gets_the_nearest_tags(query, nearest):
    assert lookup(query) is None
    with pytest.raises(UnknownLanguageError) as error:
        resolve(query)
    message = f"no language has the tag {query!r}: did you mean {nearest}? `g2p-batch languages` lists all tags"
    assert str(error.value) == message


@pytest.mark.parametrize("query", ["klingon", "", "-", "x", "guj", "\0"])
def test_a_code_near_nothing_is_an_error_without_suggestions(query):
    with pytest.raises(UnknownLanguageError) as error:
        resolve(query)
    assert str(error.value) == f"no language has the tag {query!r}: `g2p-batch languages` lists all tags"


def test_a_paragraph_in_place_of_a_tag_is_an_error_of_one_short_line():
    with pytest.raises(UnknownLanguageError) as error:
        resolve("q" * 10_000_000)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("chinese", ["nan", "yue", "zho-s", "zho-t"]),
        ("cmn", ["zho-s", "zho-t"]),
        ("pt-br", ["por-bz"]),
        ("Grek", ["grc", "gre"]),
        ("deu", ["ger"]),
        ("klingon", []),
        ("", TAGS),
    ],
)
def test_a_search_looks_into_tags_names_codes_and_scripts(text, tags):
    assert [language.tag for language in search(text)] == tags


def test_only_ancient_greek_keeps_the_form_of_its_words():
    assert [tag for tag in TAGS if normalization(tag) is None] == ["grc"]
    assert normalization("gre") == "NFC"


@pytest.mark.parametrize(
    "query", ["zh-Hans", "ZH-hans", "zh_Hans", "ZH_HANS", "pt-BR", "pt_br", "en_US", "EN-us", "Eng_US"]
)
def test_case_and_underscores_do_not_matter(query):
    assert lookup(query) is lookup(query.lower().replace("_", "-")) is not None


def test_dictionaries_that_join_variants_are_those_of_known_tags():
    assert set(TAGS) >= COMMA_JOINED
    assert "ger" not in COMMA_JOINED
