"""Workers as Ray actors, on this machine or on a cluster. The only user of Ray."""

import importlib.util
import logging
import os
import platform
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import Any

import pyarrow as pa

from g2p_batch.errors import DeviceError, G2PError, RunError, UsageError, WorkerError
from g2p_batch.model import cpu_families
from g2p_batch.run.run_directory import PLAN, RunDir
from g2p_batch.workers.scheduler import Heard, OpenSite
from g2p_batch.workers.shard import Brief
from g2p_batch.workers.worker import Advanced, Assignment, Died, Fatal, Lost, Message, Orders, Ready, outcome

_ADDRESS = "RAY_ADDRESS"
_STORE_BYTES = 80 << 20
"""Least that Ray accepts, nearly: what goes through it is the names of shards."""
_ANSWER_S = 10.0
_PACE_S = 0.2
_PATIENCE_S = 600.0
"""Clusters that grow on demand take minutes to start a machine."""
_EARS = "ears"
_FATE_CHARS = 200


def ray_site(address: str | None = None, gpus: bool = False) -> OpenSite:
    """Let workers be Ray actors, each with a core of its own, and with a GPU of its own if they need one.

    Args:
        gpus: whether they need one.
        address: a running cluster, as `ray.init` takes it; `$RAY_ADDRESS` if none is given. Where there is neither, a
            Ray of its own is started on this machine, and ended with the site. A program that is connected already
            stays so.

    Raises:
        UsageError: the address is for Ray Client.
        WorkerError: Ray is not installed.
    """
    address = address or os.environ.get(_ADDRESS) or None
    if importlib.util.find_spec("ray") is None:
        raise WorkerError("--engine ray needs Ray: `pip install 'g2p-batch[ray]'`, on all nodes of a cluster")
    if address and "://" in address:
        raise UsageError(
            f"{address} is for Ray Client, which has no place here: start the command on a node of the cluster, by "
            "hand or with `ray job submit`, and give HOST:PORT of the head, or auto"
        )

    @contextmanager
    def opened(workers: int | None) -> Iterator[Actors]:
        with _connected(address, workers) as ray:
            yield Actors(ray, workers or _resource(ray, "GPU" if gpus else "CPU"), gpus)

    return opened


@contextmanager
def _connected(address: str | None, workers: int | None) -> Iterator[Any]:
    """Start or join Ray, which neither logs nor takes over signals."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    if ray.is_initialized():
        yield ray
        return
    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        with _signals_kept():
            _start(ray, address, workers)
        yield ray
    finally:
        ray.shutdown()


def _start(ray: Any, address: str | None, workers: int | None) -> None:
    place = {"address": address} if address else _own(workers)
    try:
        _require_answer(address)
        ray.init(**place, log_to_driver=False, configure_logging=False, logging_level=logging.ERROR)
    except Exception as cause:
        raise WorkerError(_told(address, cause)) from None


def _own(workers: int | None) -> dict[str, Any]:
    return {
        "address": "local",
        "num_cpus": workers or cpu_families.usable_cores(),
        "include_dashboard": False,
        "object_store_memory": _STORE_BYTES,
        "_system_config": {"worker_niceness": 0},  # Ray's is 15: anything else on the machine would come first
    }


def _require_answer(address: str | None) -> None:
    """Raise `OSError` where nobody answers at HOST:PORT, which Ray would try for minutes."""
    name, _, port = (address or "").rpartition(":")
    if name and port.isdecimal():
        socket.create_connection((name, int(port)), _ANSWER_S).close()


def _told(address: str | None, cause: Exception) -> str:
    reason = " ".join(str(cause).split())[:_FATE_CHARS] or type(cause).__name__
    if address is None:
        return f"Ray cannot be started on this machine ({reason}): run with --engine local, or join a running cluster"
    return (
        f"Ray at {address} cannot be joined ({reason}): start it with `ray start --head`, with the same versions of "
        "Ray and Python on all nodes, or leave out --ray-address and RAY_ADDRESS"
    )


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Put signal handlers back that Ray replaces while it starts; what came meanwhile goes to them."""
    known = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in known}
    ended = False
    try:
        yield
    except BaseException as error:
        if isinstance(error, (Exception, KeyboardInterrupt)):
            raise
        ended = True  # Ray's handler of SIGTERM wants to exit
    finally:
        for number, handler in before.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
    if ended:
        signal.raise_signal(signal.SIGTERM)
        raise WorkerError("Ray was ended by SIGTERM while it started: run the same command again")


def _resource(ray: Any, name: str) -> int:
    return max(1, int(ray.cluster_resources().get(name, 0)))


