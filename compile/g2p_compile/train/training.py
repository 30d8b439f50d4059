"""The loop: batches to steps of the optimizer, measured, logged and saved as it goes."""

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor, nn

from g2p_batch.errors import ModelError, RunError, StoppedEarlyError
from g2p_batch.signals import Stop
from g2p_batch.storage.publish import make_folder
from g2p_compile.export.checkpoint import Checkpoint
from g2p_compile.train.batches import Batch, batches
from g2p_compile.train.data import Examples
from g2p_compile.train.gradients import Gradients
from g2p_compile.train.journal import Journal, Watcher
from g2p_compile.train.network import Network
from g2p_compile.train.optimizers import Optimizers
from g2p_compile.train.recipe import Precision, Recipe
from g2p_compile.train.save import DTYPES, save_checkpoint
from g2p_compile.train.scoring import score
from g2p_compile.train.state import STATE, Point, load_state, save_state
from g2p_compile.train.threads import Threads, threads

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
    with _exact(), threads(watch.device) as workers:
        return _Training(checkpoint, recipe, data, folder, watch, workers).run(watcher, stop)


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
    def __init__(
        self, checkpoint: Checkpoint, recipe: Recipe, data: Data, folder: Path, watch: Watch, workers: Threads
    ) -> None:
        self._recipe, self._data, self._folder, self._watch = recipe, data, folder, watch
        self._checkpoint = checkpoint
        self._model = checkpoint.model.to(watch.device).train()
        geometry = checkpoint.contract.geometry
        network = Network(self._model, DTYPES[recipe.precision], geometry.logit_scale, recipe.dropout)
        self._gradients = Gradients(network, [*self._model.parameters()], watch.device, workers)
        self._optimizers = Optimizers(self._model, recipe, workers)
        self._examples = data.examples.digest()
        torch.manual_seed(recipe.mix.seed)
        self._point = Point()
        self._interval = _LogInterval()
        if saved := load_state(folder):
            saved.require(self._identity(saved.point.step))
            saved.restore(self._model, self._optimizers)
            self._point = saved.point

    def _identity(self, step: int) -> dict[str, Any]:
        return self._recipe.to_record(step) | {"examples": self._examples}

    def run(self, watcher: Watcher, stop: Stop) -> Point:
        recipe, watch = self._recipe, self._watch
        journal = Journal(self._folder, watcher, self._point.step)
        watcher.start(self._point.step, recipe.steps)
        interval = self._interval
        coming = batches(self._data.examples, recipe.mix, self._point.cursor)
        while self._point.step < recipe.steps:
            began = time.monotonic()
            batch, cursor = next(coming)
            measured = self._step(batch)
            self._point = replace(
                self._point, step=self._point.step + 1, words=self._point.words + len(batch.sources), cursor=cursor
            )
            # Read a step late, so that a GPU always has the next step at hand.
            interval.add(self._point.step, measured, len(batch.sources), time.monotonic() - began)
            watcher.advance(interval.loss)
            last = self._point.step == recipe.steps
            if last or self._point.step % watch.log_steps == 0:
                rate = recipe.rate_at(self._point.step)
                journal.write(
                    {"step": self._point.step, "words": self._point.words, "rate": float(f"{rate:.4g}")}
                    | interval.take()
                )
            if self._data.dev is not None and (last or self._point.step % watch.dev_steps == 0):
                self._measure(self._data.dev, journal)
            if last or self._point.step % watch.save_steps == 0:
                self._save()
            self._heed(stop)
        return self._point

    def _step(self, batch: Batch) -> Tensor:
        """Return the loss and the norm of the gradients, [2] on the device."""
        loss = self._gradients.set(batch)
        norm = nn.utils.clip_grad_norm_(self._model.parameters(), self._recipe.clip)
        self._optimizers.step(self._recipe.rate_at(self._point.step + 1))
        return torch.stack((loss, norm))

    def _measure(self, words: pa.Table, journal: Journal) -> None:
        scores = score(self._checkpoint, words)
        journal.write({"step": self._point.step} | scores)
        cer = scores["mean"]["cer"]
        if self._point.best is None or cer < self._point.best:
            self._point = replace(self._point, best=cer)
            save_checkpoint(self._checkpoint, self._folder / BEST, self._watch.stored)

    def _save(self) -> None:
        self._interval.read()  # weights that are no numbers are not to take the place of sound ones
        save_state(self._folder, self._point, self._identity(self._point.step), self._model, self._optimizers)
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
        self.loss = 0.0
        """Of the last step that was read."""
        self._unread: tuple[int, Tensor] | None = None
        self._begin()

    def _begin(self) -> None:
        self._total, self._steps, self._words, self._seconds = 0.0, 0, 0, 0.0

    def add(self, step: int, measured: Tensor, words: int, seconds: float) -> None:
        """Take the loss and the norm of the gradients of a step, [2], and read those of the step before it.

        Raises:
            ModelError: as `read` says.
        """
        self.read()
        self._unread = step, measured
        self._words += words
        self._seconds += seconds

    def take(self) -> dict[str, float]:
        """Return what is logged, and begin anew.

        Raises:
            ModelError: as `read` says.
        """
        self.read()
        mean = {
            "loss": round(self._total / self._steps, 5),
            "words_per_s": round(self._words / self._seconds, 1),
        }
        self._begin()
        return mean

    def read(self) -> None:
        """Wait for the last step's loss.

        Raises:
            ModelError: it is no number.
        """
        if self._unread is None:
            return
        step, measured = self._unread
        self.loss, norm = measured.tolist()
        self._unread = None
        self._steps += 1
        self._total += self.loss
        if not math.isfinite(self.loss + norm):
            raise ModelError(
                f"at step {step} the loss is {self.loss} and the norm of the gradients {norm}: train again with a "
                "lower --rate, a longer --warmup or --precision float32"
            )
