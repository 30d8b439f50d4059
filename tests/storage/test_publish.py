"""Files that appear whole or not at all."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from g2p_batch.errors import OutputError
from g2p_batch.storage.publish import make_folder, publish, require_writable


def text(content: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_text(content, encoding="utf-8")

    return write


def failing(cause: BaseException) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_text("half", encoding="utf-8")
        raise cause

    return write


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_new_file_appears_under_its_name(tmp_path: Path) -> None:
    publish(tmp_path / "lexicon.tsv", text("həˈloʊ\n"))
    assert (tmp_path / "lexicon.tsv").read_text(encoding="utf-8") == "həˈloʊ\n"
    assert names(tmp_path) == ["lexicon.tsv"]


def test_an_existing_file_is_replaced_only_by_a_whole_one(tmp_path: Path) -> None:
    path = tmp_path / "lexicon.tsv"
    path.write_text("old", encoding="utf-8")

    def write(draft: Path) -> None:
        draft.write_text("new", encoding="utf-8")
        assert draft.parent == tmp_path
        assert path.read_text(encoding="utf-8") == "old"

    publish(path, write)
    assert path.read_text(encoding="utf-8") == "new"
    assert names(tmp_path) == ["lexicon.tsv"]


def test_the_data_is_durable_before_the_name_and_the_name_before_the_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync, replace = os.fsync, Path.replace

    def recorded_sync(descriptor: int) -> None:
        done.append("fsync " + Path(f"/proc/self/fd/{descriptor}").readlink().name.partition("-")[0])
        sync(descriptor)

    def recorded_replace(draft: Path, target: Path) -> Path:
        done.append("replace")
        return replace(draft, target)

    monkeypatch.setattr(os, "fsync", recorded_sync)
    monkeypatch.setattr(Path, "replace", recorded_replace)
    folder = tmp_path / "out"
    folder.mkdir()
    publish(folder / "lexicon.tsv", text("x"))
    assert done == ["fsync .tmp", "replace", "fsync out"]


@pytest.mark.parametrize("cause", [KeyboardInterrupt(), ValueError("bug"), MemoryError()], ids=repr)
def test_any_failure_leaves_the_folder_as_it_was(tmp_path: Path, cause: BaseException) -> None:
    path = tmp_path / "lexicon.tsv"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(type(cause)):
        publish(path, failing(cause))
    assert path.read_text(encoding="utf-8") == "old"
    assert names(tmp_path) == ["lexicon.tsv"]


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOSPC, "(No space left on device): free some space, or write to another disk"),
        (errno.EDQUOT, "(Disk quota exceeded): free some of your quota, or write to another disk"),
        (errno.EACCES, "(Permission denied): choose a folder that you may write to"),
        (errno.EROFS, "(Read-only file system): choose a disk that is not read-only"),
        (errno.EIO, "(Input/output error): check the disk, then run the same command again"),
    ],
)
def test_an_error_of_the_disk_names_the_file_and_what_to_do(tmp_path: Path, number: int, told: str) -> None:
    path = tmp_path / "lexicon.tsv"
    with pytest.raises(OutputError) as caught:
        publish(path, failing(OSError(number, os.strerror(number))))
    assert str(caught.value) == f"{path} cannot be written {told}"
    assert names(tmp_path) == []


def test_a_full_disk_is_reported_as_such(tmp_path: Path) -> None:
    def write(_: Path) -> None:
        Path("/dev/full").write_bytes(b"x" * 100_000)

    with pytest.raises(OutputError, match="No space left on device"):
        publish(tmp_path / "lexicon.tsv", write)
    assert names(tmp_path) == []


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failure_at_the_last_steps_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    path = tmp_path / "lexicon.tsv"
    path.write_text("old", encoding="utf-8")
    monkeypatch.setattr({"fsync": os, "replace": Path}[call], call, fail)
    with pytest.raises(OutputError, match="Input/output error"):
        publish(path, text("new"))
    assert path.read_text(encoding="utf-8") == "old"
    assert names(tmp_path) == ["lexicon.tsv"]


def test_a_killed_process_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "lexicon.tsv"
    path.write_text("old", encoding="utf-8")
    script = (
        "import os, signal, sys; from pathlib import Path; from g2p_batch.storage.publish import publish\n"
        "def write(draft): draft.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)\n"
        "publish(Path(sys.argv[1]), write)"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", script, path], cwd=root, check=False).returncode == -9
    assert path.read_text(encoding="utf-8") == "old"
    publish(path, text("new"))
    assert path.read_text(encoding="utf-8") == "new"


def test_the_target_of_a_symbolic_link_is_replaced_and_the_link_stays(tmp_path: Path) -> None:
    real = tmp_path / "real.tsv"
    link = tmp_path / "link.tsv"
    link.symlink_to(real)
    publish(link, text("new"))
    assert link.is_symlink()
    assert real.read_text(encoding="utf-8") == "new"


REFUSED = [
    ("absent/lexicon.tsv", "(No such file or directory): create its folder first"),
    ("file/lexicon.tsv", "(Not a directory): choose a path below a folder"),
    ("folder", "(it exists and is not a regular file): choose the name of a file"),
    ("fifo", "(it exists and is not a regular file): choose the name of a file"),
    ("x" * 300 + ".tsv", "(File name too long): choose a shorter name"),
]


@pytest.mark.parametrize(("name", "told"), REFUSED, ids=["absent", "file", "folder", "fifo", "long"])
@pytest.mark.parametrize("attempt", [require_writable, lambda path: publish(path, text("x"))], ids=["ask", "publish"])
def test_a_place_that_takes_no_file_is_refused(
    tmp_path: Path, name: str, told: str, attempt: Callable[[Path], None]
) -> None:
    (tmp_path / "file").write_text("kept", encoding="utf-8")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OutputError) as caught:
        attempt(tmp_path / name)
    assert str(caught.value) == f"{tmp_path / name} cannot be written {told}"
    assert names(tmp_path) == ["fifo", "file", "folder"]


def test_a_folder_without_permission_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OutputError, match="Permission denied"):
        require_writable(tmp_path / "lexicon.tsv")


def test_a_good_place_is_accepted_and_left_untouched(tmp_path: Path) -> None:
    require_writable(tmp_path / "lexicon.tsv")
    assert names(tmp_path) == []


def test_folders_are_made_with_their_parents_and_may_exist(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("", encoding="utf-8")
    with pytest.raises(OutputError) as caught:
        make_folder(tmp_path / "run")
    assert str(caught.value) == (
        f"{tmp_path / 'run'} cannot be written (File exists): choose a name that is not taken by a file"
    )
