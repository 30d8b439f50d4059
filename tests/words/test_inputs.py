"""Which files inputs mean."""

import os
from pathlib import Path

import pytest

from g2p_batch.errors import UsageError
from g2p_batch.storage.locations import located
from g2p_batch.words.files import SUFFIXES
from g2p_batch.words.inputs import Sources
from tests.helpers.word_lists import PLAIN, PLAIN_ROWS, failure, rows, written


def test_inputs_folders_and_globs_are_read_in_order_and_rows_counted_through(tmp_path):
    folder = tmp_path / "lists"
    (folder / "b" / ".hidden").mkdir(parents=True)
    for name in ("c.txt", "a.txt", "b/z.txt", "b/.hidden/no.txt", ".no.txt", "_SUCCESS", "README.md"):
        written(folder, name, f"{Path(name).stem}\n")
    written(folder, "empty.txt", "")
    more = [written(tmp_path, f"more{n}.txt", f"more{n}\n") for n in (2, 1)]
    found = rows(more[0], folder, tmp_path / "more?.txt", lang="eng-us")
    assert [word for word, _, _ in found] == ["more2", "a", "z", "c", "more1", "more2"]


def test_a_file_whose_name_looks_like_a_glob_is_read(tmp_path):
    assert rows(written(tmp_path, "words[1].txt", PLAIN), lang="eng-us") == PLAIN_ROWS


def test_missing_files_folders_without_lists_and_globs_without_matches_are_errors(tmp_path):
    assert failure(tmp_path / "no.txt") == f"{tmp_path}/no.txt does not exist: check the path"
    assert failure(tmp_path / "*.txt") == f"{tmp_path}/*.txt matches no file: check the pattern"
    assert failure(tmp_path) == f"{tmp_path} holds no word list: their names end in {', '.join(SUFFIXES)}"


def test_a_pipe_and_a_name_that_is_not_utf8_are_errors(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    assert failure(tmp_path / "pipe.txt") == f"{tmp_path}/pipe.txt is a pipe or a device: give - and pipe it in"
    (tmp_path / "pipe.txt").unlink()
    (tmp_path / "\udcff.txt").write_text(PLAIN)
    shown = f"'{tmp_path}/\\udcff.txt' has a name that is not UTF-8: rename it, or give - and pipe it in"
    assert failure(tmp_path / "\udcff.txt", lang="ger") == failure(tmp_path, lang="ger") == shown


READ = [
    ("lists", "lists/deep/lexicon.tsv"),
    ("link/words.txt", "lists/words.txt"),
    ("lists/words.txt", "link/words.txt"),
    ("l*/words.txt", "lists/words.txt"),
    ("l*", "lists/deep/lexicon.tsv"),
    ("**/*.tsv", "lists/deep/lexicon.tsv"),
    ("s3://corpus/lists", "s3://corpus/lists/lexicon.tsv"),
    ("s3://corpus", "s3://corpus/lexicon.tsv"),
]
UNREAD = [
    ("lists/words.txt", "lists/words.txt.run"),
    ("l*/words.txt", "lists/lexicon.tsv"),
    ("-", "-"),
    ("s3://corpus/lists", "s3://corpus/lists.tsv"),
    ("s3://corpus/lists", "s3://other/lists"),
    ("lists", "s3://lists/lexicon.tsv"),
]


@pytest.fixture
def linked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lists" / "deep").mkdir(parents=True)
    written(tmp_path / "lists", "words.txt", PLAIN)
    (tmp_path / "link").symlink_to("lists")


@pytest.mark.parametrize(("source", "place"), READ)
def test_a_place_that_an_input_means_is_refused_and_both_are_named(linked, source, place):
    with pytest.raises(UsageError) as caught:
        Sources(["other.txt", source]).require_unread(map(located, ("apart.tsv", place)), "choose another")
    assert str(caught.value) == f"{place} would be read as part of the input {source}: choose another"


@pytest.mark.parametrize(("source", "place"), UNREAD)
def test_a_place_beside_what_inputs_mean_is_accepted(linked, source, place):
    Sources([source]).require_unread([located(place)], "choose another")


def test_inputs_are_looked_up_once_for_any_number_of_places(tmp_path, monkeypatch):
    inputs = [written(tmp_path, f"{number}.txt", PLAIN) for number in range(20)]
    resolve, resolved = Path.resolve, []
    monkeypatch.setattr(Path, "resolve", lambda path: resolved.append(path) or resolve(path))
    sources = Sources(map(str, inputs))
    for lang in range(50):
        sources.require_unread([tmp_path / f"{lang}.tsv"], "choose another")
    assert len(resolved) == 20 + 50
