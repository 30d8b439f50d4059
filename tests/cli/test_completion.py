"""Completion, as shells ask for it: they start the program with variables that say what is typed."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from g2p_batch import cli
from g2p_batch.languages import LANGUAGES
from tests.helpers.command import REAL, install


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("completion") / "bin", REAL)


def called(program: Path, **variables: str) -> str:
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path} | variables
    done = subprocess.run([program], env=environment, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout


def completed(program: Path, typed: str) -> list[str]:
    """Return what bash is told for the last word that is typed: kind and value."""
    count = len(typed.split(" ")) - 1
    return called(program, _G2P_BATCH_COMPLETE="bash_complete", COMP_WORDS=typed, COMP_CWORD=str(count)).splitlines()


TYPED = {
    "g2p-batch ge": ["plain,generate"],
    "g2p-batch generate --lang eng": ["plain,eng-uk", "plain,eng-us"],
    "g2p-batch generate --lang Icel": ["plain,ice", "plain,isl"],
    "g2p-batch oov --lang klingon": [""],
    "g2p-batch generate --format k": ["plain,kaldi", "plain,kaldi-prob", "plain,kaldi-dict"],
    "g2p-batch merge run --format mfa": ["plain,mfa", "plain,mfa-prob"],
    "g2p-batch validate --format p": ["plain,parquet", "plain,pls", "plain,phonetisaurus"],
    "g2p-batch generate --encoding cp1": ["plain,cp1250", "plain,cp1251", "plain,cp1252"],
    "g2p-batch generate --device c": ["plain,cpu", "plain,cuda"],
    "g2p-batch generate --stress a": ["plain,attach"],
    "g2p-batch generate --model bu": ["plain,bundled", "file,bu"],
    "g2p-batch generate wo": ["file,wo"],
    "g2p-batch generate words.txt -o le": ["file,le"],
    "g2p-batch status big": ["dir,big"],
    "g2p-batch evaluate --lang ger": ["plain,ger"],
    "g2p-batch languages ger": ["plain,ger"],
    "g2p-batch compile bundled --target avx512v": ["plain,avx512vnni"],
    "g2p-batch bench --shape tiny_1": ["plain,tiny_12", "plain,tiny_16"],
}


@pytest.mark.parametrize("typed", TYPED)
def test_what_is_typed_is_completed(program: Path, typed: str) -> None:
    assert completed(program, typed) == TYPED[typed]


def test_every_tag_is_completed_with_its_name(program: Path) -> None:
    told = called(
        program, _G2P_BATCH_COMPLETE="zsh_complete", COMP_WORDS="g2p-batch generate --lang ", COMP_CWORD="3"
    ).splitlines()
    tags, names = told[1::3], told[2::3]
    assert dict(zip(tags, names, strict=True)) == {tag: language.name for tag, language in LANGUAGES.items()}


def test_fish_is_told_values_with_their_meaning(program: Path) -> None:
    typed = {"COMP_WORDS": "g2p-batch generate --lang fra", "COMP_CWORD": "fra"}
    told = called(program, _G2P_BATCH_COMPLETE="fish_complete", **typed)
    assert [line.split("\t")[0] for line in told.splitlines()] == ["plain,fra", "plain,fra-qu"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_is_given_its_script(program: Path, shell: str) -> None:
    assert f"{shell}_complete" in called(program, _G2P_BATCH_COMPLETE=f"{shell}_source")


def test_bash_completes_with_its_script(program: Path) -> None:
    script = """
        eval "$(_G2P_BATCH_COMPLETE=bash_source g2p-batch)"
        COMP_WORDS=(g2p-batch generate --format kaldi-) COMP_CWORD=3
        _g2p_batch_completion g2p-batch
        echo "${COMPREPLY[@]}"
    """
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", "--norc", "-c", script]
    done = subprocess.run(command, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["kaldi-prob", "kaldi-dict"]


FREE = {
    *("lang_column", "word_column", "memory", "min_logprob", "space_in_word", "ray_address", "task", "weights"),
    *("name", "dtype"),
}
"""Parameters whose values nobody can list."""


def test_every_value_that_a_set_or_the_disk_has_is_completed() -> None:
    context = click.Context(cli.main)
    lacking = {
        f"{name} {parameter.name}"
        for name, command in cli.main.commands.items()
        for parameter in command.params
        if not isinstance(parameter.type, click.types.IntRange | click.types.FloatRange | click.types.BoolParamType)
        and parameter.name not in FREE - ({"name"} if name == "validate" else set())
        and not parameter.shell_complete(context, "")
    }
    assert lacking == set()


@pytest.mark.parametrize("arguments", [[], ["generate", "--help"]])
def test_help_and_completion_load_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom g2p_batch import cli\n"
        f"try: cli.main({arguments or ['--help']})\n"
        "except SystemExit: pass\n"
        "heavy = {'pyarrow', 'numpy', 'duckdb', 'torch', 'tvm', 'tvm_ffi', 'jinja2', 'huggingface_hub'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == "[]\n"
