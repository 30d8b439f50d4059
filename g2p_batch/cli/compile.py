"""`compile`."""

from pathlib import Path

import click

from g2p_batch.cli import completion
from g2p_batch.cli.main import dtype_option, folder_size, main, quiet_option, say
from g2p_batch.model import artifact_cache, contract
from g2p_batch.model.cpu_families import FAMILIES


@main.command("compile")
@click.argument("model", shell_complete=completion.models)
@click.option(
    "--target",
    metavar="cpu|cuda|FAMILY|TRIPLE",
    default="cpu",
    show_default=True,
    shell_complete=completion.targets,
    help=f"This CPU, NVIDIA GPUs, a CPU family ({', '.join(family.name for family in FAMILIES)}), or a triple.",
)
@click.option(
    "--arch",
    "architectures",
    metavar="sm_80,...",
    shell_complete=completion.gpus,
    default="",
    help=f"GPUs to compile for.  [default: this machine's, or else {','.join(artifact_cache.COMMON_GPUS)}]",
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
@quiet_option
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
    from g2p_batch.model.resolve import find_model
    from g2p_batch.storage.publish import require_new_folder

    if output:
        require_new_folder(output)
    names = tuple(filter(None, architectures.split(",")))
    found = find_model(model, say, dtype=dtype, target=target, config=config)
    folder = found.compile(say, output, tune=tune, architectures=names)
    seconds = contract.load_manifest(folder).seconds
    click.echo(f"{folder}\n{seconds:.1f} s to compile, {folder_size(folder)}")
