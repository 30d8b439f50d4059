"""Options of the commands that plan, run and merge."""

from pathlib import Path

import click

from g2p_batch.cli.main import device_option, dtype_option
from g2p_batch.cli.options import all_of, configured, lexicon_option, list_options, model_option
from g2p_batch.storage.locations import located

input_options = all_of(
    list_options,
    model_option,
    dtype_option,
    lexicon_option(
        "An existing lexicon in any format of --format: words that it holds are not asked of the model. May be "
        "repeated; the first that holds a word counts."
    ),
    click.option(
        "--since-run",
        type=located,
        metavar="DIR",
        help="Folder of an earlier run with the same model: words that it has decoded are taken from it, with scores.",
    ),
    click.option(
        "--shard-words",
        type=click.IntRange(min=1),
        default=65536,
        show_default=True,
        help="Most words decoded and committed together, when a run is planned; changes no output.",
    ),
    click.option("--strict", is_flag=True, help="Fail if any row is rejected."),
    click.option("--restart", is_flag=True, help="Discard what an earlier run left in the run directory."),
)

output_options = all_of(
    click.option(
        "-o",
        "--output",
        type=located,
        metavar="PATH|URL",
        required=True,
        help="The lexicon to write; {lang} in its name makes one for each language.",
    ),
    click.option(
        "--format",
        metavar="F",
        help="tsv, charsiu, parquet, jsonl, mfa, mfa-prob, kaldi, kaldi-prob, kaldi-dict, icefall, sherpa, cmudict or "
        "pls.  [default: by the suffix of OUTPUT]",
    ),
    click.option(
        "--scores",
        is_flag=True,
        help="Also write log-probability and status to TSV and JSON lines, and lexiconp.txt to kaldi-dict; Parquet "
        "always has them.",
    ),
    click.option(
        "--phones",
        type=click.Choice(["ipa", "x-sampa", "arpabet"]),
        help="Alphabet of phones, which TSV then has beside pronunciations.  [default: ipa, in cmudict arpabet]",
    ),
    click.option(
        "--stress",
        type=click.Choice(["keep", "attach", "separate", "drop"]),
        help="Stress marks: before the phone where they stand, at the vowel of the syllable, phones of their own, or "
        "none.  [default: keep]",
    ),
    click.option(
        "--tones",
        type=click.Choice(["attach", "separate"]),
        help="Tones at the phone before, or phones of their own.  [default: separate]",
    ),
    click.option(
        "--syllables",
        type=click.Choice(["keep", "drop"]),
        help="Dots and other breaks as phones, or none.  [default: drop]",
    ),
    click.option("--clean", is_flag=True, help="Mend what a language's training data writes that is not IPA."),
    click.option(
        "--phone-map",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Your own phones: lines of IPA, a tab and the phones written for it.",
    ),
    click.option(
        "--phone-set",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Count phones that this list, one a line, does not have.",
    ),
    click.option(
        "--tokens",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="tokens.txt of a sherpa-onnx voice: reject words with other phones.",
    ),
    click.option(
        "--space-in-word",
        metavar="CHAR",
        help="Write words with blanks with this character where a format cannot hold blanks.",
    ),
    click.option(
        "--order",
        type=click.Choice(["input", "word"]),
        default="input",
        show_default=True,
        help="Sort by first input row, or by language and word; kaldi and sherpa lexicons are sorted by word.",
    ),
)

team_options = all_of(
    device_option,
    click.option(
        "--workers",
        type=click.IntRange(min=1),
        help="Processes or actors that decode.  [default: usable cores, or GPUs; those of the cluster where one is "
        "joined]",
    ),
    click.option(
        "--engine",
        type=click.Choice(["local", "ray"]),
        default="local",
        show_default=True,
        help="Decode in processes of this machine, or in Ray actors.",
    ),
    click.option(
        "--ray-address",
        metavar="ADDRESS",
        help="Running Ray cluster to join: HOST:PORT of its head, or auto.  [default: RAY_ADDRESS, or else a Ray of "
        "its own on this machine]",
    ),
)

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE.toml",
    is_eager=True,
    expose_value=False,
    callback=configured,
    help='Options as TOML, named as here (`lang-column = "tag"`); the command line wins.',
)

run_dir_argument = click.argument("run_dir", metavar="RUN_DIR", type=located)
