"""The command line: entire output, files and exit codes, mostly on a model without a compiler."""

import importlib.util
import json
import os
import platform
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from g2p_batch import cli
from g2p_batch.cli import progress
from g2p_batch.model import cpu_families, resolve
from g2p_batch.model.contract import CacheCells, CompileTarget, LengthBucket, Manifest, Shapes, digest, save_json
from g2p_batch.workers import ray_workers
from g2p_batch.workers.processes import this_machine
from g2p_batch.workers.scheduler import OpenSite
from tests.helpers.fake_model import CONTRACT, install

LEXICON = "word\tlang\tpron\nhello\teng-us\thəˈloʊ\nworld\teng-us\tworld\n"
COMMANDS = (
    "bench",
    "compile",
    "evaluate",
    "export",
    "generate",
    "info",
    "languages",
    "merge",
    "oov",
    "plan",
    "report",
    "run",
    "status",
    "validate",
    "verify",
)
README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


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


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of the test's own, with a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("G2P_BATCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cpu_families, "usable_cores", lambda: 2)
    return tmp_path


@pytest.fixture
def opened(here: Path, monkeypatch: pytest.MonkeyPatch) -> list[resolve.Request]:
    """The fake model in the folder `model`, and a list of what was opened."""
    return install(monkeypatch, here / "model")


def generate(*arguments: str | Path, stdin: bytes | None = None) -> Ran:
    return run("generate", "--model", "model", "-o", "lexicon.tsv", *arguments, stdin=stdin)


def words(text: str | bytes = "hello\nworld\n", name: str = "words.txt") -> str:
    Path(name).write_bytes(text.encode() if isinstance(text, str) else text)
    return name


def untimed(text: str) -> str:
    return re.sub(r"(?m)^.* s in all, .*$", "(times)", text)


def failed(message: str) -> Ran:
    return Ran(1, "", f"Error: {message}\n")


def test_a_word_list_becomes_a_lexicon_and_the_summary_goes_to_stderr(opened: list[resolve.Request]) -> None:
    ran = generate(words(), "--lang", "en-US")
    assert replace(ran, stderr=untimed(ran.stderr)) == Ran(
        0,
        "",
        "2 rows read: 2 words, 0 duplicates, 0 rejected.\n1 language: eng-us 2.\n(times)\nLexicon: lexicon.tsv\n",
    )
    assert Path("lexicon.tsv").read_text(encoding="utf-8") == LEXICON
    assert sorted(path.name for path in Path("lexicon.tsv.run").iterdir()) == [
        *("done", "engine.json", "parts", "plan.json", "rejects.tsv", "run-summary.json", "words"),
    ]
    assert opened == [resolve.Request("model", "cpu", "float32")]


def test_every_option_of_generate_reaches_the_run(opened: list[resolve.Request]) -> None:
    text = "spelling;,locale,w\nx,fra,ﬁ\nx,eng-us,hello\nx,fra,été\nx,zzz,a\n"
    options = (
        "--lang-column=locale --word-column=w --format=parquet --device=cpu --dtype=float32 --workers=3 --scores "
        "--order=word --normalize=nfkc --memory=200MB --run-dir=run"
    )
    assert generate(words(text, "words.csv"), *options.split()).exit_code == 0
    table = pq.read_table("lexicon.tsv").select(["lang", "word", "pron"])
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        ("eng-us", "hello", "həˈloʊ"),
        ("fra", "fi", "fi"),
        ("fra", "été", "ete"),
    ]
    record = json.loads(Path("run/run-summary.json").read_text(encoding="utf-8"))
    assert (record["rejects"], record["provenance"]["g2p-batch.normalization"]) == ({"unknown_language": 1}, "nfkc")
    assert Path("run/rejects.tsv").read_text(encoding="utf-8").splitlines()[1] == "4\tzzz\ta\tunknown_language"


def test_standard_input_is_read_once(opened: list[resolve.Request]) -> None:
    assert generate("-", "--lang", "eng-us", stdin=b"hello\nworld\n").exit_code == 0
    assert Path("lexicon.tsv").read_text(encoding="utf-8") == LEXICON


