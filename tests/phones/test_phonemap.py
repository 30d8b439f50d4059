"""Phone maps of users: the file, and longest match over segmented phones."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from g2p_batch.errors import InputError
from g2p_batch.phones import PhoneMap, Style, read_phone_map, segment


def mapped(tmp_path, text, pron, lang="eng-us", **style):
    path = tmp_path / "map.tsv"
    path.write_bytes(text.encode("utf-8"))
    done = segment(pa.array([pron]), pa.array([lang]), Style(phone_map=read_phone_map(path), **style))
    return done.phones[0].as_py()


@pytest.mark.parametrize(
    ("text", "phones"),
    [
        ("ʃ\tSH\n", "ˈtʃ a ɪ l d"),
        ("tʃ\tCH\naɪ\tAY\na\tAA\n", "ˈCH AY l d"),
        ("tʃ\tt sh\nl\t-\n", "ˈt sh a ɪ d"),
        ("a ɪ l\tX\naɪ\tAY\n", "ˈtʃ X d"),
        ("aɪlt\tX\naɪ\tAY\n", "ˈtʃ AY l d"),
        ("ˈtʃ\tCH1\n", "CH1 a ɪ l d"),
        ("ˈ\t-\n", "tʃ a ɪ l d"),
        ("\ufeffipa\tphones\r\n\r\n# affricates\r\ntʃ\tCH\r\n", "ˈCH a ɪ l d"),
    ],
)
def test_the_longest_run_of_whole_phones_is_replaced(tmp_path, text, phones):
    assert mapped(tmp_path, text, "ˈtʃaɪld") == phones.split()


def test_what_is_dropped_still_separates_and_phones_of_the_map_are_never_dropped(tmp_path):
    text = "tʃ\tCH\nʔ\t'\n.\tPAUSE\n"
    assert mapped(tmp_path, text, "at-ʃaˈʔt.ʃ", "ita", stress="drop") == ["a", "t", "ʃ", "a", "'", "t", "PAUSE", "ʃ"]


def test_composed_and_decomposed_letters_are_the_same(tmp_path):
    assert mapped(tmp_path, "ã\tAN\n", "bã", "fra") == ["b", "AN"]
    assert mapped(tmp_path, "a\u0303\tAN\n", "bã", "fra") == ["b", "AN"]


def test_attached_stress_joins_the_phone_written_for_its_vowel(tmp_path):
    assert mapped(tmp_path, "a\tah\n", "ˈtʃald", stress="attach") == ["tʃ", "ˈah", "l", "d"]


def test_tones_join_what_is_written_for_the_phone_before_them(tmp_path):
    assert mapped(tmp_path, "a\tah\n", "ta˥˩", "zho-s", tones="attach") == ["t", "ah˥˩"]
    assert mapped(tmp_path, "a˥˩\ta4\n", "ta˥˩", "zho-s") == ["t", "a4"]


@given(st.lists(st.sampled_from(["a", "ɪ", "t", "ʃ", "tʃ"]), max_size=8))
def test_a_map_to_itself_changes_nothing_but_joins_what_one_row_holds(phones):
    rows = {phone: (phone,) for phone in ("a", "ɪ", "t", "tʃ")}
    assert "".join(PhoneMap("same", rows).apply(phones)) == "".join(phones)
    assert PhoneMap("same", {phone: (phone,) for phone in "aɪtʃ"}).apply(phones) == phones


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\tAA\nb B\n", "line 2 is 'b B': write IPA, one tab, and phones, or - to delete"),
        ("a\tAA\nb\t\n", "line 2 is 'b\\t': write IPA, one tab, and phones, or - to delete"),
        ("\tAA\n", "line 1 is '\\tAA': write IPA, one tab, and phones, or - to delete"),
        ("ã\tA\n\na\u0303\tB\n", "line 3 maps 'a\u0303' again, after line 1: keep one of the two"),
    ],
)
def test_a_bad_line_is_an_error_that_names_file_and_line(tmp_path, text, message):
    path = tmp_path / "map.tsv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        read_phone_map(path)
    assert str(error.value) == f"{path}, {message}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"# nothing\n", "maps nothing: write lines of IPA, one tab, and phones"),
        (b"a\tA\n\xff\tB\n", "is not UTF-8 at byte 4: save it as UTF-8"),
        (None, "cannot be read as a phone map: No such file or directory; name a file that exists"),
    ],
)
def test_a_file_that_is_no_map_is_an_error(tmp_path, content, message):
    path = tmp_path / "map.tsv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_phone_map(path)
    assert str(error.value) == f"{path} {message}"
