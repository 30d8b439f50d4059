"""`--config`: options from a file."""

from pathlib import Path

import click
import pytest

from g2p_batch import cli
from tests.cli.commandline import Ran, failed, generate, run, words
from tests.helpers.fake_model import Opened


def test_a_configuration_gives_options_and_the_command_line_wins(opened: list[Opened]) -> None:
    Path("run.toml").write_text('output = "from-file.tsv"\nlang = "fra"\nscores = true\nworkers = 2\norder = "word"\n')
    assert run("generate", words(), "--config", "run.toml", "--model", "model", "--lang", "eng-us").exit_code == 0
    assert (
        Path("from-file.tsv")
        .read_text(encoding="utf-8")
        .startswith("word\tlang\tpron\tlogprob\tstatus\tasked\nhello\teng-us")
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'lexica = "x"\n',
            "run.toml has an unknown key 'lexica': use some of lang, lang-column, word-column, input-format, "
            "encoding, normalize, model, dtype, lexicon, lexicon-phones, since-run, or-anew, shard-words, "
            "spelling, unseen, no-dictionary, variants, min-share, strict, restart, output, force, format, scores, "
            "drop, min-logprob, phones, stress, tones, syllables, clean, phone-map, phone-set, tokens, space-in-word, "
            "reader, order, device, workers, engine, ray-address, memory, run-dir, no-keep",
        ),
        ('lexicon = "x"\n', "run.toml: lexicon is 'x', not a list of texts in quotes"),
        ("lexicon = [1]\n", "run.toml: lexicon is [1], not a list of texts in quotes"),
        ("workers = true\n", "run.toml: workers is True, not a whole number"),
        ("strict = 1\n", "run.toml: strict is 1, not true or false"),
        ('lang = ["fra"]\n', "run.toml: lang is ['fra'], not text in quotes"),
    ],
)
def test_a_wrong_configuration_is_named(opened: list[Opened], text: str, message: str) -> None:
    Path("run.toml").write_text(text)
    assert generate(words(), "--config", "run.toml") == Ran(2, "", f"Error: {message}\n")


def test_a_file_that_is_no_configuration_is_an_error(opened: list[Opened]) -> None:
    Path("run.toml").write_text("lang = fra\n")
    assert generate(words(), "--config", "run.toml") == failed(
        "run.toml cannot be read (Invalid value (at line 1, column 8)): give a TOML file of options"
    )


def test_a_configuration_may_name_every_option_but_itself_and_quiet() -> None:
    command = cli.main.commands["generate"]
    named = {parameter.name for parameter in command.params if isinstance(parameter, click.Option)}
    assert named - {"config", "quiet"} == {
        *("output", "lang", "lang_column", "word_column", "model", "format", "device", "dtype", "workers", "scores"),
        *("order", "normalize", "memory", "run_dir", "strict", "restart", "shard_words", "lexicons", "since_run"),
        *("phones", "stress", "tones", "syllables", "clean", "phone_map", "phone_set", "tokens", "space_in_word"),
        *("engine", "ray_address", "spelling", "unseen", "drop", "min_logprob", "input_format", "encoding", "or_anew"),
        "lexicon_phones",
        "reader",
        *("force", "no_keep", "no_dictionary", "variants", "min_share"),
    }