def test_scores_add_log_probability_and_status(opened: list[resolve.Request]) -> None:
    assert generate(words("ca\tron\nh\tfra\n", "words.tsv"), "--scores").exit_code == 0
    header, *rows = Path("lexicon.tsv").read_text(encoding="utf-8").splitlines()
    assert header == "word\tlang\tpron\tlogprob\tstatus"
    assert [(row.split("\t")[2], row.split("\t")[4]) for row in rows] == [("ka", "invalid_utf8"), ("", "empty")]


BAD = b"word\tlang\ncaf\xe9\tfra\n" + b"a" * 200 + b"\tfra\nhello\teng-us\n"


def test_bad_rows_are_rejected_and_cost_no_other_row(opened: list[resolve.Request]) -> None:
    ran = generate(words(BAD, "words.tsv"))
    assert replace(ran, stderr=untimed(ran.stderr)) == Ran(
        0,
        "",
        "3 rows read: 1 word, 0 duplicates, 2 rejected.\n1 language: eng-us 1.\n"
        "Rejected: invalid_utf8 1, too_long 1; see lexicon.tsv.run/rejects.tsv.\n(times)\nLexicon: lexicon.tsv\n",
    )
    assert Path("lexicon.tsv").read_text(encoding="utf-8") == "word\tlang\tpron\nhello\teng-us\thəˈloʊ\n"
    assert Path("lexicon.tsv.run/rejects.tsv").read_text(encoding="utf-8") == (
        f"row\tlang\tword\treason\n1\tfra\tcaf\N{REPLACEMENT CHARACTER}\tinvalid_utf8\n2\tfra\t{'a' * 200}\ttoo_long\n"
    )


def test_strict_makes_any_reject_an_error(opened: list[resolve.Request]) -> None:
    assert generate(words(BAD, "words.tsv"), "--strict") == failed(
        "2 rows of 3 rejected (invalid_utf8 1, too_long 1), listed in lexicon.tsv.run/rejects.tsv: "
        "mend the input, or run without --strict"
    )
    assert not Path("lexicon.tsv").exists()
    assert Path("lexicon.tsv.run/rejects.tsv").exists()


