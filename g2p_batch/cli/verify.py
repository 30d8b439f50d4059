"""`verify`."""

import click

from g2p_batch import errors
from g2p_batch.cli import completion
from g2p_batch.cli.held_words import asked_texts, list_lang_option
from g2p_batch.cli.main import device_option, dtype_option, main, quiet_option, say
from g2p_batch.model import contract
from g2p_batch.model.devices import Device, use_one


@main.command()
@click.argument("model", default="bundled", shell_complete=completion.models)
@dtype_option
@device_option
@click.option(
    "--words",
    metavar="FILE",
    is_eager=True,
    shell_complete=completion.files,
    help="A word list to compare with transformers on.  [default: the golden words]",
)
@list_lang_option
@quiet_option
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
    from g2p_batch.model.compiler import require_compiler
    from g2p_batch.model.resolve import find_model

    subject = find_model(model, say, dtype=dtype, target=device.kind)
    require_compiler()  # the proofs look into it
    from g2p_compile.check.verify import verify as run

    table = asked_texts(words, lang, subject.contract) if words else None
    checks = run(subject, say, table)
    click.echo(checks.to_text())
    if not checks.held:
        raise errors.ModelError(f"the compiled model of {model} is not the checkpoint: do not use it")
