"""The same kind of mistake has the same exit code, whichever command meets it."""

import importlib.util
from pathlib import Path

import pytest

from tests.cli.commandline import run, words

GENERATE = "generate words.txt --lang eng-us -o out.tsv"
PLAN = "plan words.txt --lang eng-us --run-dir run"
EVALUATE = "evaluate ref.tsv"

KINDS: dict[str, tuple[int, tuple[str, ...]]] = {
    "a word list, lexicon or reference that is not there": (
        1,
        (
            "generate absent.txt --lang eng-us -o out.tsv",
            f"{GENERATE} --lexicon absent.tsv",
            "plan absent.txt --lang eng-us --run-dir run",
            f"{PLAN} --lexicon absent.tsv",
            "oov absent.txt --lang eng-us --lexicon old.tsv",
            "oov words.txt --lang eng-us --lexicon absent.tsv",
            "evaluate absent.tsv",
            f"{EVALUATE} --hypotheses absent.tsv",
            "validate absent.tsv",
            "verify --words absent.tsv",
            "bench --words absent.tsv",
            "train absent.tsv --dry-run",
        ),
    ),
    "another file that is not there": (
        1,
        (
            f"{GENERATE} --config absent.toml",
            f"{PLAN} --config absent.toml",
            f"{GENERATE} --phone-map absent.tsv",
            f"{GENERATE} --phone-set absent.txt",
            f"{GENERATE} --format sherpa --tokens absent.txt",
            "validate old.tsv --format sherpa --tokens absent.txt",
            "compile bundled --config absent.toml",
        ),
    ),
    "a run that is not there": (1, ("run absent", "merge absent -o out.tsv", "status absent", "report absent")),
    "a file that is not what it is given for": (
        1,
        (
            f"{GENERATE} --config broken",
            f"{GENERATE} --lexicon broken.pls",
            f"{GENERATE} --model broken.toml",
            f"{GENERATE} --phone-map broken",
            "compile bundled --config broken",
            "validate broken.pls",
            f"{EVALUATE} --hypotheses broken.parquet",
            "evaluate broken.parquet",
            "oov words.txt --lang eng-us --lexicon broken.parquet",
        ),
    ),
    "a model that is none": (
        1,
        (
            f"{GENERATE} --model bundeld",
            f"{PLAN} --model bundeld",
            f"{EVALUATE} --model bundeld",
            "compile bundeld",
            "verify bundeld",
            "bench bundeld",
            "export bundeld -o out",
            "train words.tsv --dry-run --from bundeld",
            f"{GENERATE} --model absent.toml",
        ),
    ),
    "a language that is not said": (
        1,
        (
            "generate words.txt -o out.tsv",
            "plan words.txt --run-dir run",
            "oov words.txt --lexicon old.tsv",
            f"{EVALUATE} --hypotheses old.dict",
            "oov words.tsv --lexicon old.dict",
        ),
    ),
    "an unknown language": (
        2,
        (
            "generate words.txt --lang klingon -o out.tsv",
            "plan words.txt --lang klingon --run-dir run",
            "oov words.txt --lang klingon --lexicon old.tsv",
            f"{EVALUATE} --lang klingon",
            f"{EVALUATE} --hypotheses old.tsv --lang klingon",
            "validate old.tsv --lang klingon",
            "train words.tsv --lang klingon --dry-run",
            "languages klingon",
        ),
    ),
    "a language that the model does not know": (
        2,
        ("generate words.txt --lang rus -o out.tsv", f"{EVALUATE} --lang rus"),
    ),
    "a value that an option does not have": (
        2,
        (
            f"{GENERATE} --format klingon",
            f"{GENERATE} --dtype float8",
            f"{GENERATE} --device tpu",
            f"{GENERATE} --memory much",
            f"{GENERATE} --workers 0",
            f"{GENERATE} --encoding klingon",
            f"{GENERATE} --space-in-word ab",
            "validate old.tsv --format klingon",
            "compile bundled --target pdp11",
            "compile bundled --target cuda --arch sm_1",
            "run run --shards 4/3",
            "bench --device tpu",
            "verify --dtype float8",
            "train words.tsv --dry-run --shape huge",
            f"{GENERATE} --config values.toml",
        ),
    ),
    "an option or a command that there is not": (2, (f"{GENERATE} --klingon", "status --klingon run", "klingon")),
    "an argument that is left out": (
        2,
        (
            "generate -o out.tsv",
            "generate words.txt",
            "merge run",
            "status",
            "compile",
            "export bundled",
            "train x.tsv",
        ),
    ),
    "options that exclude each other": (
        2,
        (
            f"{GENERATE} --or-anew",
            f"{EVALUATE} --hypotheses old.tsv --model bundled",
            "verify --lang eng-us",
            "train words.tsv --dry-run --shape tiny_8 --from bundled",
            "compile bundled --arch sm_90",
            f"{GENERATE} --ray-address head:1",
            "validate old.tsv --tokens absent.txt",
        ),
    ),
}


@pytest.fixture
def there(here: Path) -> Path:
    """A folder with the files that commands of the table name, all but those that are absent."""
    words()
    words("word\tlang\tpron\nhello\teng-us\thəˈloʊ\n", "words.tsv")
    words("word\tlang\tpron\nhello\teng-us\thəˈloʊ\n", "ref.tsv")
    words("word\tlang\tpron\nhello\teng-us\tx\n", "old.tsv")
    words("hello\th ə\n", "old.dict")
    for name in ("broken", "broken.pls", "broken.parquet", "broken.toml"):
        words("\x00 = <\n", name)
    words('format = 3\nklingon = "x"\n', "values.toml")
    return here


CASES = [(code, command) for code, commands in KINDS.values() for command in commands]


@pytest.mark.parametrize(("code", "command"), CASES, ids=[command for _, command in CASES])
def test_the_same_mistake_has_the_same_exit_code(there: Path, code: int, command: str) -> None:
    ran = run(*command.split())
    assert ran.exit_code == code, ran.stderr
    assert "Error: " in ran.stderr
    assert not Path("out.tsv").exists()


@pytest.mark.parametrize(
    ("package", "command"),
    [
        ("rapidfuzz", "evaluate ref.tsv"),
        ("ray", f"{GENERATE} --engine ray"),
        ("torch", "bench"),
        ("torch", "train words.tsv --dry-run"),
        ("matplotlib", "bench --plot speed.svg"),
    ],
)
def test_a_package_that_is_not_installed_is_no_wrong_usage(
    there: Path, monkeypatch: pytest.MonkeyPatch, package: str, command: str
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else find_spec(name))
    ran = run(*command.split())
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert "pip install" in ran.stderr


def test_the_codes_are_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "exit-codes.md").read_text(encoding="utf-8")
    rows = [row.strip("| ").split(" | ") for row in text.split("\n\n")[3].splitlines()[2:]]
    listed = {mistake: int(code) for code, mistake, _ in rows}
    assert listed == {kind: code for kind, (code, _) in KINDS.items()} | {"a package that is not installed": 1}
