"""The program as a test runs it: arguments in, entire output and exit code out."""

import importlib.util
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from g2p_batch import cli
from g2p_batch.model.contract import CacheCells, CompileTarget, LengthBucket, Manifest, Shapes, digest, save_json
from tests.helpers.fake_model import CONTRACT

LEXICON = "word\tlang\tpron\nhello\teng-us\thəˈloʊ\nworld\teng-us\tworld\n"


@dataclass(frozen=True)
class Ran:
    exit_code: int
    stdout: str
    stderr: str


def run(*arguments: str | Path, stdin: bytes | None = None) -> Ran:
    result = CliRunner().invoke(cli.main, [str(argument) for argument in arguments], input=stdin)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ran(result.exit_code, result.stdout, result.stderr)


def generate(*arguments: str | Path, stdin: bytes | None = None) -> Ran:
    return run("generate", "--model", "model", "-o", "lexicon.tsv", *arguments, stdin=stdin)


def words(text: str | bytes = "hello\nworld\n", name: str = "words.txt") -> str:
    Path(name).write_bytes(text.encode() if isinstance(text, str) else text)
    return name


def untimed(text: str) -> str:
    return re.sub(r"(?m)^.* s in all, .*$", "(times)", text)


def failed(message: str) -> Ran:
    return Ran(1, "", f"Error: {message}\n")


exporting = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None or importlib.util.find_spec("transformers") is None,
    reason="needs torch and transformers",
)


def artifact(name: str, manifest: bytes | None = None, **target: Any) -> str:
    """Make an artifact's folder that cannot run: its manifest is the test's."""
    folder = Path(name)
    folder.mkdir()
    for file in ("model.so", "weights.bin"):
        (folder / file).write_bytes(b"0" * 1024)
    facts: dict[str, Any] = {"kind": "llvm", "arch": platform.machine(), "machine": "portable", "features": ()} | target
    whole = Manifest(
        key="cd" * 32,
        contract=CONTRACT,
        target=CompileTarget(**facts),
        dtype="float32",
        shapes=Shapes((LengthBucket(64, 128, 4, 4),), (1, 2, 4)),
        cache=CacheCells("float32", 64),
        functions={},
        tensors={},
        seconds=12.34,
        versions={},
        files={file: digest(folder / file) for file in ("model.so", "weights.bin")},
    )
    save_json(folder / "manifest.json", whole)
    if manifest is not None:
        (folder / "manifest.json").write_bytes(manifest)
    return name
