"""Phonetisaurus, the n-gram tool that people train today: the peer of accuracy."""

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from g2p_batch.errors import PackageError, UsageError

_ORDER = 8
_RESERVED = frozenset("}|_ \t")
"""Characters that its aligner uses itself; pairs that have any are not trained on."""


@dataclass(frozen=True)
class Trained:
    """What it says, and how long that took.

    Attributes:
        prons: of the words that it was asked, an empty one where it says nothing.
        pairs: words that it was trained on.
        train_s: seconds to train, of one core.
        ask_s: seconds to answer, of one core.
    """

    prons: list[str]
    pairs: int
    train_s: float
    ask_s: float


def train_and_ask(pairs: Sequence[tuple[str, str]], asked: Sequence[str], folder: Path) -> Trained:
    """Train Phonetisaurus on words with their pronunciations, whose characters are its phones, and ask it others.

    Args:
        pairs: what to train on.
        asked: what to ask.
        folder: for its files; made.

    Raises:
        PackageError: it is not installed.
        UsageError: it fails; the message has its last words.
    """
    programs = require_phonetisaurus()
    folder.mkdir(parents=True, exist_ok=True)
    usable = [(word, pron) for word, pron in pairs if word and pron and not (set(word) | set(pron)) & _RESERVED]
    lexicon = "".join(f"{word}\t{' '.join(pron)}\n" for word, pron in usable)
    (folder / "train.dict").write_text(lexicon, encoding="utf-8")
    (folder / "words.txt").write_text("".join(f"{word}\n" for word in asked), encoding="utf-8")
    began = time.monotonic()
    model = ("--dir_prefix", "model", "--model_prefix", "model", "--ngram_order", str(_ORDER))
    _run(programs, folder, "phonetisaurus-train", "--lexicon", "train.dict", "--seq2_del", *model)
    trained = time.monotonic()
    said = _run(programs, folder, "phonetisaurus-g2pfst", "--model=model/model.fst", "--wordlist=words.txt")
    ended = time.monotonic()
    answers = {}
    for line in said.splitlines():
        word, _, pron = (*line.split("\t"), "", "")[:3]
        answers[word] = pron.replace(" ", "")
    prons = [answers.get(word, "") for word in asked]
    return Trained(prons, len(usable), trained - began, ended - trained)


def require_phonetisaurus() -> Path:
    """Return the folder of the package's programs and libraries.

    Raises:
        PackageError: it is not installed.
    """
    try:
        import phonetisaurus
    except ImportError:
        raise PackageError("--peers trains Phonetisaurus: `pip install 'g2p-batch[bench]'`") from None
    return Path(phonetisaurus.__file__).parent


def _run(programs: Path, folder: Path, *command: str) -> str:
    paths = {"PATH": f"{programs / 'bin' / 'x86_64'}:{os.environ['PATH']}"}
    environment = os.environ | paths | {"LD_LIBRARY_PATH": str(programs / "lib" / "x86_64")}
    try:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as cause:
        reason = (getattr(cause, "stderr", None) or str(cause)).strip().splitlines()[-1]
        raise UsageError(f"{command[0]} failed ({reason}): leave out --peers") from None
    return done.stdout
