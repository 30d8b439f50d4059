"""Runs on a fake model, for tests of whole runs: in this process, in worker processes, or in a driver to be killed."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from g2p_batch.driver import generate
from g2p_batch.errors import G2PError
from g2p_batch.model.contract import Contract, Shapes
from g2p_batch.model.greedy import Engine, EngineFactory
from g2p_batch.run.merge import merged
from g2p_batch.run.output import LexiconOutput
from g2p_batch.run.plan import PlanOptions, planned
from g2p_batch.run.run_directory import RunDir
from g2p_batch.run.summary import Summary
from g2p_batch.signals import Stop
from g2p_batch.storage import store_at
from g2p_batch.storage.locations import Location, located
from g2p_batch.words.wordlist import WordLists
from g2p_batch.workers.processes import LocalProcesses
from g2p_batch.workers.ray_workers import RayActors
from g2p_batch.workers.remaining import Decoding
from g2p_batch.workers.scheduler import WorkerBackend
from g2p_batch.workers.shard import RunContext, run_shard
from tests.helpers.fake_engine import SHAPES, Echo, FakeEngine
from tests.helpers.fake_model import CONTRACT as BASE
from tests.helpers.fake_model import FakeEngines, FakeModel

CONTRACT = replace(BASE, languages=("eng-us", "fra", "ger", "fin", "nan", "tha", "ron", "ita", "mri"))

ANSWERS = Echo(
    {
        "<eng-us>: hello": "həˈloʊ",
        "<fra>: eau": "o",
        "<fra>: h": "",
        "<ger>: Straße": "ˈʃtʁaːsə",
        "<nan>: 台灣": "tai̯⁵⁵⁻³³uan²⁴",  # cut by the first bucket, whole in the last
        "<fin>: lentokonesuihkuturbiini": "ˈlentoˌkonesui̯hkuˌturbiːni",
        "<ita>: sto": "x" * 200,
        "<ron>: ca": b"k\xc9a",
        "<mri>: rua": "ɾ\tua",
    }
)

WORDS = """\
word\tlang
台灣\tnan
hello\teng-us
eau\tfra

hello\teng-us
sto\tita
Straße\tger
rua\tmri
ca\tron
world\teng-gb
h\tfra
lentokonesuihkuturbiini\tfin
hello\tfra
"""

LEXICON = """\
word\tlang\tpron
台灣\tnan\ttai̯⁵⁵⁻³³uan²⁴
hello\teng-us\thəˈloʊ
eau\tfra\to
sto\tita\t{x}
Straße\tger\tˈʃtʁaːsə
rua\tmri\tɾua
ca\tron\tka
h\tfra\t
lentokonesuihkuturbiini\tfin\tˈlentoˌkonesui̯hkuˌturbiːni
hello\tfra\thello
""".replace("{x}", "x" * 128)

MANY = "".join(f"{'abcdefghij'[i % 10] * (i % 37 + 1)}{i}\t{CONTRACT.languages[i % 9]}\n" for i in range(300))
"""300 words of many lengths, without a header."""


class Recorder:
    """Progress that keeps what it was told and may act on an advance."""

    def __init__(self, on_advance: Callable[[], None] = lambda: None) -> None:
        self.told: list[tuple[str, int]] = []
        self._on_advance = on_advance

    def start(self, total_words: int) -> None:
        self.told.append(("start", total_words))

    def advance(self, words: int) -> None:
        self.told.append(("advance", words))
        self._on_advance()

    def close(self) -> None:
        self.told.append(("close", 0))

    def advanced(self) -> int:
        return sum(words for call, words in self.told if call == "advance")


@dataclass(frozen=True)
class Job:
    """One `generate`."""

    options: PlanOptions
    output: LexiconOutput

    def __call__(self, decoding: Decoding | None = None, say: Callable[[str], None] = lambda _: None) -> Summary:
        return generate(self.options, self.output, replace(decoding or fake_decoding(), say=say))

    @property
    def run(self) -> RunDir:
        return RunDir(self.options.run_dir)

    def planned(self, **changes: Any) -> "Job":
        return replace(self, options=replace(self.options, **changes))

    def written(self, **changes: Any) -> "Job":
        return replace(self, output=replace(self.output, **changes))

    def lexicon(self) -> str:
        data = store_at(self.output.path.parent).get(self.output.path.name)
        assert data is not None, f"{self.output.path} is not there"
        return data.decode()

    def rejects(self) -> str:
        data = self.run.store.get("rejects.tsv")
        assert data is not None, f"{self.run.root} holds no rejects"
        return data.decode()

    def at(self, place: Location) -> "Job":
        """Return this job with its run and its lexicon at another place."""
        return self.planned(run_dir=place / "run").written(path=place / "lexicon.tsv")


def job_in(folder: Path, text: str | bytes = WORDS, name: str = "words.tsv", lang: str | None = None) -> Job:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    lists = WordLists((str(path),), lang=lang)
    options = PlanOptions(lists, CONTRACT, folder / "run", shard_words=4)
    return Job(options, LexiconOutput(folder / "lexicon.tsv"))


def fake_decoding(
    workers: int = 2,
    progress: Recorder | None = None,
    shapes: Shapes = SHAPES,
    engines: EngineFactory | None = None,
    contract: Contract = CONTRACT,
) -> Decoding:
    model: Any = FakeModel(contract, engines or FakeEngines(ANSWERS, shapes))
    return Decoding(model, LocalProcesses.on_cores(workers), progress or Recorder(), lambda _: None)


def attempt(job: Job) -> Summary:
    """Plan, run and merge in this process, without workers: quick, and every call meets what is patched."""
    run, stop = job.run, Stop()
    plan = planned(job.options, run, stop)
    context = RunContext(run.root, plan.id, CONTRACT, FakeEngines(ANSWERS))
    engine: Engine = FakeEngine(ANSWERS)
    for number, shard in enumerate(plan.shards):
        if not run.is_done(number):
            run_shard(context, number, shard, engine, Recorder())
    return merged(run, plan, job.output, lambda _: None, stop, 0.0)


class _NoModel(FakeModel):
    def compiled(self, _say: Callable[[str], None]) -> EngineFactory:
        raise AssertionError("a model was compiled before it was needed")


def no_model() -> Decoding:
    """Return a decoding whose model must not be asked."""
    model: Any = _NoModel(CONTRACT, FakeEngines())
    return replace(fake_decoding(), model=model)


BACKENDS: dict[str, Callable[[], WorkerBackend[Any]]] = {
    "local": lambda: LocalProcesses.on_cores(2),
    "ray": lambda: RayActors(workers=2),
}


def main() -> None:
    """Run a job as a process that may be killed: folder of its words, words a shard, the engine, where it is kept."""
    folder, shard_words, engine = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    place = located(sys.argv[4]) if len(sys.argv) > 4 else folder
    try:
        lists = WordLists((str(folder / "words.tsv"),))
        options = PlanOptions(lists, CONTRACT, place / "run", shard_words=shard_words)
        job = Job(options, LexiconOutput(place / "lexicon.tsv"))
        job(replace(fake_decoding(), backend=BACKENDS[engine]()))
    except G2PError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
