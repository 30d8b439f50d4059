"""This project as a contestant."""

from collections.abc import Sequence

import pyarrow as pa

from g2p_batch.counts import count_of
from g2p_batch.model.compiled_engine import CompiledEngine
from g2p_batch.model.contract import Contract
from g2p_batch.model.cpu_engine import Artifact
from g2p_batch.model.cuda import runtime
from g2p_batch.model.cuda.gpu_engine import GpuEngine
from g2p_batch.model.threaded import pronounce
from g2p_compile.bench.results import OnDevice


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
        prefixes = {lang: len(self._contract.prefix_for(lang).encode()) for lang in set(langs)}
        sizes = [len(word.encode()) + prefixes[lang] for word, lang in zip(words, langs, strict=True)]
        table = pa.table({"word": words, "lang": langs, "src_bytes": pa.array(sizes, pa.int32())})
        for engine in self._engines:
            if isinstance(engine, GpuEngine):
                engine.chunks = engine.rounds = 0
        spare = iter(self._engines)
        found = pronounce(table, self._contract, lambda: next(spare), len(self._engines), _Silent())
        prons: list[str] = found.pron.to_pylist()
        return prons

    def on_device(self) -> OnDevice | None:
        """Return what the last `run` asked of the GPU, if there is one; peers must not have taken memory yet."""
        engine = self.engine
        return OnDevice(runtime.used_bytes(0), engine.chunks, engine.rounds) if isinstance(engine, GpuEngine) else None


class _Silent:
    def start(self, total_words: int) -> None:
        """Say nothing."""

    def advance(self, words: int) -> None:
        """Say nothing."""

    def close(self) -> None:
        """Say nothing."""