REFUSED: dict[str, tuple[Callable[[], list[str]], str]] = {
    "a missing input": (
        lambda: ["absent.txt", "--lang", "fra"],
        "absent.txt does not exist: check the path",
    ),
    "a missing column": (
        lambda: [words("word,tag\nhello,fra\n", "words.csv"), "--lang-column", "language"],
        "words.csv has no column 'language' but word, tag: "
        "name the column of languages with --lang-column, or give --lang TAG",
    ),
    "a tag that means several": (
        lambda: [words(), "--lang", "cmn"],
        "no language has the tag 'cmn': did you mean zho-s (Chinese, Mandarin, simplified), "
        "zho-t (Chinese, Mandarin, traditional)? `g2p-batch languages` lists all tags",
    ),
    "a language of other models": (
        lambda: [words(), "--lang", "fi"],
        "the model fake was not trained on fin (Finnish) but on eng-us, fra, grc, ron: "
        "take another model, or one of these languages",
    ),
    "an output folder that is a file": (
        lambda: [words(), "--lang", "fra", "-o", "words.txt/lexicon.tsv", "--run-dir", "run"],
        "words.txt/lexicon.tsv cannot be written (Not a directory): choose a path below a folder",
    ),
    "an output folder that is absent": (
        lambda: [words(), "--lang", "fra", "-o", "absent/lexicon.tsv", "--run-dir", "run"],
        "absent/lexicon.tsv cannot be written (No such file or directory): create its folder first",
    ),
    "an artifact without a manifest": (
        lambda: [words(), "--lang", "fra", "--model", artifact("damaged", manifest=b'{"format": 1, "key": ')],
        "damaged/manifest.json cannot be read (JSONDecodeError: Expecting value: line 1 column 22 (char 21)): "
        "compile the model again with `g2p-batch compile`",
    ),
    "a manifest of another shape": (
        lambda: [words(), "--lang", "fra", "--model", artifact("other", manifest=b'{"format": 2}')],
        "other/manifest.json cannot be read (KeyError: 'shapes'): compile the model again with `g2p-batch compile`",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_known_to_be_wrong_is_refused_before_the_model_is_opened(
    opened: list[resolve.Request], case: str
) -> None:
    arguments, message = REFUSED[case]
    assert generate(*arguments()) == failed(message)
    assert not opened
    assert not Path("lexicon.tsv").exists()


@pytest.mark.parametrize("text", ["", "\n\n", "word\tlang\n"])
def test_an_empty_list_is_an_error(opened: list[resolve.Request], text: str) -> None:
    ran = generate(words(text, "words.tsv"), "--lang", "fra")
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert "words.tsv" in ran.stderr
    assert not Path("lexicon.tsv").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_folder_without_permission_is_refused(opened: list[resolve.Request], here: Path) -> None:
    (here / "locked").mkdir(mode=0o500)
    assert generate(words(), "--lang", "fra", "-o", "locked/lexicon.tsv") == failed(
        "locked/lexicon.tsv.run cannot be written (Permission denied): choose a folder that you may write to"
    )


exporting = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None or importlib.util.find_spec("transformers") is None,
    reason="needs torch and transformers",
)


USAGE: dict[str, tuple[list[str], str]] = {
    "both languages": (
        ["--lang", "fra", "--lang-column", "tag"],
        "--lang and --lang-column exclude each other: name one language, or the column of languages",
    ),
    "an unknown format": (["--lang", "fra", "--format", "xls"], "there is no format 'xls'"),
    "no amount of memory": (["--lang", "fra", "--memory", "lots"], "'lots' is no amount of memory"),
    "no workers": (["--workers", "0"], "Invalid value for '--workers'"),
    "an unknown engine": (["--engine", "slurm"], "Invalid value for '--engine'"),
    "a cluster for processes": (["--ray-address", "auto"], "--ray-address is of no use here: add --engine ray"),
    "a Ray Client address": (["--engine", "ray", "--ray-address", "ray://head:10001"], "is for Ray Client"),
    "an unknown option": (["--lexicons", "x"], "No such option"),
    "a space that is none": (["--lang", "fra", "--space-in-word", "__"], "'__' cannot stand for a space"),
    "tokens for another format": (["--lang", "fra", "--tokens", "x"], "--tokens is for sherpa lexicons"),
    "other phones than a format knows": (
        ["--lang", "fra", "--format", "charsiu", "--phones", "arpabet"],
        "charsiu joins phones, which ARPAbet needs apart",
    ),
    "X-SAMPA where ARPAbet is all": (
        ["--lang", "eng-us", "--format", "cmudict", "--phones", "x-sampa"],
        "cmudict knows phones in arpabet only: leave out --phones",
    ),
    "IPA where ARPAbet is all": (
        ["--lang", "eng-us", "--format", "cmudict", "--phones", "ipa"],
        "cmudict knows phones in arpabet only: leave out --phones",
    ),
    "standard output": (["--lang", "fra", "-o", "-", "--format", "tsv"], "which standard output cannot: name a file"),
    "a language without ARPAbet": (["--lang", "fra", "--format", "cmudict"], "ARPAbet writes the phones of eng-us"),
}


@pytest.mark.parametrize("case", USAGE)
def test_wrong_usage_exits_with_2(opened: list[resolve.Request], case: str) -> None:
    arguments, message = USAGE[case]
    ran = generate(words(), *arguments)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert message in ran.stderr


@exporting
def test_bench_looks_where_its_figures_go_before_it_measures(here: Path) -> None:
    assert run("bench", "--json", "absent/figures.json") == failed(
        "absent/figures.json cannot be written (No such file or directory): create its folder first"
    )


@pytest.mark.parametrize("command", ["verify", "bench"])
def test_a_language_of_no_words_is_refused(command: str) -> None:
    assert run(command, "--lang", "fra") == Ran(
        2, "", "Error: --lang is the language of the words of --words FILE: give both, or leave it out\n"
    )


def test_a_configuration_gives_options_and_the_command_line_wins(opened: list[resolve.Request]) -> None:
    Path("run.toml").write_text('output = "from-file.tsv"\nlang = "fra"\nscores = true\nworkers = 2\norder = "word"\n')
    assert run("generate", words(), "--config", "run.toml", "--model", "model", "--lang", "eng-us").exit_code == 0
    assert (
        Path("from-file.tsv").read_text(encoding="utf-8").startswith("word\tlang\tpron\tlogprob\tstatus\nhello\teng-us")
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'lexica = "x"\n',
            "run.toml has an unknown key 'lexica': use some of lang, lang-column, word-column, normalize, model, "
            "dtype, lexicon, since-run, shard-words, strict, restart, output, format, scores, phones, stress, tones, "
            "syllables, clean, phone-map, phone-set, tokens, space-in-word, order, device, workers, engine, "
            "ray-address, memory, run-dir",
        ),
        ('lexicon = "x"\n', "run.toml: lexicon is 'x', not a list of texts in quotes"),
        ("lexicon = [1]\n", "run.toml: lexicon is [1], not a list of texts in quotes"),
        ("workers = true\n", "run.toml: workers is True, not a whole number"),
        ("strict = 1\n", "run.toml: strict is 1, not true or false"),
        ('lang = ["fra"]\n', "run.toml: lang is ['fra'], not text in quotes"),
        (
            "lang = fra\n",
            "run.toml cannot be read (Invalid value (at line 1, column 8)): give a TOML file of options",
        ),
    ],
)
def test_a_wrong_configuration_is_named(opened: list[resolve.Request], text: str, message: str) -> None:
    Path("run.toml").write_text(text)
    assert generate(words(), "--config", "run.toml") == Ran(2, "", f"Error: {message}\n")


