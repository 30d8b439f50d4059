"""Ray actors, their nodes and drivers may die: the lexicon is that of an undisturbed run on this machine."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from g2p_batch import G2P, Predictor
from g2p_batch.driver import plan_run
from g2p_batch.errors import IncompleteError, RunError, StoppedEarlyError, UsageError, WorkerError
from g2p_batch.model.contract import LengthBucket
from g2p_batch.model.greedy import Engine
from g2p_batch.run.output import LexiconOutput
from g2p_batch.run.plan import PlanOptions
from g2p_batch.signals import stop_on_signals
from g2p_batch.words.wordlist import WordLists
from g2p_batch.workers import ray_workers
from g2p_batch.workers.processes import LocalProcesses
from g2p_batch.workers.ray_workers import Actor, RayActors
from g2p_batch.workers.remaining import Decoding
from g2p_batch.workers.scheduler import WorkerBackend
from g2p_batch.workers.shard import RunContext
from g2p_batch.workers.worker import Fatal
from tests.helpers.copying_engine import CopyingEngines
from tests.helpers.fake_engine import SHAPES, FakeEngine
from tests.helpers.fake_model import FakeEngines
from tests.helpers.runs import ANSWERS, CONTRACT, LEXICON, MANY, Job, Recorder, fake_decoding, job_in
from tests.lab.same_lexicon import LANGUAGES, Killer, make_list

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs Ray: pip install 'g2p-batch[ray]'"),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster of one node with two cores, joined by this process."""
    import ray
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 2, "object_store_memory": 80 << 20}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def on_ray(workers: int = 2, **options: Any) -> Decoding:
    return replace(fake_decoding(**options), backend=RayActors(workers=workers))


def workers_of(job: Job) -> set[int]:
    """Return the processes whose receipts count."""
    receipts = job.run.receipts(job.run.require_plan()).values()
    return {int(receipt.worker.rpartition(":")[2]) for receipt in receipts}


