"""Error rates of a trained model beside those of a peer that learnt the same words, on words that neither saw."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.evaluation import evaluate
from g2p_compile.bench.phonetisaurus import train_and_ask
from g2p_compile.check.transformers_reference import answers
from g2p_compile.export.checkpoint import Checkpoint
from g2p_compile.train.data import Examples


@dataclass(frozen=True)
class Compared:
    """One language.

    Attributes:
        lang: its tag.
        words: that were asked.
        cer: character error rate of the model, against the first pronunciation.
        wer: its word error rate.
        pairs: words that the peer was trained on.
        train_s: seconds that took, on one core.
        peer_cer: character error rate of the peer.
        peer_wer: its word error rate.
    """

    lang: str
    words: int
    cer: float
    wer: float
    pairs: int
    train_s: float
    peer_cer: float
    peer_wer: float


def compare(checkpoint: Checkpoint, examples: Examples, held_out: pa.Table, folder: Path) -> list[Compared]:
    """Train Phonetisaurus on the examples of each language, and ask it and the model the words that were held out.

    Args:
        checkpoint: the trained model.
        examples: what it was trained on.
        held_out: words of schema `REFERENCE`.
        folder: for the peer's files.

    Raises:
        PackageError: Phonetisaurus or rapidfuzz is not installed.
        UsageError: Phonetisaurus fails.
    """
    checkpoint.model.eval()
    return [_compared(checkpoint, examples, tag, held_out, folder / tag) for tag in examples.tags]


def _compared(checkpoint: Checkpoint, examples: Examples, tag: str, held_out: pa.Table, folder: Path) -> Compared:
    words = held_out.filter(pc.equal(held_out["lang"], tag))
    asked = words["word"].to_pylist()
    peer = train_and_ask(examples.pairs_of(tag), asked, folder)
    ours = [answer.pron for answer in answers(checkpoint, asked, [tag] * len(asked))]
    (cer, wer), (peer_cer, peer_wer) = (_rates(words, prons) for prons in (ours, peer.prons))
    return Compared(tag, len(asked), cer, wer, peer.pairs, peer.train_s, peer_cer, peer_wer)


def _rates(words: pa.Table, prons: list[str]) -> tuple[float, float]:
    nothing = pa.nulls(len(words))
    columns = {
        "pron": pa.array(prons, pa.string()),
        "logprob": nothing.cast(pa.float32()),
        "status": nothing.cast(pa.string()),
    }
    for name, column in columns.items():
        words = words.append_column(name, column)
    rates = evaluate(words).total.rates()
    return float(rates["cer"] or 0.0), float(rates["wer"] or 0.0)
