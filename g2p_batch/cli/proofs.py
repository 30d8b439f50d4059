"""`verify` and `bench`."""

from pathlib import Path
from typing import Any

import click

from g2p_batch import contract, errors, host
from g2p_batch.cli.root import device_option, dtype_option, locate, main, say
from g2p_batch.devices import Device, use_one


def _of_words(ctx: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """Refuse a language without words; `--words` is read first."""
    if value is not None and ctx.params["words"] is None:
        raise errors.UsageError("--lang is the language of the words of --words FILE: give both, or leave it out")
    return value


_lang_option = click.option("--lang", metavar="TAG", callback=_of_words, help="Language of all words of FILE.")


@main.command()
@click.argument("model", default="bundled")
@dtype_option
@device_option
@click.option(
    "--words",
    metavar="FILE",
    is_eager=True,
    help="A word list to compare with transformers on.  [default: the golden words]",
)
@_lang_option
def verify(model: str, dtype: contract.DType, device: Device, words: str | None, lang: str | None) -> None:
    """Prove that a compiled model says what the checkpoint says.

    Compares the compiled model with its golden words, decoding with and without caches; with transformers, where it is
    installed; and with what others published for the checkpoint. Tells which prefix form the checkpoint was trained
    with. Every string that differs is listed with the margin by which the reference chose it. Exits with 1 if a check
    fails.

    \b
    Examples:
      g2p-batch verify
      g2p-batch verify charsiu/g2p_multilingual_byT5_tiny_16_layers_100
    """
    use_one(device)  # before anything that imports PyTorch, which may look for GPUs
    from g2p_batch.models import Request
    from g2p_compile.verify import verify as run

    _, facts = locate(model)
    table = _unique_words(words, lang, facts) if words else None
    found = run(Request(model, device.kind, dtype), say, table)
    click.echo(found.to_text())
    if not found.held:
        raise errors.ModelError(f"the compiled model of {model} is not the checkpoint: do not use it")


def _unique_words(path: str, lang: str | None, facts: contract.Contract) -> Any:
    """Return the words of a list that can be pronounced, once each: a table with word and lang."""
    import pyarrow as pa

    from g2p_batch.screen import WORDS, distinct, screen
    from g2p_batch.wordlist import Source, read

    good = [screen(batch, facts, "nfc")[0] for batch in read(Source((path,), lang=lang))]
    words = pa.Table.from_batches(good, WORDS)
    if not len(words):
        raise errors.InputError(f"{path} holds no word that {facts.name} can pronounce: check words and languages")
    return words.take(distinct(words)[0])


@main.command()
@click.argument("model", default="bundled")
@dtype_option
@device_option
@click.option(
    "--words", metavar="FILE", is_eager=True, help="A word list.  [default: 2,000 mixed words of 11 languages]"
)
@_lang_option
@click.option(
    "--shape",
    "shapes",
    multiple=True,
    metavar="[random:]tiny_8|tiny_12|tiny_16|small",
    help="Also measure MODEL widened to that shape (the same strings at its cost), or random weights in it.",
)
@click.option(
    "--copies",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Pronounce the list so many times over in each round: a GPU needs 100,000 words to show what it can.",
)
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="Interleaved rounds.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=host.usable_cores,
    show_default="usable cores",
    help="Threads of all on the CPU.",
)
@click.option(
    "--peers",
    is_flag=True,
    help="Also measure CTranslate2, ONNX Runtime and transformers in bfloat16; on a GPU, more ways to run it.",
)
@click.option("--json", "json_path", type=click.Path(path_type=Path), metavar="FILE", help="Write all figures as JSON.")
@click.option(
    "--plot", "plot_path", type=click.Path(path_type=Path), metavar="FILE", help="Draw words per second: .svg or .png."
)
def bench(
    model: str,
    device: Device,
    words: str | None,
    lang: str | None,
    shapes: tuple[str, ...],
    json_path: Path | None,
    plot_path: Path | None,
    **options: Any,
) -> None:
    """Measure words per second beside transformers, and other runtimes with --peers.

    All contestants pronounce the same words in turn, round by round, on the same cores, each in the setting that a
    trial found fastest for it. Shown are medians, how many strings agree, the share of the arithmetic peak that is
    reached, and where our own time goes. Needs `pip install 'g2p-batch[bench]'`.

    \b
    Examples:
      g2p-batch bench --peers --shape tiny_16
      g2p-batch bench --shape random:small --json bench.json --plot bench.svg
      g2p-batch bench --device cuda --dtype bfloat16 --shape tiny_16 --copies 50 --peers
    """
    use_one(device)  # before anything that imports PyTorch, which may look for GPUs
    from g2p_batch import models
    from g2p_batch.publish import require_writable, writing
    from g2p_batch.shipped import shipped

    models.require_exporter(model)
    from g2p_compile import bench as run

    for path in filter(None, (json_path, plot_path)):
        require_writable(path)
    if plot_path:
        run.require_plot(plot_path)
    _, facts = locate(model)
    table = _unique_words(words or str(shipped("golden/bench.tsv")), lang, facts)
    table = table.take(list(range(len(table))) * options["copies"])
    request = models.Request(model, device.kind, options["dtype"])
    workers = 1 if device.kind == "cuda" else options["workers"]
    asked = run.Options(table, shapes, options["rounds"], workers, options["peers"])
    report = run.bench(request, asked, say)
    click.echo(report.to_text())
    if json_path:
        with writing(json_path):
            json_path.write_text(report.to_json() + "\n", encoding="utf-8")
    if plot_path:
        with writing(plot_path):
            run.draw(report, plot_path)
