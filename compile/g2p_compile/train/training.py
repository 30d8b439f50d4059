"""The loop: batches to steps of the optimizer, measured, logged and saved as it goes."""

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import torch
from torch import Tensor, nn

from g2p_batch.errors import ModelError, RunError, StoppedEarlyError
from g2p_batch.signals import Stop
from g2p_batch.storage.publish import make_folder
from g2p_compile.export.checkpoint import Checkpoint
from g2p_compile.train.batches import IGNORED, Batch, batches
from g2p_compile.train.data import Examples
from g2p_compile.train.journal import Journal, Watcher
from g2p_compile.train.recipe import Precision, Recipe
from g2p_compile.train.save import save_checkpoint
from g2p_compile.train.scoring import score
from g2p_compile.train.state import STATE, Point, load_state, save_state

LAST, BEST = "checkpoint", "best"
"""Folders of the weights saved last, and of those with the least mean character error rate."""


@dataclass(frozen=True)
class Watch:
    """How a training is followed and kept; nothing here changes its weights.

    Attributes:
        device: `cpu` or `cuda[:N]`.
        stored: of saved checkpoints.
        log_steps, dev_steps, save_steps: steps between records of the loss, scores, and saves.
    """

    device: str = "cpu"
    stored: Precision = "bfloat16"
    log_steps: int = 100
    dev_steps: int = 1000
    save_steps: int = 1000


@dataclass(frozen=True)
class Data:
    """What to train on, and the words of schema `REFERENCE` to measure by, if any."""

    examples: Examples
    dev: pa.Table | None = None


def require_folder(folder: Path, resume: bool) -> None:
    """Check, before data are read, that a folder is free for a training, or may be gone on with.

    Raises:
        OutputError: it cannot be made.
        RunError: it holds a training and `resume` does not say to go on with it.
    """
    make_folder(folder)
    if (folder / STATE).exists() and not resume:
        raise RunError(f"{folder} holds a training: give --resume to go on with it, or another folder")


def train(
    checkpoint: Checkpoint, recipe: Recipe, data: Data, folder: Path, watch: Watch, watcher: Watcher, stop: Stop
) -> Point:
    """Train a model to the recipe's last step, from the state in `folder` if there is one.

    Writes `state.safetensors` and `checkpoint/` every `save_steps` and at the end, `best/` when scores are the best
    yet, and `log.jsonl`.

    Args:
        checkpoint: the model that training starts from; it is changed.
        recipe: what shapes the weights.
        data: at least one example.
        folder: of the training; exists.
        watch: how to follow it.
        watcher: told how far it is.
        stop: looked at after each step.

    Raises:
        StoppedEarlyError: a signal came; all steps done are saved.
        RunError: the state in `folder` is of other data or another recipe, or damaged.
        ModelError: the loss is no number any more.
        OutputError, UsageError: as their messages say.
    """
    with _exact():
        return _Training(checkpoint, recipe, data, folder, watch).run(watcher, stop)


@contextmanager
def _exact() -> Iterator[None]:
    """Let torch use only operations whose sums have one order."""
    # cuBLAS reads it when it starts; without it torch refuses.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


