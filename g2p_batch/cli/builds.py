"""`compile` and `export`."""

from dataclasses import replace
from pathlib import Path

import click

from g2p_batch import artifacts, contract, errors, host
from g2p_batch.cli.root import dtype_option, folder_size, main, say


@main.command("compile")
@click.argument("model")
@click.option(
    "--target",
    metavar="cpu|cuda|FAMILY|TRIPLE",
    default="cpu",
    show_default=True,
    help=f"This CPU, NVIDIA GPUs, a CPU family ({', '.join(family.name for family in host.FAMILIES)}), or a triple.",
)
@click.option(
    "--arch",
    "architectures",
    metavar="sm_80,...",
    default="",
    help=f"GPUs to compile for.  [default: this machine's, or else {','.join(artifacts.COMMON_GPUS)}]",
)
@dtype_option
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Buckets and batch sizes, as in configs/targets.",
)
@click.option(
    "--tune",
    is_flag=True,
    help="Measure a few register tiles for each matrix product on this CPU and take the fastest; results are the same.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="DIR", help="A new folder.  [default: in the cache]"
)
def compile_(
    model: str,
    target: str,
    architectures: str,
    dtype: contract.DType,
    config: Path | None,
    tune: bool,
    output: Path | None,
) -> None:
    """Compile a model for a CPU, or for GPUs.

    MODEL is `bundled`, the folder of a program or of a checkpoint, or a hub id.

    Prints the folder of the compiled model, then the seconds that compiling took and the folder's size. The folder can
    be copied to other machines of its target and given to `generate --model`. For GPUs it takes nvcc, and no GPU.

    \b
    Examples:
      g2p-batch compile bundled --target avx2 -o bundled-avx2
      g2p-batch compile bundled --target cuda --arch sm_80,sm_90 --dtype bfloat16 -o bundled-gpu
    """
    from g2p_batch import models, publish

    if output:
        publish.require_new_folder(output)
    names = tuple(filter(None, architectures.split(",")))
    folder = models.compile_model(models.Request(model, target, dtype, config, tune, names), say, output)
    seconds = contract.load_manifest(folder).seconds
    click.echo(f"{folder}\n{seconds:.1f} s to compile, {folder_size(folder)}")


@main.command()
@click.argument("model")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="DIR", required=True, help="A new folder.")
@click.option(
    "--prefix",
    type=click.Choice(["space", "none"]),
    help="What MODEL was trained with: `<TAG>: word` or `<TAG>:word`.  [default: as configs/models says, or space]",
)
@click.option("--name", help="Short name.  [default: the last part of MODEL]")
def export(model: str, output: Path, prefix: contract.Prefix | None, name: str | None) -> None:
    """Make a program of a checkpoint.

    MODEL is the folder of a checkpoint or a hub id; a program compiles where torch is not installed. Making one needs
    `pip install 'g2p-batch[export]'`.

    \b
    Example:
      g2p-batch export charsiu/g2p_multilingual_byT5_tiny_16_layers_100 -o tiny_16
    """
    from g2p_batch import models, publish

    if model == models.BUNDLED_NAME or (Path(model) / "contract.json").is_file():
        raise errors.UsageError(f"{model} is a program already: give it to `compile` or `generate --model`")
    publish.require_new_folder(output)
    models.require_exporter(model)
    config = models.model_config(model)
    made = models.export(replace(config, prefix=prefix or config.prefix), output, name)
    say(f"Exported {made.name} to {output}: prefix `{made.prefix_for('TAG')}`, {len(made.languages)} languages")
