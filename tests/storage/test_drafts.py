"""What killed writers left is collected by the next one; what a living one writes is not."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from g2p_batch.storage import owner
from g2p_batch.storage.drafts import DRAFT, FORGOTTEN_S
from g2p_batch.storage.owner import lives, this_process
from g2p_batch.storage.publish import new_folder, publish, replace_folder, scratch_folder

ROOT = Path(__file__).parents[2]
BEGINNING = """
import sys
from pathlib import Path
from g2p_batch.storage.publish import new_folder, publish, replace_folder, scratch_folder

def held(path):
    if path.is_dir():
        path = path / "half"
    path.write_text("half")
    print("begun", flush=True)
    sys.stdin.readline()

path = Path(sys.argv[1])
"""


def _new_folder(path: Path) -> None:
    with new_folder(path) as draft:
        (draft / "a").write_text("whole")


def _scratch(path: Path) -> None:
    with scratch_folder(path.parent, path.name):
        pass


WRITERS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "file": ("publish(path, held)", lambda path: publish(path, lambda draft: draft.write_text("whole") and None)),
    "folder": (
        "replace_folder(path, held, ['half', 'a'])",
        lambda path: replace_folder(path, lambda draft: (draft / "a").write_text("whole") and None, ["half", "a"]),
    ),
    "new folder": ("with new_folder(path) as draft: held(draft)", _new_folder),
    "scratch": ("with scratch_folder(path.parent, path.name) as draft: held(draft)", _scratch),
}


def begun(path: Path, script: str) -> "subprocess.Popen[bytes]":
    """Return a process that is in the middle of writing."""
    command = [sys.executable, "-c", BEGINNING + script, str(path)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"begun\n"
    return process


def drafts(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.startswith(DRAFT)]


@pytest.mark.parametrize("kind", WRITERS)
def test_a_writer_collects_what_a_killed_one_left(tmp_path: Path, kind: str) -> None:
    script, write = WRITERS[kind]
    process = begun(tmp_path / "lexicon[1].tsv", script)
    process.kill()
    process.wait()
    assert len(drafts(tmp_path)) == 1
    write(tmp_path / "lexicon[1].tsv")
    assert drafts(tmp_path) == []


@pytest.mark.parametrize("kind", WRITERS)
def test_a_writer_leaves_what_a_living_one_writes(tmp_path: Path, kind: str) -> None:
    script, write = WRITERS[kind]
    process = begun(tmp_path / "lexicon.tsv", script)
    before = drafts(tmp_path)
    os.utime(before[0], (1, 1))  # stopped for years, but there
    os.kill(process.pid, signal.SIGSTOP)
    write(tmp_path / "lexicon.tsv")
    assert drafts(tmp_path) == before
    os.kill(process.pid, signal.SIGCONT)
    process.communicate(b"\n")
    assert process.returncode == 0
    assert drafts(tmp_path) == []


def test_what_a_writer_of_another_machine_left_is_collected_when_it_is_a_week_old(tmp_path: Path) -> None:
    elsewhere = f"{'f' * 6}.{this_process().partition('.')[2]}"
    young, old = (tmp_path / f"{DRAFT}lexicon.tsv-{elsewhere}-{name}" for name in ("young", "old"))
    old_folder = tmp_path / f"{DRAFT}lexicon.tsv-{elsewhere}-folder"
    young_folder = tmp_path / f"{DRAFT}lexicon.tsv-{elsewhere}-written"
    for folder in (old_folder, young_folder):
        (folder / "new").mkdir(parents=True)
    (young_folder / "new" / "lexicon.txt").write_text("half")
    for path in (young, old):
        path.write_text("half")
    long_ago = time.time() - FORGOTTEN_S - 60
    for path in (old, old_folder / "new", old_folder, young_folder / "new", young_folder):
        os.utime(path, (long_ago, long_ago))
    WRITERS["file"][1](tmp_path / "lexicon.tsv")
    assert sorted(drafts(tmp_path)) == sorted([young, young_folder])


def test_drafts_of_other_names_are_left_to_their_own_writers(tmp_path: Path) -> None:
    for name in ("lexicon.tsv.gz", "lexicon.tsv-b", "lexicon"):
        process = begun(tmp_path / name, WRITERS["file"][0])
        process.kill()
        process.wait()
    (tmp_path / f"{DRAFT}lexicon.tsv-mine").write_text("of no writer of ours")
    WRITERS["file"][1](tmp_path / "lexicon.tsv")
    assert len(drafts(tmp_path)) == 4


def test_a_process_is_known_by_its_machine_its_number_and_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, pid, started = this_process().split(".")
    assert lives(this_process())
    assert lives(f"{machine}.{pid}.{int(started, 16) + 1:x}") is False, "the number was given to another process"
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    childs = f"{machine}.{child.pid:x}.{owner._start_of(child.pid) or 0:x}"
    assert lives(childs)
    child.kill()
    until = time.monotonic() + 10
    while lives(childs) and time.monotonic() < until:  # nobody has waited for it yet
        time.sleep(0.01)
    assert lives(childs) is False
    child.wait()
    assert lives(childs) is False
    with monkeypatch.context() as patch:
        patch.setattr(owner, "_machine", lambda: "another")
        assert lives(childs) is None


def test_of_a_process_that_is_hidden_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `/proc` is mounted with `hidepid`, it tells nothing of other users' processes."""
    hidden = this_process()

    def of_another_user(_pid: int, _signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(owner, "_start_of", lambda _pid: None)
    assert lives(hidden) is False
    monkeypatch.setattr(os, "kill", of_another_user)
    assert lives(hidden) is None