class _Training:
    def __init__(self, checkpoint: Checkpoint, recipe: Recipe, data: Data, folder: Path, watch: Watch) -> None:
        self._recipe, self._data, self._folder, self._watch = recipe, data, folder, watch
        self._checkpoint = checkpoint
        self._model = checkpoint.model.to(watch.device).train()
        self._optimizer = _optimizer(self._model, recipe)
        self._identity = recipe.to_record() | {"examples": data.examples.digest()}
        torch.manual_seed(recipe.mix.seed)
        self._point = Point()
        if saved := load_state(folder):
            saved.require(self._identity)
            saved.restore(self._model, self._optimizer)
            self._point = saved.point

    def run(self, watcher: Watcher, stop: Stop) -> Point:
        recipe, watch = self._recipe, self._watch
        journal = Journal(self._folder, watcher, self._point.step)
        watcher.start(self._point.step, recipe.steps)
        interval = _LogInterval()
        coming = batches(self._data.examples, recipe.mix, self._point.cursor)
        while self._point.step < recipe.steps:
            began = time.monotonic()
            batch, cursor = next(coming)
            loss = self._step(batch)
            self._point = replace(
                self._point, step=self._point.step + 1, words=self._point.words + len(batch.sources), cursor=cursor
            )
            interval.add(loss, len(batch.sources), time.monotonic() - began)
            watcher.advance(loss)
            last = self._point.step == recipe.steps
            if last or self._point.step % watch.log_steps == 0:
                rate = recipe.rate_at(self._point.step)
                journal.write(
                    {"step": self._point.step, "words": self._point.words, "rate": float(f"{rate:.4g}")}
                    | interval.mean()
                )
                interval = _LogInterval()
            if self._data.dev is not None and (last or self._point.step % watch.dev_steps == 0):
                self._measure(self._data.dev, journal)
            if last or self._point.step % watch.save_steps == 0:
                self._save()
            self._heed(stop)
        return self._point

    def _step(self, batch: Batch) -> float:
        step = self._point.step + 1
        for group in self._optimizer.param_groups:
            group["lr"] = self._recipe.rate_at(step)
        total = self._loss(batch)
        self._optimizer.zero_grad(set_to_none=True)
        total.backward()
        norm = float(nn.utils.clip_grad_norm_(self._model.parameters(), self._recipe.clip))
        loss = float(total.detach())
        if not math.isfinite(loss + norm):
            raise ModelError(
                f"at step {step} the loss is {loss} and the norm of the gradients {norm}: train again with a lower "
                "--rate, a longer --warmup or --precision float32"
            )
        self._optimizer.step()
        return loss

    def _loss(self, batch: Batch) -> Tensor:
        device = torch.device(self._watch.device)
        sources, inputs, labels = (
            torch.from_numpy(ids).to(device) for ids in (batch.sources, batch.inputs, batch.labels)
        )
        with torch.autocast(device.type, torch.bfloat16, enabled=self._recipe.precision == "bfloat16"):
            logits = self._model(
                input_ids=sources,
                attention_mask=(sources != 0).long(),
                decoder_input_ids=inputs,
                use_cache=False,
            ).logits
        # Flattened: over [B, V, T] this loss has no deterministic form on GPUs.
        return nn.functional.cross_entropy(logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED)

    def _measure(self, words: pa.Table, journal: Journal) -> None:
        scores = score(self._checkpoint, words)
        journal.write({"step": self._point.step} | scores)
        cer = scores["mean"]["cer"]
        if self._point.best is None or cer < self._point.best:
            self._point = replace(self._point, best=cer)
            save_checkpoint(self._checkpoint, self._folder / BEST, self._watch.stored)

    def _save(self) -> None:
        save_state(self._folder, self._point, self._identity, self._model, self._optimizer)
        save_checkpoint(self._checkpoint, self._folder / LAST, self._watch.stored)

    def _heed(self, stop: Stop) -> None:
        try:
            stop.check(f"at step {self._point.step} of {self._recipe.steps}; with --resume nothing of it is lost")
        except StoppedEarlyError:
            self._save()
            raise


class _LogInterval:
    """Loss and speed since the last record."""

    def __init__(self) -> None:
        self._loss, self._steps, self._words, self._seconds = 0.0, 0, 0, 0.0

    def add(self, loss: float, words: int, seconds: float) -> None:
        self._loss += loss
        self._steps += 1
        self._words += words
        self._seconds += seconds

    def mean(self) -> dict[str, float]:
        return {
            "loss": round(self._loss / self._steps, 5),
            "words_per_s": round(self._words / self._seconds, 1),
        }


def _optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    parameters = list(model.parameters())
    if recipe.optimizer == "adafactor":
        return torch.optim.Adafactor(parameters, lr=recipe.rate, weight_decay=recipe.decay)
    return torch.optim.AdamW(parameters, lr=recipe.rate, betas=(0.9, 0.98), weight_decay=recipe.decay)
