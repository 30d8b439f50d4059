"""Options of the commands that plan, run and merge, and what they become: one checked object for each step."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from g2p_batch import errors
from g2p_batch.cli import completion
from g2p_batch.cli.main import device_option, dtype_option, say
from g2p_batch.cli.options import (
    all_of,
    configured,
    existing_lexicons,
    format_option,
    lexicon_option,
    list_options,
    model_option,
    reader_option,
)
from g2p_batch.cli.progress import progress
from g2p_batch.model.contract import MOST_VARIANTS
from g2p_batch.storage.locations import Location, located

if TYPE_CHECKING:
    from g2p_batch.model.nbest import Search
    from g2p_batch.model.resolve import Model
    from g2p_batch.run.conform import Phonetics
    from g2p_batch.run.output import LexiconOutput
    from g2p_batch.run.plan import PlanOptions
    from g2p_batch.workers.remaining import Decoding
    from g2p_batch.workers.scheduler import WorkerBackend

input_options = all_of(
    list_options,
    model_option,
    dtype_option,
    lexicon_option(
        "An existing lexicon, in any format of --format, or of wikipron, ipa-dict, phonetisaurus and sequitur: words "
        "that it holds are not asked of the model. May be repeated; the first that holds a word counts."
    ),
    click.option(
        "--lexicon-phones",
        type=click.Choice(["auto", "ipa", "x-sampa", "arpabet", "own"]),
        default="auto",
        show_default=True,
        help="Alphabet of existing lexicons, which are read as IPA: the one that they show, another, or the phones of "
        "--phone-map, which stay.",
    ),
    click.option(
        "--since-run",
        type=located,
        metavar="DIR",
        shell_complete=completion.folders,
        help="Folder of an earlier run with the same model: words that it has decoded are taken from it, with scores.",
    ),
    click.option(
        "--or-anew", is_flag=True, help="With --since-run: decode all anew where its answers would be others today."
    ),
    click.option(
        "--shard-words",
        type=click.IntRange(min=1),
        default=65536,
        show_default=True,
        help="Most words decoded and committed together, when a run is planned; changes no output.",
    ),
    click.option(
        "--spelling",
        type=click.Choice(["on", "off"]),
        default="on",
        show_default=True,
        help="Ask for words as the model learnt to spell (docs/spelling.md), or as they are.",
    ),
    click.option(
        "--unseen",
        type=click.Choice(["keep", "reject"]),
        default="keep",
        show_default=True,
        help="Words with characters that the model never saw: pronounce and flag them, or reject them.",
    ),
    click.option(
        "--no-dictionary",
        is_flag=True,
        help="Ask the model also for words that its dictionary says otherwise.",
    ),
    click.option(
        "--variants",
        type=click.IntRange(1, MOST_VARIANTS),
        metavar="N",
        help="The N most probable pronunciations of each word, proven (docs/variants.md).  [default: "
        "the one of greedy decoding]",
    ),
    click.option(
        "--min-share",
        type=click.FloatRange(0, 1),
        metavar="P",
        help="With --variants: leave out pronunciations less probable than this share of the best.  [default: 0.01]",
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
        shell_complete=completion.files,
        help="The lexicon to write, or - for standard output; {lang} in its name makes one for each language.",
    ),
    click.option(
        "--force",
        is_flag=True,
        help="Replace a lexicon that was changed since this run wrote it, or that it did not write.",
    ),
    format_option("by the suffix of OUTPUT"),
    click.option(
        "--scores",
        is_flag=True,
        help="Also write log-probability, status and what was asked to TSV and JSON lines, and lexiconp.txt to "
        "kaldi-dict; Parquet always has them.",
    ),
    click.option(
        "--drop",
        type=click.Choice(
            ["truncated", "repeated", "invalid_utf8", "invalid", "empty", "unseen_character", "acronym", "unproven"]
        ),
        multiple=True,
        help="Reject words of this status; may be repeated.",
    ),
    click.option(
        "--min-logprob",
        type=float,
        metavar="X",
        help="Reject pronunciations with a lower log-probability.",
    ),
    click.option(
        "--phones",
        type=click.Choice(["ipa", "x-sampa", "arpabet", "raw"]),
        help="Alphabet of phones, which TSV then has beside pronunciations; raw: IPA as the model writes it, each "
        "sound in one way or several.  [default: ipa, in cmudict arpabet]",
    ),
    click.option(
        "--stress",
        type=click.Choice(["keep", "attach", "separate", "drop"]),
        help="Stress marks: before the phone where they stand, at the vowel of the syllable, phones of their own, or "
        "none, as PocketSphinx wants.  [default: keep; drop in IPA for MFA]",
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
    reader_option("Write what this program takes of its format"),
    click.option(
        "--order",
        type=click.Choice(["input", "word"]),
        default="input",
        show_default=True,
        help="Sort by first input row, or by language and word; kaldi and sherpa lexicons are sorted by word.",
    ),
)

worker_options = all_of(
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

run_dir_argument = click.argument("run_dir", metavar="RUN_DIR", type=located, shell_complete=completion.folders)


def plan_options(
    inputs: tuple[str, ...], options: Mapping[str, Any], model: "Model", run_dir: Location
) -> "PlanOptions":
    """Return what to plan."""
    from g2p_batch.api import supported_tag
    from g2p_batch.run.lookup import EarlierRun
    from g2p_batch.run.plan import PlanOptions
    from g2p_batch.words.wordlist import WordLists

    lang = options["lang"]
    return PlanOptions(
        words=WordLists(
            inputs,
            lang=None if lang is None else supported_tag(lang, model.contract),
            lang_column=options["lang_column"],
            word_column=options["word_column"],
            kind=options["input_format"],
            encoding=options["encoding"],
        ),
        contract=model.contract,
        run_dir=run_dir,
        model=model.lasting_name,
        dtype=model.dtype,
        normalize=options["normalize"],
        spelling=options["spelling"],
        unseen=options["unseen"],
        memory=options["memory"],
        shard_words=options["shard_words"],
        strict=options["strict"],
        restart=options["restart"],
        lexicons=existing_lexicons(options["lexicons"], options["lexicon_phones"]),
        since=EarlierRun(options["since_run"]) if options["since_run"] else None,
        or_anew=options["or_anew"],
        dictionary=not options["no_dictionary"],
        search=_search(options["variants"], options["min_share"]),
    )


def _search(variants: int | None, min_share: float | None) -> "Search | None":
    from g2p_batch.model.nbest import Search

    if variants is None:
        if min_share is not None:
            raise errors.UsageError("--min-share is of no use without --variants: give both, or leave it out")
        return None
    return Search(variants) if min_share is None else Search(variants, min_share)


@contextmanager
def standard_output(options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give options with a file for the output `-`; it is copied to standard output when it is written.

    The run is in a temporary folder then, unless another is asked for: it cannot go on.

    Raises:
        UsageError: the format is a folder, or each language has a lexicon of its own.
    """
    if options["output"] != Path("-"):
        yield options
        return
    from g2p_batch.formats.registry import format_for

    name = options["format"] or "tsv"
    if format_for(options["output"], name).files:
        raise errors.UsageError(f"{name} is a folder, which standard output cannot be: name it with -o DIR")
    with TemporaryDirectory(prefix="g2p-batch-") as folder:
        lexicon = Path(folder, "lexicon")
        run_dir = options.get("run_dir") or Path(folder, "run")
        yield options | {"output": lexicon, "format": name, "run_dir": run_dir}
        with lexicon.open("rb") as file:
            copyfileobj(file, sys.stdout.buffer)