@dataclass(eq=False)
class Remote:
    """An actor, seen from the driver."""

    ray: Any
    handle: Any
    started: bool = False
    """Whether it ever said something."""

    def __post_init__(self) -> None:
        self.listen()

    def listen(self) -> None:
        """Ask for what it says next."""
        self.next = self.handle.hear.options(concurrency_group=_EARS).remote()

    def assign(self, assignment: Assignment) -> None:
        """Give a shard; if the actor dies, that is heard when it is next listened to."""
        self.handle.run.remote(assignment)

    def kill(self) -> None:
        """End it at once."""
        self.ray.kill(self.handle)


class Actors:
    """`scheduler.Site` of Ray."""

    remedy = (
        "is g2p-batch installed on every node, and is there memory for so many? give fewer with --workers, "
        "and see `ray list actors --detail`"
    )

    def __init__(self, ray: Any, most: int, gpus: bool) -> None:
        self.most = most
        self._ray = ray
        self._needs = "GPU" if gpus else "CPU"
        # Ray restarts no actor and repeats no call: one that died is replaced by a new one, so that attempts of shards
        # and failed starts are counted in one place, and the same way for all sites.
        self._actor = ray.remote(concurrency_groups={_EARS: 1})(Actor).options(
            num_cpus=1, num_gpus=int(gpus), max_restarts=0, max_task_retries=0
        )
        self._heard_s = time.monotonic()

    def hire(self, orders: Orders) -> Remote:
        """Ask Ray for an actor."""
        brief = replace(orders.brief, root=orders.brief.root.absolute())  # actors work in another folder
        return Remote(self._ray, self._actor.remote(replace(orders, brief=brief)))

    def listen(self, workers: Sequence[Remote], seconds: float) -> Iterator[Heard[Remote]]:
        """Yield what actors say.

        Raises:
            WorkerError: for a long time no actor could be started.
        """
        by_reference = {worker.next: worker for worker in workers}
        ready, _ = self._ray.wait(list(by_reference), timeout=seconds)
        if any(worker.started for worker in workers):
            self._heard_s = time.monotonic()
        elif time.monotonic() - self._heard_s > _PATIENCE_S:
            raise WorkerError(self._deserted())
        for reference in ready:
            worker = by_reference[reference]
            try:
                messages = self._ray.get(reference)
            except self._ray.exceptions.RayError as error:
                worker.kill()
                yield worker, Died(_fate(error))
                continue
            worker.started = True
            worker.listen()
            for message in messages:
                yield worker, message

    def retire(self, worker: Remote) -> None:
        """Leave it to Ray which GPU another actor gets."""

    def dismiss(self, workers: Sequence[Remote]) -> None:
        """Leave actors to be ended: they hold nothing."""

    def _deserted(self) -> str:
        free, total = (
            int(found.get(self._needs, 0)) for found in (self._ray.available_resources(), self._ray.cluster_resources())
        )
        return (
            f"no Ray actor has started for {_PATIENCE_S:,.0f} s (of {total} {self._needs}s of the cluster {free} are "
            "free, an actor takes one): see `ray status`, and run the same command again; finished shards are kept"
        )


class Actor:
    """A worker in a Ray actor. It hears in a thread of its own, so that the driver learns how far a shard is."""

    def __init__(self, orders: Orders) -> None:
        pa.set_cpu_count(1)
        self._brief = orders.brief
        self._said: SimpleQueue[Message] = SimpleQueue()
        try:
            _require_plan(orders.brief)
            self._engine = orders.open_engine()
        except DeviceError as error:
            self._said.put(Lost(str(error)))
        except G2PError as error:
            self._said.put(Fatal(error))
        else:
            self._said.put(Ready())

    def run(self, assignment: Assignment) -> None:
        """Run a shard."""
        self._said.put(outcome(self._brief, assignment, self._engine, self._said.put))

    def hear(self) -> list[Message]:
        """Wait for something to be said, and return it; progress is collected for a moment."""
        heard = [self._said.get()]
        until = time.monotonic() + _PACE_S
        while isinstance(heard[-1], Advanced):
            try:
                heard.append(self._said.get(timeout=max(0.0, until - time.monotonic())))
            except Empty:
                break
        return heard


def _require_plan(brief: Brief) -> None:
    """Check that the run directory is the one that the driver sees."""
    plan = RunDir(brief.root).plan()
    if plan is None or plan.id != brief.plan:
        found = "is not there" if plan is None else "is another one"
        raise RunError(
            f"{brief.root / PLAN} {found} on node {platform.node()}: put the run directory on a disk that all nodes of "
            "the cluster see under the same path, and name it with --run-dir"
        )


def _fate(error: Exception) -> str:
    """Tell in a sentence how an actor ended: the last line of what Ray says, whose lines before it are identifiers."""
    last = str(error).strip().splitlines()[-1].strip()
    return f"its actor ended: {last[:_FATE_CHARS]}"
