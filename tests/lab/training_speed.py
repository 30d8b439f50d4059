"""Words/s of a training step in turn with one of transformers' layers: `python -m tests.lab.training_speed LEXICON`.

Run by hand, with nothing else at work. The other step is autocast to bfloat16 and AdamW.
"""

import sys
import time
from collections.abc import Callable, Sequence
from itertools import islice

import click
import torch
from torch.nn import functional as F

from g2p_compile.train.batches import IGNORED, Batch, batches
from g2p_compile.train.gradients import Gradients
from g2p_compile.train.network import Network
from g2p_compile.train.optimizers import Optimizers
from g2p_compile.train.preparation import Files, prepare
from g2p_compile.train.recipe import Recipe
from g2p_compile.train.start import load_start
from g2p_compile.train.threads import Threads, threads

ROUNDS, STEPS, WARM = 3, 10, 12


def theirs(recipe: Recipe) -> Callable[[Batch], None]:
    model = load_start(recipe).model.eval()  # like ours, it drops nothing
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.rate, betas=(0.9, 0.98), fused=True)

    def step(batch: Batch) -> None:
        sources, inputs, labels = map(torch.from_numpy, (batch.sources, batch.inputs, batch.labels))
        with torch.autocast("cpu", torch.bfloat16):
            mask = (sources != 0).long()
            logits = model(input_ids=sources, attention_mask=mask, decoder_input_ids=inputs, use_cache=False).logits
        loss = F.cross_entropy(logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        optimizer.step()

    return step


def ours(recipe: Recipe, workers: Threads) -> Callable[[Batch], None]:
    model = load_start(recipe).model.train()
    gradients = Gradients(Network(model, torch.bfloat16, 1.0), [*model.parameters()], "cpu", workers)
    optimizers = Optimizers(model, recipe, workers)

    def step(batch: Batch) -> None:
        gradients.set(batch)
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        optimizers.step(recipe.rate)

    return step


def measured(step: Callable[[Batch], None], part: Sequence[Batch]) -> str:
    began, busy = time.monotonic(), time.process_time()
    for batch in part:
        step(batch)
    words = sum(len(batch.sources) for batch in part)
    return f"{words / (time.monotonic() - began):.0f} ({words / (time.process_time() - busy):.0f})"


def main() -> None:
    recipe = Recipe()
    examples = prepare(recipe, Files(tuple(sys.argv[1:]))).lexicon.examples
    drawn = [batch for batch, _ in islice(batches(examples, recipe.mix), WARM + ROUNDS * STEPS)]
    with threads("cpu") as workers:
        entrants = {"transformers' layers, AdamW": theirs(recipe), "this, Muon": ours(recipe, workers)}
        for step in entrants.values():
            measured(step, drawn[:WARM])
        click.echo("words/s (words a core-second)")
        for number in range(ROUNDS):
            part = drawn[WARM + number * STEPS :][:STEPS]
            click.echo("; ".join(f"{name}: {measured(step, part)}" for name, step in entrants.items()))


if __name__ == "__main__":
    main()
