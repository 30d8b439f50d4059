"""`compile`: what it prints, and what it refuses as `export` does."""

from pathlib import Path

import pytest

from tests.cli.commandline import Ran, artifact, run


def test_compile_prints_folder_seconds_and_size(here: Path) -> None:
    ran = run("compile", artifact("compiled"))
    size = sum(path.stat().st_size for path in Path("compiled").iterdir()) / (1 << 20)
    assert ran == Ran(0, f"compiled\n12.3 s to compile, {size:.1f} MiB\n", "")


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (
            "compile bundled --target riscv",
            2,
            "'riscv' is no target for float32: give cpu (this machine), a CPU family",
        ),
        ("compile bundled --config absent.toml", 1, "absent.toml is not a target configuration ("),
        ("compile bundled -o taken", 1, "taken exists: delete it, or choose another name"),
        ("compile bundled -o taken/file/new", 1, "taken/file cannot be written (File exists): "),
        ("export x/y -o taken", 1, "taken exists: delete it, or choose another name"),
        ("export bundled -o new", 2, "bundled is a program already: give it to `compile` or `generate --model`"),
    ],
)
def test_compile_and_export_say_what_is_wrong(here: Path, arguments: str, exit_code: int, message: str) -> None:
    Path("taken").mkdir()
    Path("taken/file").touch()
    ran = run(*arguments.split())
    assert (ran.exit_code, ran.stdout) == (exit_code, "")
    assert ran.stderr.startswith(f"Error: {message}")
    assert Path("taken/file").exists()
