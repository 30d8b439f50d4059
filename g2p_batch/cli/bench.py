"""`bench`."""

from pathlib import Path
from typing import Any

import click

from g2p_batch import errors
from g2p_batch.cli import completion
from g2p_batch.cli.held_words import asked_texts, list_lang_option
from g2p_batch.cli.help_groups import GroupedCommand
from g2p_batch.cli.main import device_option, dtype_option, main, quiet_option, say
from g2p_batch.model import cpu_families
from g2p_batch.model.contract import MOST_VARIANTS
from g2p_batch.model.devices import Device, use_one

_SHAPES = ("tiny_8", "tiny_12", "tiny_16", "small")
PEERS = ("transformers", "ctranslate2", "onnxruntime")


@main.command(cls=GroupedCommand)
@click.argument("model", default="bundled", shell_complete=completion.models)
@dtype_option
@device_option
@click.option(
    "--words",
    metavar="FILE",
    is_eager=True,
    help="A word list.  [default: 2,000 mixed words of 11 languages]",
    shell_complete=completion.files,
)
@list_lang_option
@click.option(
    "--shape",
    "shapes",
    multiple=True,
    metavar=f"[random:]{'|'.join(_SHAPES)}",
    shell_complete=completion.one_of(_SHAPES),
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
    default=cpu_families.usable_cores,
    show_default="usable cores",
    help="Threads of all on the CPU.",
)
@click.option(
    "--peers",
    is_flag=True,
    help="Also measure CTranslate2, ONNX Runtime and transformers in bfloat16; on a GPU, more ways to run it.",
)
@click.option(
    "--peer",
    "programs",
    multiple=True,
    type=click.Choice(PEERS),
    help="Measure beside this one only, in each of its number formats; may be given several times.",
)
@click.option(
    "--variants",
    type=click.IntRange(1, MOST_VARIANTS),
    metavar="N",
    help="Race for the N most probable pronunciations of each word, against peers with as many beams, on a CPU.",
)
@click.option("--json", "json_path", type=click.Path(path_type=Path), metavar="FILE", help="Write all figures as JSON.")
@click.option(
    "--plot", "plot_path", type=click.Path(path_type=Path), metavar="FILE", help="Draw words per second: .svg or .png."
)
@quiet_option
def bench(
    model: str,
    device: Device,
    words: str | None,
    lang: str | None,
    shapes: tuple[str, ...],
    json_path: Path | None,
    plot_path: Path | None,
    variants: int | None,
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
      g2p-batch bench --variants 4 --peer ctranslate2
      g2p-batch bench --device cuda --dtype bfloat16 --shape tiny_16 --copies 50 --peers
    """
    if options["peers"] and options["programs"]:
        raise errors.UsageError("--peers measures beside all that are known, --peer beside some: leave one of them out")
    if variants and device.kind == "cuda":
        raise errors.UsageError("on a GPU one pronunciation of a word is found: leave out --variants or --device")
    use_one(device)  # before anything that imports PyTorch, which may look for GPUs
    from g2p_batch.model.compiler import require_compiler, require_torch
    from g2p_batch.model.resolve import find_model, require_weights
    from g2p_batch.model.shipped import shipped
    from g2p_batch.storage.publish import require_writable, writing

    require_weights(model)
    require_torch("measuring beside transformers", "bench")
    require_compiler()
    from g2p_compile import bench as run

    for path in filter(None, (json_path, plot_path)):
        require_writable(path)
    if plot_path:
        run.require_plot(plot_path)
    subject = find_model(model, say, dtype=options["dtype"], target=device.kind)
    table = asked_texts(words or str(shipped("golden/bench.tsv")), lang, subject.contract)
    table = table.take(list(range(len(table))) * options["copies"])
    workers = 1 if device.kind == "cuda" else options["workers"]
    chosen = {name: options[name] for name in ("rounds", "peers", "programs")}
    wanted = run.Options(table, shapes, workers=workers, variants=variants, **chosen)
    report = run.bench(subject, wanted, say)
    click.echo(report.to_text())
    if json_path:
        with writing(json_path):
            json_path.write_text(report.to_json() + "\n", encoding="utf-8")
    if plot_path:
        with writing(plot_path):
            run.draw(report, plot_path)