def lexicon_output(options: Mapping[str, Any]) -> "LexiconOutput":
    """Return what to write; `--phone-map` and `--phone-set` are read."""
    from g2p_batch.run.conform import Unwanted
    from g2p_batch.run.output import LexiconOutput

    return LexiconOutput(
        path=options["output"],
        format_name=options["format"],
        order=options["order"],
        scores=options["scores"],
        memory=options["memory"],
        partial=options.get("partial", False),
        strict=options["strict"],
        phones=_phonetics(options),
        unwanted=Unwanted(tuple(sorted({*options["drop"]})), options["min_logprob"]),
        space_in_word=options["space_in_word"],
        tokens=options["tokens"],
        reader=options["reader"],
        force=options["force"],
    )


_STYLE = {"phones": "alphabet", "stress": "stress", "tones": "tones", "syllables": "syllables", "clean": "clean"}
"""Options of phones, and what `Style` calls them."""


def _phonetics(options: Mapping[str, Any]) -> "Phonetics":
    from g2p_batch.phones import Style, read_phone_map, read_phone_set
    from g2p_batch.run.conform import Phonetics

    style = {field: options[name] for name, field in _STYLE.items() if options[name]}
    if options["phone_map"] is not None:
        style["phone_map"] = read_phone_map(options["phone_map"])
    phone_set = None if options["phone_set"] is None else read_phone_set(options["phone_set"])
    return Phonetics(Style(**style), bool(style), phone_set, frozenset(style))


def worker_backend(options: Mapping[str, Any]) -> "WorkerBackend[Any]":
    """Return where workers are to live; what is missing for that is told before any work."""
    address, device, workers = options["ray_address"], options["device"], options["workers"]
    on_gpus = device.kind == "cuda"
    if options["engine"] == "ray":
        from g2p_batch.workers.ray_workers import RayActors

        if on_gpus and device.numbers:
            raise errors.UsageError("Ray gives every actor a GPU of its own: say --device cuda, without numbers")
        return RayActors(address, workers, on_gpus, output=sys.stderr)
    from g2p_batch.workers.processes import LocalProcesses

    if address is not None:
        raise errors.UsageError("--ray-address is of no use here: add --engine ray")
    return LocalProcesses.on_gpus(device, workers) if on_gpus else LocalProcesses.on_cores(workers)


def decoding(model: "Model", backend: "WorkerBackend[Any]") -> "Decoding":
    """Return who decodes, and how far that is shown."""
    from g2p_batch.workers.remaining import Decoding

    return Decoding(model, backend, progress(), say)
