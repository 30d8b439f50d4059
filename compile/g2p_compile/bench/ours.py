"""This project as a contestant: greedy, and in search of several outputs of a word."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from g2p_batch.counts import count_of
from g2p_batch.model.compiled_engine import CompiledEngine
from g2p_batch.model.contract import Contract
from g2p_batch.model.cpu_engine import Artifact
from g2p_batch.model.cuda import runtime
from g2p_batch.model.cuda.gpu_engine import GpuEngine
from g2p_batch.model.ids import Bool
from g2p_batch.model.nbest import Search
from g2p_batch.model.progress import Silent
from g2p_batch.model.threaded import pronounce, pronounce_variants
from g2p_compile.bench.race import Texts
from g2p_compile.bench.results import OnDevice
from g2p_compile.check.planned_words import planned


class Ours:
    """Tokenise, decode on threads, detokenise: what `generate` does between reading and writing.

    Args:
        artifact: the compiled model.
        workers: threads, with an engine each.
        name: who, where this is not the only one of ours.
    """

    def __init__(self, artifact: Artifact, workers: int, name: str = "g2p-batch") -> None:
        self.name = name
        self.contract: Contract = artifact.manifest.contract
        self.engines = [artifact.engine() for _ in range(workers)]
        self.dtype = artifact.manifest.dtype

    @property
    def engine(self) -> CompiledEngine:
        """That of the first worker."""
        return self.engines[0]

    @property
    def setting(self) -> str:
        """Number of workers."""
        return count_of(len(self.engines), "worker")

    def run(self, words: Sequence[str], langs: Sequence[str]) -> list[Texts]:
        """Pronounce words."""
        for engine in self.engines:
            if isinstance(engine, GpuEngine):
                engine.chunks = engine.rounds = 0
        table = planned(words, langs, self.contract)
        spare = iter(self.engines)
        answers = pronounce(table, self.contract, lambda: next(spare), len(self.engines), Silent())
        return [(pron,) for pron in answers.pron.to_pylist()]

    def on_device(self) -> OnDevice | None:
        """Return what the last `run` asked of the GPU, if there is one; peers must not have taken memory yet."""
        engine = self.engine
        return OnDevice(runtime.used_bytes(0), engine.chunks, engine.rounds) if isinstance(engine, GpuEngine) else None


@dataclass(frozen=True)
class FoundTexts:
    """What a search found of N words.

    Attributes:
        texts: [N].
        proven: [N] bool, whether these are the most probable outputs of a word for certain.
    """

    texts: list[Texts]
    proven: Bool


class OurSearch:
    """As `Ours`, in search of several outputs of a word.

    Args:
        name: who.
        ours: whose engines it has.
        search: what is looked for.
    """

    def __init__(self, name: str, ours: Ours, search: Search) -> None:
        self.name, self.dtype, self.setting = name, ours.dtype, ours.setting
        self._ours, self._search = ours, search

    def run(self, words: Sequence[str], langs: Sequence[str]) -> list[Texts]:
        """Pronounce words."""
        return self.find(words, langs).texts

    def find(self, words: Sequence[str], langs: Sequence[str]) -> FoundTexts:
        """Pronounce words, and tell which outcome is proven.

        Raises:
            ArtifactError: the compiled model cannot search.
        """
        engines, contract = self._ours.engines, self._ours.contract
        spare = iter(engines)
        table = planned(words, langs, contract)
        found = pronounce_variants(table, contract, lambda: next(spare), len(engines), Silent(), self._search)
        prons = found.answers.pron.to_pylist()
        first = np.searchsorted(found.word, np.arange(len(words) + 1)).tolist()
        texts = [tuple(prons[a:b]) for a, b in pairwise(first)]
        return FoundTexts(texts, found.proven[first[:-1]])