def test_actors_make_the_lexicon_of_a_local_run(cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    job, progress = job_in(tmp_path).planned(run_dir=Path("here.run")), Recorder()
    summary = job(on_ray(progress=progress))
    assert job.lexicon() == LEXICON
    assert (progress.told[0], progress.told[-1], progress.advanced()) == (("start", 10), ("close", 0), 10)
    assert (summary.words, summary.rejected) == (10, 2)
    assert os.getpid() not in workers_of(job)


def copied(words: Path, run_dir: Path, backend: WorkerBackend[Any], progress: Recorder) -> bytes:
    """Run a list on two workers with an engine that repeats words; return the lexicon."""
    contract = replace(CONTRACT, languages=LANGUAGES)
    options = PlanOptions(WordLists((str(words),)), contract, run_dir, shard_words=4096)
    job = Job(options, LexiconOutput(run_dir.with_suffix(".tsv")))
    job(replace(fake_decoding(progress=progress, engines=CopyingEngines(), contract=contract), backend=backend))
    return Path(job.output.path).read_bytes()


def test_killed_actors_cost_no_word_and_double_none(cluster: Any, tmp_path: Path) -> None:
    words = tmp_path / "words.tsv"
    make_list(words, 40_000)
    killer = Killer(tmp_path / "ray", 3)
    progress = Recorder(killer.strike)
    disturbed = copied(words, tmp_path / "ray", RayActors(), progress)
    assert len(killer.killed) == 3
    assert progress.advanced() == 40_000
    assert disturbed == copied(words, tmp_path / "local", LocalProcesses.on_cores(2), Recorder())
    assert disturbed.count(b"\n") == 40_001


def test_a_node_that_dies_costs_no_word(cluster: Any, tmp_path: Path) -> None:
    node = cluster.add_node(num_cpus=1, object_store_memory=80 << 20)
    cluster.wait_for_nodes()
    job = job_in(tmp_path, MANY).planned(shard_words=4)
    before: list[int] = []

    def strike() -> None:
        if not before and len(done := workers_of(job)) == 3:
            before.extend(done)
            cluster.remove_node(node, allow_graceful=False)

    job(on_ray(3, progress=Recorder(strike)))
    assert len(before) == 3, "the second node had no actor, or none of its shards was done"
    cluster.wait_for_nodes()  # the cluster counts a dead one among its own for a while, and says so when it stops
    (tmp_path / "local").mkdir()
    local = job_in(tmp_path / "local", MANY)
    local()
    assert job.lexicon() == local.lexicon()


class _Poisoned(FakeEngine):
    """Kills its process when it meets one of the words."""

    def encode(self, bucket: LengthBucket, ids: Any, lengths: Any) -> Any:
        hidden = super().encode(bucket, ids, lengths)
        if any("Straße".encode() in source for source in hidden.sources):
            os.kill(os.getpid(), signal.SIGKILL)
        return hidden


class PoisonedEngines(FakeEngines):
    def engine(self) -> Engine:
        return _Poisoned(ANSWERS, SHAPES)


def test_a_shard_that_kills_its_actors_is_given_up_and_the_others_are_done(cluster: Any, tmp_path: Path) -> None:
    job = job_in(tmp_path)
    with pytest.raises(IncompleteError, match=r"1 shard given up after 4 attempts each .*its actor ended") as caught:
        job(on_ray(engines=PoisonedEngines()))
    assert caught.value.exit_code == 1
    made = job.run.require_plan()
    (given_up,) = job.run.quarantined(made)
    assert set(job.run.receipts(made)) == set(range(len(made.shards))) - {given_up}
    job()
    assert job.lexicon() == LEXICON


class BrokenEngines(FakeEngines):
    def engine(self) -> Engine:
        raise MemoryError("no room")


def test_actors_that_do_not_start_are_told(cluster: Any, tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match=r"3 workers in a row did not start \(its actor ended: .*no room\)") as caught:
        job_in(tmp_path)(on_ray(engines=BrokenEngines()))
    assert "is g2p-batch installed on every node" in str(caught.value)


class Tenant:
    def moved_in(self) -> bool:
        return True


def test_a_cluster_without_room_is_not_waited_for_without_end(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    monkeypatch.setattr(ray_workers, "_PATIENCE_S", 0.5)
    tenant = ray.remote(num_cpus=2)(Tenant).remote()
    ray.get(tenant.moved_in.remote())
    with pytest.raises(WorkerError, match=r"no Ray actor has started for 0 s \(of 2 CPUs .* an actor takes one"):
        job_in(tmp_path)(on_ray())
    ray.kill(tenant)


def test_a_process_joins_the_cluster_that_the_environment_names(cluster: Any, tmp_path: Path) -> None:
    import ray

    job_in(tmp_path)
    jobs = len(ray._private.state.jobs())
    environment = os.environ | {"RAY_ADDRESS": cluster.address}
    command = [sys.executable, "-m", "tests.helpers.runs", str(tmp_path), "4", "ray"]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert (tmp_path / "lexicon.tsv").read_text(encoding="utf-8") == LEXICON
    assert len(ray._private.state.jobs()) == jobs + 1


@dataclass(frozen=True)
class Table:
    """A word list, its pronunciations, and rows that have none."""

    asked: pa.Table
    answered: pa.Table


@pytest.fixture(scope="module")
def table() -> Table:
    asked = pa.table({"word": ["hello", "Straße", "", "bonjour"] * 5, "lang": ["eng-us", "ger", "fra", "fra"] * 5})
    return Table(asked, G2P()(asked))


def test_ray_data_maps_batches_with_a_predictor(cluster: Any, table: Table) -> None:
    data = pytest.importorskip("ray.data", reason="needs Ray Data: pip install 'ray[data]'")
    data.DataContext.get_current().enable_progress_bars = False
    mapped = data.from_arrow(table.asked).map_batches(
        Predictor, batch_format="pyarrow", batch_size=8, num_cpus=1, concurrency=1
    )
    found = pa.concat_tables(pa.table(batch) for batch in mapped.iter_batches(batch_format="pyarrow"))
    assert found.sort_by("word").to_pylist() == table.answered.sort_by("word").to_pylist()


def started(folder: Path, receipts: int) -> "subprocess.Popen[bytes]":
    """Start a driver with a Ray of its own; return when so many shards are done."""
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    command = [sys.executable, "-m", "tests.helpers.runs", str(folder), "8", "ray"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True, stderr=subprocess.PIPE)
    until = time.monotonic() + 60
    while len(list((folder / "run" / "done").glob("*.json"))) < receipts and time.monotonic() < until:
        time.sleep(0.02)
    return process


def test_drivers_with_a_ray_of_their_own_may_be_stopped_or_killed(tmp_path: Path) -> None:
    job = job_in(tmp_path, MANY)
    stopped = started(tmp_path, 1)
    urgency = {os.getpriority(os.PRIO_PROCESS, worker) for worker in workers_of(job)}
    assert urgency == {os.getpriority(os.PRIO_PROCESS, 0)}, "Ray's own choice is to let everything else come first"
    os.killpg(stopped.pid, signal.SIGTERM)  # as a scheduler does: to Ray's processes too
    said = stopped.communicate(timeout=60)[1].decode()
    assert stopped.returncode == 75, said
    assert "stopped by SIGTERM" in said
    assert "Traceback" not in said
    kept = len(list((tmp_path / "run" / "done").iterdir()))
    killed = started(tmp_path, kept + 1)
    killed.kill()
    killed.communicate()
    assert not job.output.path.exists()
    job.planned(shard_words=8)()
    (tmp_path / "local").mkdir()
    local = job_in(tmp_path / "local", MANY)
    local()
    assert job.lexicon() == local.lexicon()


def test_a_cluster_that_cannot_be_joined_is_told(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.helpers.runs", str(tmp_path), "4", "ray"]
    job_in(tmp_path)
    environment = os.environ | {"RAY_ADDRESS": "127.0.0.1:9"}
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("Ray at 127.0.0.1:9 cannot be joined (")
    assert "Traceback" not in ran.stderr


def context(root: Path) -> RunContext:
    return RunContext(root, "id", CONTRACT, FakeEngines())


def test_an_actor_that_does_not_see_the_plan_says_so(tmp_path: Path) -> None:
    (said,) = Actor(context(tmp_path / "elsewhere")).messages()
    assert isinstance(said, Fatal)
    assert isinstance(said.error, RunError)
    assert "elsewhere/plan.json is not there on node" in str(said.error)
    assert "put the run directory on a disk that all nodes of the cluster see" in str(said.error)


def test_an_actor_that_sees_another_plan_says_so(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    plan_run(job.options, lambda _: None)
    (said,) = Actor(context(tmp_path / "run")).messages()
    assert isinstance(said, Fatal)
    assert "plan.json is another one on node" in str(said.error)


def test_ray_client_addresses_are_refused() -> None:
    with pytest.raises(UsageError, match="ray://head:10001 is for Ray Client"):
        RayActors("ray://head:10001")


def test_a_signal_that_meets_ray_while_it_starts_stops_the_run() -> None:
    def rays_own(_number: int, _frame: object) -> None:
        sys.exit(15)

    def start() -> None:
        with ray_workers._signals_kept():
            signal.signal(signal.SIGTERM, rays_own)
            signal.raise_signal(signal.SIGTERM)

    with stop_on_signals() as stop:
        with pytest.raises(WorkerError, match="ended by SIGTERM while it started"):
            start()
        assert signal.getsignal(signal.SIGTERM) == stop.handle
        with pytest.raises(StoppedEarlyError, match="stopped by SIGTERM"):
            stop.check("early")
