"""This project as a contestant."""

from collections.abc import Sequence

from g2p_batch.counts import count_of
from g2p_batch.model.compiled_engine import CompiledEngine
from g2p_batch.model.contract import Contract
from g2p_batch.model.cpu_engine import Artifact
from g2p_batch.model.cuda import runtime
from g2p_batch.model.cuda.gpu_engine import GpuEngine
from g2p_batch.model.progress import Silent
from g2p_batch.model.threaded import pronounce
from g2p_compile.bench.results import OnDevice
from g2p_compile.check.planned_words import planned


class Ours:
    """Tokenise, decode on threads, detokenise: what `generate` does between reading and writing."""

    name = "g2p-batch"

    def __init__(self, artifact: Artifact, workers: int) -> None:
        self._contract: Contract = artifact.manifest.contract
        self._engines = [artifact.engine() for _ in range(workers)]
        self.dtype = artifact.manifest.dtype

    @property
    def engine(self) -> CompiledEngine:
        """That of the first worker."""
        return self._engines[0]

    @property
    def setting(self) -> str:
        """Number of workers."""
        return count_of(len(self._engines), "worker")

    def run(self, words: Sequence[str], langs: Sequence[str]) -> list[str]:
        """Pronounce words."""
        for engine in self._engines:
            if isinstance(engine, GpuEngine):
                engine.chunks = engine.rounds = 0
        table = planned(words, langs, self._contract)
        spare = iter(self._engines)
        answers = pronounce(table, self._contract, lambda: next(spare), len(self._engines), Silent())
        prons: list[str] = answers.pron.to_pylist()
        return prons

    def on_device(self) -> OnDevice | None:
        """Return what the last `run` asked of the GPU, if there is one; peers must not have taken memory yet."""
        engine = self.engine
        return OnDevice(runtime.used_bytes(0), engine.chunks, engine.rounds) if isinstance(engine, GpuEngine) else None