def test_a_configuration_may_name_every_option_but_itself() -> None:
    command = cli.main.commands["generate"]
    named = {parameter.name for parameter in command.params if isinstance(parameter, click.Option)}
    assert named - {"config"} == {
        *("output", "lang", "lang_column", "word_column", "model", "format", "device", "dtype", "workers", "scores"),
        *("order", "normalize", "memory", "run_dir", "strict", "restart", "shard_words", "lexicons", "since_run"),
        *("phones", "stress", "tones", "syllables", "clean", "phone_map", "phone_set", "tokens", "space_in_word"),
        *("engine", "ray_address"),
    }


@exporting
def test_a_hub_that_cannot_be_reached_is_an_error(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub")

    def unreachable(*_: Any, **__: Any) -> None:
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(hub, "snapshot_download", unreachable)
    assert generate(words(), "--lang", "fra", "--model", "someone/model") == failed(
        "someone/model is not a folder here, and the model hub could not give it (Name or service not known): "
        "check the name and the network, or download the checkpoint elsewhere and pass its folder"
    )


@exporting
def test_a_folder_without_a_model_is_an_error(here: Path) -> None:
    Path("empty").mkdir()
    assert generate(words(), "--lang", "fra", "--model", "empty") == failed(
        "empty holds no config.json: give the folder of a transformers checkpoint"
    )


@exporting
def test_a_name_that_is_no_model_is_an_error(here: Path) -> None:
    assert generate(words(), "--lang", "fra", "--model", "no/such/folder") == failed(
        "no/such/folder is neither a folder nor a hub id: give a folder that holds config.json and *.safetensors, "
        "or an id such as charsiu/g2p_multilingual_byT5_tiny_16_layers_100"
    )


@exporting
@pytest.mark.parametrize("command", ["generate words.txt --lang fra -o l.tsv --model", "export -o out", "compile"])
def test_a_checkpoint_of_another_architecture_is_refused_with_all_reasons(here: Path, command: str) -> None:
    words()
    Path("bert").mkdir()
    Path("bert/config.json").write_text('{"model_type": "bert", "vocab_size": 30522}')
    ran = run(*command.split(), "bert")
    assert (ran.exit_code, ran.stdout) == (1, "")
    for reason in ("Error: bert is not a supported ByT5", "model_type is 'bert', not 't5'", "vocab_size is 30522"):
        assert reason in ran.stderr
    assert not Path("out").exists()


@pytest.mark.parametrize(
    "command", ["generate words.txt --lang fra -o l.tsv --model x", "export x -o out", "compile x"]
)
def test_a_checkpoint_without_torch_says_what_to_install(
    here: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    words()
    assert run(*command.split()) == failed(
        "x is a checkpoint, and converting one needs torch and transformers: `pip install 'g2p-batch[export]'`, "
        "or export it on another machine and pass the program's folder"
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


REMEDY = "compile the model on this machine with `g2p-batch compile`"


def test_a_damaged_artifact_is_refused(here: Path) -> None:
    artifact("compiled")
    with Path("compiled/weights.bin").open("r+b") as file:
        file.write(b"1")
    assert generate(words(), "--lang", "fra", "--model", "compiled") == failed(
        f"{here}/compiled/weights.bin is missing or damaged: delete {here}/compiled, then {REMEDY}"
    )
    assert not Path("lexicon.tsv").exists()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"features": ("avx1024", "fpu2")}, "a CPU with avx1024, fpu2, this one lacks it"),
        ({"arch": "vax"}, f"vax, this machine is {platform.machine()}"),
    ],
)
def test_an_artifact_for_another_machine_is_refused(here: Path, target: dict[str, Any], message: str) -> None:
    artifact("compiled", **target)
    assert generate(words(), "--lang", "fra", "--model", "compiled") == failed(
        f"{here}/compiled was compiled for {message}: {REMEDY}"
    )


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
        ("compile bundled --config absent.toml", 2, "absent.toml is not a target configuration ("),
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


