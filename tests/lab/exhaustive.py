"""The most probable outputs beside an exhaustive search by torch: `python -m tests.lab.exhaustive [N]`.

Looks for N outputs of each golden word in float32, with nothing left out, on all cores.
"""

import os
import sys
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from math import exp, log
from multiprocessing import get_context

import numpy as np
import pyarrow as pa
import torch

from g2p_batch.cli.held_words import asked_texts
from g2p_batch.model.ids import BYTE_OFFSET, EOS
from g2p_batch.model.nbest import Search
from g2p_batch.model.progress import Silent
from g2p_batch.model.resolve import find_model
from g2p_batch.model.shipped import shipped
from g2p_batch.model.threaded import pronounce_variants
from g2p_compile.check.planned_words import planned
from g2p_compile.check.transformers_reference import load_reference
from g2p_compile.export.checkpoint import Checkpoint
from tests.helpers.nbest_oracle import variants

_checkpoint: list[Checkpoint] = []


def load() -> None:
    """Load the checkpoint of a process that searches by torch."""
    torch.set_num_threads(1)
    _checkpoint.append(load_reference("bundled"))


def by_torch(word: str, lang: str, count: int) -> Sequence[tuple[str, float]]:
    """Return the texts of the `count` most probable outputs and their log-probabilities, each text once."""
    probability: dict[str, float] = defaultdict(float)
    for said, logprob in variants(_checkpoint[0], word, lang, count, 0.0):
        text = bytes(token - BYTE_OFFSET for token in said if token != EOS).decode(errors="ignore")
        probability[text] += exp(logprob)
    return sorted(((text, log(p)) for text, p in probability.items()), key=lambda one: (-one[1], one[0].encode()))


def compared(count: int) -> str:
    """Return of how many words the outputs differ from those by torch, or their order does."""
    artifact = find_model("bundled", print, dtype="float32").open(print)
    contract = artifact.manifest.contract
    table = asked_texts(str(shipped("golden/bench.tsv")), None, contract)
    words, langs = table["word"].to_pylist(), table["lang"].to_pylist()
    asked, search, workers = planned(words, langs, contract), Search(count, 0.0), os.cpu_count() or 1
    out = pronounce_variants(asked, contract, artifact.engine, workers, Silent(), search)
    with ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=load) as pool:
        wanted = list(pool.map(by_torch, words, langs, repeat(count), chunksize=20))
    unproven, other, distance = 0, [], 0.0
    for number, expected in enumerate(wanted):
        rows = np.flatnonzero(out.word == number)
        if not out.proven[rows].all():
            unproven += 1
        elif out.answers.pron.take(pa.array(rows)).to_pylist() != [text for text, _ in expected]:
            other.append(f"{words[number]} ({langs[number]})")
        else:
            away = np.abs(out.answers.logprob[rows] - np.array([score for _, score in expected]))
            distance = max(distance, float(away.max()))
    return (
        f"N = {count}: of {len(words):,} words {unproven} are unproven, {len(other)} others differ in outputs or their "
        f"order; log-probabilities of the rest differ by at most {distance:.1e}. {', '.join(other)}".rstrip()
    )


if __name__ == "__main__":
    print(compared(int(sys.argv[1]) if len(sys.argv) > 1 else 5))  # noqa: T201
