"""Files of every kind and packing, and those that cannot be read."""

import gzip
import hashlib
import io
from pathlib import Path

import pytest

from g2p_batch.errors import InputError
from g2p_batch.storage.locations import STDIN
from g2p_batch.storage.store import FileVersion
from g2p_batch.words.inputs import find_files
from g2p_batch.words.wordlist import WordLists, read
from tests.helpers.word_lists import PACKERS, PLAIN, PLAIN_ROWS, failure, rows, written


@pytest.mark.parametrize("packed", PACKERS)
@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (".txt", PLAIN),
        (".tsv", "word\tlang\nhello\teng-us\nˈstraße\teng-us\nภาษา\teng-us\n"),
        (".csv", "word,lang\nhello,eng-us\nˈstraße,eng-us\nภาษา,eng-us\n"),
    ],
)
def test_text_of_every_kind_and_packing_is_read(tmp_path, kind, packed, content):
    path = written(tmp_path, f"words{kind}{packed}", PACKERS[packed](content.encode()))
    assert rows(path, lang="eng-us" if kind == ".txt" else None) == PLAIN_ROWS


@pytest.mark.parametrize("name", ["WORDS.TXT", "a.b.Txt", "words.TXT.GZ"])
def test_suffixes_are_known_in_any_case(tmp_path, name):
    pack = PACKERS[".gz" if name.endswith("GZ") else ""]
    assert rows(written(tmp_path, name, pack(PLAIN.encode())), lang="eng-us") == PLAIN_ROWS


def test_packed_files_of_several_members_are_read_whole(tmp_path):
    path = written(tmp_path, "words.txt.gz", b"".join(gzip.compress(f"{word}\n".encode()) for word in ("a", "b", "c")))
    assert [word for word, _, _ in rows(path, lang="eng-us")] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("name", "content", "begin"),
    [
        ("a.txt.gz", b"no gzip", "cannot be read (zlib inflate failed"),
        ("a.txt.zst", b"no zstd", "cannot be read (ZSTD decompress failed"),
        ("a.txt.gz", gzip.compress(PLAIN.encode(), mtime=0)[:-9], "cannot be read (Truncated compressed stream"),
        ("a.parquet", b"no parquet at all", "cannot be read (Parquet magic bytes not found"),
    ],
)
def test_a_damaged_file_is_an_error_that_names_it(tmp_path, name, content, begin):
    path = written(tmp_path, name, content)
    message = failure(path, lang="ger")
    assert message.startswith(f"{path} {begin}")
    assert message.endswith("the file is damaged or not what its name says")


def test_closed_standard_input_matters_only_where_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    path = written(tmp_path, "words.txt", PLAIN)
    assert len(list(read(WordLists((str(path),), lang="ger"))))
    assert failure(STDIN, lang="ger") == "standard input holds no words: fill it, or leave it out"


def test_a_file_and_a_folder_that_may_not_be_read_are_errors(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    path = written(tmp_path, "words.txt", PLAIN)
    monkeypatch.setattr(Path, "open", refuse)
    assert failure(path, lang="ger") == f"{path} may not be read: change its permissions"
    monkeypatch.setattr("os.scandir", refuse)
    assert failure(tmp_path, lang="ger") == f"{tmp_path} may not be read: change its permissions"
    monkeypatch.setattr(Path, "is_dir", refuse)
    assert failure(path, lang="ger") == f"{path} may not be read: change its permissions"


def test_a_file_is_known_by_its_version_and_its_digest(tmp_path):
    path = written(tmp_path, "words.txt.gz", gzip.compress(PLAIN.encode()))
    (file,) = find_files([str(path)])
    status = path.stat()
    assert (file.name, file.source, file.path, file.kind) == (str(path), str(path), str(path), ".txt")
    assert file.version() == FileVersion(status.st_size, status.st_mtime_ns, None)
    assert file.digest() == hashlib.sha256(path.read_bytes()).hexdigest()
    path.unlink()
    for ask in (file.version, file.digest):
        with pytest.raises(InputError, match=r"cannot be read \(No such file or directory\): check the path and its"):
            ask()


def test_standard_input_is_known_by_what_was_read_of_it():
    (file,) = find_files(["-"], io.BytesIO(b"a\nb\nc\n"))
    with file.stream() as stream:
        assert (stream.readline(), stream.read(1)) == (b"a\n", b"b")
    assert (file.path, file.version()) == ("-", FileVersion(3, 0, None))
    assert file.digest() == hashlib.sha256(b"a\nb\nc\n").hexdigest()
    assert file.version() == FileVersion(6, 0, None)
