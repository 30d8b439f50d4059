"""Two checkouts, one set of commands: every lexicon and every reject must be the same, byte by byte.

`python -m tests.lab.same_bytes OLD NEW FOLDER` lets the command line of two checkouts plan, decode and merge the golden
words and a list of odd rows with the bundled model, in every format and with many options, and compares all that they
write. A change that promises the same output is held to it so. Both use the packages of this interpreter, and the
first run of each compiles the model.
"""

import argparse
import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]

ODD_ROWS = (
    "word\tlang\n\teng-us\nhello\teng-us\nhello\ten-US\nStra\u00dfe\tger\nStra\u00dfe\tde\na\u0007b\tfin\nx\txxx\n"
    "na\u00efve caf\u00e9\tfra\nnai\u0308ve cafe\u0301\tfra\nlonely\n  padded \tpol\n\u0660\u0661\tita\n1984\teng-us\n"
    f"ABANDON\teng-us\nabandon\teng-us\n{'lang' * 40}\tger\nhello world\teng-us\n(b)\teng-us\n;;;\teng-us\n"
    "<unk>\teng-us\n#0\tita\n\u2028\tspa\n"
)
LEXICON = "hello\tHH AH L OW\nabandon\t0.5\tAH B AE N D AH N\nabandon\t1.0\tAH B AE N D AA N\n"

PLANS: Mapping[str, tuple[str, ...]] = {
    "golden": ("golden.tsv",),
    "odd": ("odd.tsv", "--shard-words", "3"),
    "both": ("golden.tsv", "odd.tsv", "--normalize", "nfkc", "--lexicon", "eng-us=some.dict", "--shard-words", "50"),
    "english": ("english.txt", "--lang", "eng-us", "--dtype", "int8"),
    "small": ("golden.tsv", "--memory", "40MB", "--dtype", "int8"),
    "again": ("golden.tsv", "odd.tsv", "--since-run", "golden.run"),
}
"""Inputs and options of planning, by the name of the run."""

_ALL = ("golden", "odd", "both")
MERGES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "a.tsv": (tuple(PLANS), ()),
    "scores.tsv": (tuple(PLANS), ("--scores",)),
    "words.tsv": (_ALL, ("--order", "word")),
    "phones.tsv": (
        _ALL,
        ("--phones", "ipa", "--stress", "attach", "--tones", "attach", "--syllables", "keep", "--clean"),
    ),
    "xsampa.tsv": (_ALL, ("--phones", "x-sampa", "--stress", "separate")),
    "a.parquet": (tuple(PLANS), ()),
    "a.jsonl": (_ALL, ("--scores", "--phones", "ipa")),
    "charsiu-{lang}.tsv": (_ALL, ("--format", "charsiu")),
    "mfa-{lang}.dict": (_ALL, ("--stress", "drop")),
    "mfa-prob-{lang}.dict": (_ALL, ("--format", "mfa-prob", "--space-in-word", "_")),
    "kaldi-{lang}.txt": (_ALL, ("--format", "kaldi")),
    "kaldi-prob-{lang}.txt": (_ALL, ("--format", "kaldi-prob", "--space-in-word", "_")),
    "dict-{lang}": (_ALL, ("--format", "kaldi-dict", "--scores", "--stress", "separate")),
    "icefall-{lang}.txt": (_ALL, ("--format", "icefall")),
    "sherpa-{lang}.txt": (_ALL, ("--format", "sherpa", "--tokens", "tokens.txt")),
    "{lang}.pls": (_ALL, ()),
    "x-{lang}.pls": (_ALL, ("--phones", "x-sampa")),
    "cmu.dict": (("english",), ("--format", "cmudict")),
    "set.tsv": (_ALL, ("--phone-set", "tokens.txt")),
}
"""Runs that a lexicon is written of, and options of writing, by the name of the lexicon."""


def prepare(folder: Path) -> None:
    """Write the lists that all commands read."""
    golden = (ROOT / "golden/bundled/words.tsv").read_text(encoding="utf-8").splitlines()
    columns = [golden[0].split("\t").index(name) for name in ("word", "lang")]
    rows = ["\t".join(line.split("\t")[column] for column in columns) for line in golden]
    (folder / "golden.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "odd.tsv").write_text(ODD_ROWS, encoding="utf-8")
    english = [row.split("\t")[0] for row in rows if row.endswith("\teng-us")]
    (folder / "english.txt").write_text("\n".join(english) + "\n", encoding="utf-8")
    (folder / "some.dict").write_text(LEXICON, encoding="utf-8")
    (folder / "tokens.txt").write_text("".join(f"{phone} {i}\n" for i, phone in enumerate("abdefghijklmnoprstuvz")))


def run(checkout: Path, folder: Path, *arguments: str) -> str:
    """Run a command of a checkout; returns its exit code as the summary shows it."""
    environment = {**os.environ, "PYTHONPATH": f"{checkout}{os.pathsep}{checkout / 'compile'}"}
    command = [sys.executable, "-c", "from g2p_batch.cli import main; main()", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1, 2) or "Traceback" in done.stderr:
        raise SystemExit(f"{' '.join(arguments)} in {folder} failed:\n{done.stderr}")
    return f"exit {done.returncode}"


def written(checkout: Path, folder: Path) -> dict[str, str]:
    """Return the digest of every file that a checkout writes, and the exit code of every command."""
    folder.mkdir(parents=True)
    prepare(folder)
    results: dict[str, str] = {}
    for name, options in PLANS.items():
        results[f"{name}: plan and run"] = run(
            checkout, folder, "generate", *options, "--run-dir", f"{name}.run", "-o", f"{name}.first.tsv"
        )
    for output, (names, options) in MERGES.items():
        for name in names:
            results[f"{name}: {output}"] = run(
                checkout, folder, "merge", f"{name}.run", *options, "-o", f"{name}.{output}"
            )
            rejects = (folder / f"{name}.run" / "rejects.tsv").read_bytes()
            results[f"{name}: rejects of {output}"] = hashlib.sha256(rejects).hexdigest()
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder)
        if path.is_file() and not place.parts[0].endswith(".run"):
            results[str(place)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return results


def main() -> None:
    """Compare, and fail if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("folder", type=Path, help="A new folder.")
    options = parser.parse_args()
    old, new = (
        written(checkout.absolute(), options.folder.absolute() / name)
        for name, checkout in (("old", options.old), ("new", options.new))
    )
    different = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    for name in different:
        print(f"{name}: {old.get(name)}, now {new.get(name)}")  # noqa: T201
    print(f"{len(old)} files and exit codes, {len(different)} differ")  # noqa: T201
    if different:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