def test_export_hands_on_prefix_and_name(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def made(*arguments: Any) -> Any:
        asked.extend(arguments)
        return replace(CONTRACT, prefix="none")

    monkeypatch.setattr(resolve, "require_exporter", lambda model: None)
    monkeypatch.setattr(resolve, "export", made)
    assert run("export", "someone/model", "-o", "out", "--prefix", "none", "--name", "mine") == Ran(
        0, "", "Exported fake to out: prefix `<TAG>:`, 4 languages\n"
    )
    assert asked == [resolve.ModelConfig("someone/model", "none"), Path("out"), "mine"]


def test_languages_finds_by_name_and_by_code() -> None:
    assert run("languages", "norweg") == Ran(
        0,
        "tag  name              bcp47  script  bundled  note\nnob  Norwegian Bokmål  nb     Latn    yes\n",
        "",
    )
    assert run("languages", "de-AT").stdout.splitlines()[1].split() == ["ger", "German", "de", "Latn", "yes"]


def test_languages_lists_all_and_marks_those_of_the_bundled_model() -> None:
    rows = run("languages").stdout.splitlines()
    assert len(rows) == 101
    assert next(row for row in rows if row.startswith("eng-us")).split() == [
        *("eng-us", "English,", "American", "en-US", "Latn", "yes")
    ]
    assert [row.split()[:3] for row in rows if row.startswith("uzb")] == [["uzb", "Uzbek", "uz"]]


def test_languages_without_a_hit_names_the_nearest() -> None:
    ran = run("languages", "Germn")
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert "did you mean ger (German)" in ran.stderr


def test_info_tells_what_a_report_needs(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("cache/programs/ef56").mkdir(parents=True)
    artifact("cache/abcd")
    artifact("cache/bcde", manifest=b"")
    save_json(Path("cache/programs/ef56/contract.json"), CONTRACT)
    monkeypatch.setattr(cpu_families, "cpu_name", lambda: "Some CPU")
    ran = run("info")
    told = dict(re.split(r"  +", line.strip(), maxsplit=1) for line in ran.stdout.splitlines())
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert [*told] == [
        *(
            "g2p-batch",
            "apache-tvm",
            "apache-tvm-ffi",
            "duckdb",
            "pyarrow",
            "CPU",
            "dtypes",
            "cache",
            "abcd",
            "bcde",
            "ef56",
        ),
        *("bundled model", "languages", "prefix", "checkpoint"),
    ]
    assert told["CPU"] == f"Some CPU, usable cores: {cpu_families.usable_cores()}"
    assert told["dtypes"].startswith(f"float32 ({cpu_families.cpu_family().name})")
    assert told["cache"] == str(here / "cache")
    assert told["abcd"] == "fake compiled for portable, float32, 0.0 MiB"
    assert told["bcde"].startswith(f"unreadable: delete {here / 'cache' / 'bcde'}, ")
    assert told["ef56"].startswith("program of fake, ")
    assert told["prefix"] == "space (`<TAG>: `)"
    assert re.fullmatch(r"sha256 [0-9a-f]{64}", told["checkpoint"])


def test_info_works_without_a_cache(here: Path) -> None:
    assert f"{here / 'cache'} (empty)\n" in run("info").stdout


def test_the_commands_are_these_and_each_has_a_help_text_with_an_example() -> None:
    assert tuple(sorted(cli.main.commands)) == COMMANDS
    for name, command in cli.main.commands.items():
        assert command.help
        assert f"g2p-batch {name}" in command.help
        assert all(isinstance(p, click.Argument) or p.help for p in command.params), name
        assert f"`{name}" in README
        assert run(name, "--help").exit_code == 0


def translated(number: signal.Signals) -> None:
    """Meet a signal as inside the compiler, which raises its own error in place of the interrupt."""
    try:
        signal.raise_signal(number)
    except KeyboardInterrupt:
        raise RuntimeError from None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("meet", [signal.raise_signal, translated])
def test_a_signal_before_the_run_exits_with_75(
    opened: list[resolve.Request],
    monkeypatch: pytest.MonkeyPatch,
    meet: Callable[[signal.Signals], None],
    number: signal.Signals,
) -> None:
    before = [signal.getsignal(known) for known in (signal.SIGINT, signal.SIGTERM)]
    monkeypatch.setattr(resolve, "compiled", lambda *_: meet(number))
    assert generate(words(), "--lang", "fra") == Ran(
        75, "", f"Error: stopped by {number.name} before the first shard: run the same command again\n"
    )
    assert [signal.getsignal(known) for known in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_bug_keeps_its_traceback(opened: list[resolve.Request], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(resolve, "compiled", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        generate(words(), "--lang", "fra")


def test_a_closed_pipe_is_no_trouble(here: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-c", "from g2p_batch.cli import main; main()", "languages"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert done.stderr == b""


def test_a_full_standard_output_is_an_error(here: Path) -> None:
    command = [sys.executable, "-c", "from g2p_batch.cli import main; main()", "languages"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    message = b"Error: standard output cannot be written (No space left on device): let it go elsewhere\n"
    assert (done.returncode, done.stderr) == (1, message)


def test_oov_does_not_take_the_place_of_its_input(here: Path) -> None:
    list_ = words("hello\n")
    Path("old.dict").write_text("world\tw\n")
    assert run("oov", list_, "--lang", "eng-us", "--lexicon", "old.dict", "-o", list_) == Ran(
        2, "", f"Error: {list_} would be read as part of the input {list_}: write the list elsewhere\n"
    )


def test_progress_in_a_file_is_at_most_a_line_every_ten_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([0.0, 5.0, 10.0, 12.0, 25.0])
    log = progress.Log(lambda: next(times))
    log.start(4000)
    for words_done in (0, 1000, 500, 1000):
        log.advance(words_done)
    log.close()
    assert capsys.readouterr() == (
        "",
        "1,000 of 4,000 words, 100 words/s, 30 s left\n2,500 of 4,000 words, 100 words/s, 15 s left\n",
    )


def test_progress_on_a_terminal_is_a_bar_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    bar = progress.Bar()
    bar.start(4)
    bar.advance(4)
    bar.close()
    out, err = capsys.readouterr()
    assert out == ""
    assert "4/4" in err
    assert "words/s" in err


@pytest.mark.parametrize(("quota", "cores"), [("max 100000", 8), ("250000 100000", 3), ("1600000 100000", 8), ("", 8)])
def test_a_container_may_allow_fewer_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, cores: int
) -> None:
    (tmp_path / "cpu.max").write_text(f"{quota}\n")
    monkeypatch.setattr(cpu_families, "_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert cpu_families.usable_cores() == cores


def test_lexicons_are_named_with_or_without_their_language(opened: list[resolve.Request]) -> None:
    Path("a=b.dict").write_text("hello\th ə\n", encoding="utf-8")
    Path("c.dict").write_text("eau\to o\n", encoding="utf-8")
    Path("words.tsv").write_text("word\tlang\nhello\teng-us\neau\tfra\n", encoding="utf-8")
    lexicons = ("--lexicon", "en-US=a=b.dict", "--lexicon", "fra=c.dict")
    assert run("oov", "words.tsv", *lexicons) == Ran(0, "word\tlang\n", "2 rows read: 0 words in no lexicon.\n")
    assert run("oov", "words.tsv", "--lang", "fra", "--lexicon", "a=b.dict").stdout == "word\tlang\neau\tfra\n"
    assert generate("words.tsv", *lexicons).exit_code == 0
    assert Path("lexicon.tsv").read_text(encoding="utf-8") == "word\tlang\tpron\nhello\teng-us\thə\neau\tfra\too\n"


class _FakeRay:
    """Stands for a Ray cluster: its workers are processes, and it prints like Ray."""

    def __init__(self) -> None:
        self.asked: list[tuple[str | None, int | None]] = []

    def site(self, address: str | None, gpus: bool) -> OpenSite:
        assert not gpus

        @contextmanager
        def opened(workers: int | None) -> Iterator[Any]:
            self.asked.append((address, workers))
            sys.stdout.write("Ray has something to say\n")
            with this_machine(1) as site:
                yield site

        return opened


@pytest.fixture
def fake_ray(monkeypatch: pytest.MonkeyPatch) -> _FakeRay:
    fake = _FakeRay()
    monkeypatch.setattr(ray_workers, "ray_site", fake.site)
    return fake


def test_generate_and_run_decode_where_the_engine_says(opened: list[resolve.Request], fake_ray: _FakeRay) -> None:
    ran = generate(words(), "--lang", "eng-us", "--engine", "ray", "--ray-address", "head:6379", "--workers", "3")
    assert (ran.exit_code, ran.stdout) == (0, "")
    assert "Ray has something to say" in ran.stderr
    assert Path("lexicon.tsv").read_text(encoding="utf-8") == LEXICON
    assert run("plan", words(), "--lang", "eng-us", "--model", "model", "--run-dir", "big.run").exit_code == 0
    assert run("run", "big.run", "--engine", "ray").exit_code == 0
    assert fake_ray.asked == [("head:6379", 3), (None, None)]
    assert run("merge", "big.run", "-o", "again.tsv").exit_code == 0
    assert Path("again.tsv").read_text(encoding="utf-8") == LEXICON


def test_ray_that_is_not_installed_is_named_before_any_work(
    opened: list[resolve.Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ray" else find(name))
    message = "Error: --engine ray needs Ray: `pip install 'g2p-batch[ray]'`, on all nodes of a cluster\n"
    assert generate(words(), "--lang", "eng-us", "--engine", "ray") == Ran(1, "", message)
    assert not Path("lexicon.tsv.run").exists()


def test_an_earlier_run_is_asked_before_the_model(opened: list[resolve.Request]) -> None:
    assert generate(words("hello\n"), "--lang", "eng-us").exit_code == 0
    later = ("generate", words("world\nhello\n", "more.txt"), "--lang", "eng-us", "--model", "model", "--scores")
    ran = run(*later, "--since-run", "lexicon.tsv.run", "-o", "more.tsv")
    assert "From existing lexicons or runs: 1 word." in ran.stderr
    rows = [line.split("\t") for line in Path("more.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    assert [(row[0], row[2], row[3] != "", row[4]) for row in rows] == [
        ("world", "world", True, "ok"),
        ("hello", "həˈloʊ", True, "ok"),
    ]
    assert run(*later, "--since-run", "absent", "-o", "other.tsv") == failed(
        "absent holds no plan: make one with `g2p-batch plan` or `g2p-batch generate`"
    )
