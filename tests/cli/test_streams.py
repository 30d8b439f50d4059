"""Standard streams that are closed, full, or in another encoding: no traceback, and nothing gets lost."""

import os
import subprocess
from functools import cache
from pathlib import Path

import pytest

from g2p_batch.model.contract import save_json
from tests.helpers.command import SLOW, install
from tests.helpers.fake_model import CONTRACT

GENERATE = "generate words.tsv --model model --phones ipa --format kaldi --lang-column lang"
COMMANDS = {
    "languages": "languages ice",
    "oov": "oov words.tsv --lexicon ref.tsv",
    "validate": "validate bad.dict",
    "evaluate": "evaluate ref.tsv --hypotheses hyp.tsv",
    "generate": f"{GENERATE} -o lexicon.txt --restart",
    "generate -o -": f"{GENERATE} -o -",
    "status": "status done.run",
    "a name that is no text": b"validate \xff.dict",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, words whose notes hold what is not ASCII, lexicons, a run, and the program."""
    folder = tmp_path_factory.mktemp("streams")
    install(folder / "bin", SLOW)
    (folder / "model").mkdir()
    save_json(folder / "model" / "contract.json", CONTRACT)
    texts = {
        "words.tsv": "word\tlang\nnaïve\tfra\nh漢\tfra\n",
        "ref.tsv": "word\tlang\tpron\nəʃ\tfra\tˈəʃ\nx\tfra\tks\n",
        "hyp.tsv": "word\tlang\tpron\nəʃ\tfra\tˈɛʃ\nx\tfra\tks\n",
        "bad.dict": "hé\tl ə\nʃé\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    done = ran(folder, f"{GENERATE} -o done.txt --run-dir done.run")
    assert done.returncode == 0, done.stderr
    return folder


def ran(
    folder: Path, command: str | bytes, redirected: str = "", **variables: str
) -> "subprocess.CompletedProcess[bytes]":
    """Run a command in a shell, which redirects its streams."""
    line = b"bin/g2p-batch " + (command if isinstance(command, bytes) else command.encode()) + redirected.encode()
    environment = os.environ | {"G2P_TEST_SHARD_S": "0", "PYTHONIOENCODING": "utf-8"} | variables
    return subprocess.run(
        [b"sh", b"-c", line], cwd=folder, env=environment, capture_output=True, stdin=subprocess.DEVNULL, check=False
    )


@cache
def plain(folder: Path, command: str) -> "subprocess.CompletedProcess[bytes]":
    """Run a command with streams as they should be."""
    return ran(folder, COMMANDS[command])


ENCODINGS = {
    "ascii": ({"PYTHONIOENCODING": "ascii", "LANG": "C", "LC_ALL": "C"}, "utf-8"),
    "latin-1": ({"PYTHONIOENCODING": "latin-1"}, "latin-1"),
    "utf-8, strictly": ({"PYTHONIOENCODING": "utf-8:strict"}, "utf-8"),
}
BYTES = ("oov", "generate -o -")
"""Write lexicons and lists to standard output, which are UTF-8 wherever they go."""


def untimed(text: bytes) -> list[bytes]:
    """Return the lines that do not tell of time and place."""
    return [line for line in text.splitlines() if b" s in all" not in line and b"Lexicon: /" not in line]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("command", COMMANDS)
def test_another_encoding_loses_nothing(folder: Path, command: str, encoding: str) -> None:
    variables, spelt = ENCODINGS[encoding]
    wide, other = plain(folder, command), ran(folder, COMMANDS[command], **variables)
    assert b"Traceback" not in wide.stderr + other.stderr
    assert other.returncode == wide.returncode
    for told, wanted in ((other.stdout, wide.stdout), (other.stderr, wide.stderr)):
        if command in BYTES and told is other.stdout:
            assert told == wanted
        else:
            assert untimed(told) == untimed(wanted.decode().encode(spelt, "backslashreplace"))


def test_what_is_compared_holds_what_other_encodings_lack(folder: Path) -> None:
    assert (
        "ˈ".encode() in ran(folder, COMMANDS["evaluate"]).stdout
        or b"\xc9\x9b" in ran(folder, COMMANDS["evaluate"]).stdout
    )
    assert "漢".encode() in ran(folder, COMMANDS["generate"]).stderr
    assert rb"\udcff" in ran(folder, COMMANDS["a name that is no text"]).stderr


@pytest.mark.parametrize("command", ["languages", "oov", "generate -o -", "generate"])
@pytest.mark.parametrize("redirected", [" >&-", " >/dev/full"])
def test_output_that_cannot_be_written_is_an_error_where_there_is_any(
    folder: Path, command: str, redirected: str
) -> None:
    done = ran(folder, COMMANDS[command], redirected)
    why = "Bad file descriptor" if redirected == " >&-" else "No space left on device"
    told = f"Error: standard output cannot be written ({why}): let it go elsewhere\n"
    is_lost = command != "generate"
    assert (done.returncode, done.stderr.decode().endswith(told)) == (int(is_lost), is_lost)
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["oov", "evaluate", "generate"])
@pytest.mark.parametrize("redirected", [" 2>&-", " 2>/dev/full"])
def test_notes_that_cannot_be_told_end_nothing(folder: Path, command: str, redirected: str) -> None:
    done, wanted = ran(folder, COMMANDS[command], redirected), plain(folder, command)
    assert (done.returncode, done.stdout) == (wanted.returncode, wanted.stdout)


def test_with_all_streams_closed_the_lexicon_is_the_same(folder: Path) -> None:
    (folder / "lexicon.txt").unlink(missing_ok=True)
    done = ran(folder, COMMANDS["generate"], " <&- >&- 2>&-")
    assert done.returncode == 0
    assert (folder / "lexicon.txt").read_bytes() == (folder / "done.txt").read_bytes()


@pytest.mark.parametrize("arguments", ["--help", "generate --help", "--version"])
def test_help_that_cannot_be_written_is_an_error_too(folder: Path, arguments: str) -> None:
    done = ran(folder, arguments, " >/dev/full")
    message = b"Error: standard output cannot be written (No space left on device): let it go elsewhere\n"
    assert (done.returncode, done.stderr) == (1, message)
