"""Workers as Ray actors, on this machine or on a cluster. The only user of Ray."""

import importlib.util
import logging
import os
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import Any, TextIO

import pyarrow as pa

from g2p_batch.errors import PackageError, UsageError, WorkerError
from g2p_batch.model import cpu_families
from g2p_batch.workers.shard import RunContext
from g2p_batch.workers.worker import Advanced, Died, Message, ShardRunner

_ADDRESS = "RAY_ADDRESS"
_STORE_BYTES = 80 << 20
"""Least that Ray accepts, nearly: what goes through it is the names of shards."""
_ANSWER_S = 10.0
_PACE_S = 0.2
_PATIENCE_S = 600.0
"""Clusters that grow on demand take minutes to start a machine."""
_LISTENERS = "listeners"
_CAUSE_CHARS = 200


@dataclass(eq=False)
class ActorHandle:
    """An actor, seen from the scheduler."""

    ray: Any
    handle: Any
    started: bool = False
    """Whether it ever said something."""

    def __post_init__(self) -> None:
        self.listen()

    def listen(self) -> None:
        """Ask for what it says next."""
        self.next = self.handle.messages.options(concurrency_group=_LISTENERS).remote()

    def run(self, shard: int) -> None:
        """Give a shard; if the actor dies, that is learnt when it is next listened to."""
        self.handle.run.remote(shard)

    def kill(self) -> None:
        """End it at once."""
        self.ray.kill(self.handle)


class RayActors(AbstractContextManager["RayActors"]):
    """`scheduler.WorkerBackend` of Ray: actors with a core of their own each, and with a GPU of their own if needed.

    While it is entered, this process is connected to Ray.

    Args:
        address: a running cluster, as `ray.init` takes it; `$RAY_ADDRESS` if none is given. Where there is neither, a
            Ray of its own is started on this machine, and ended with this. A program that is connected already stays
            so.
        workers: most actors; as many as the cluster has room for if none is given.
        gpus: whether each needs a GPU.
        output: where Ray's own remarks go, which it would print on standard output.

    Raises:
        UsageError: the address is for Ray Client.
        PackageError: Ray is not installed.
    """

    remedy = (
        "is g2p-batch installed on every node, and is there memory for so many? give fewer with --workers, "
        "and see `ray list actors --detail`"
    )

    def __init__(
        self,
        address: str | None = None,
        workers: int | None = None,
        gpus: bool = False,
        output: TextIO | None = None,
    ) -> None:
        self._address = address or os.environ.get(_ADDRESS) or None
        self._workers, self._gpus, self._output = workers, gpus, output
        self._open = ExitStack()
        if importlib.util.find_spec("ray") is None:
            raise PackageError("--engine ray needs Ray: `pip install 'g2p-batch[ray]'`, on all nodes of a cluster")
        if self._address and "://" in self._address:
            raise UsageError(
                f"{self._address} is for Ray Client, which has no place here: start the command on a node of the "
                "cluster, by hand or with `ray job submit`, and give HOST:PORT of the head, or auto"
            )

    def __enter__(self) -> "RayActors":
        """Start or join Ray, which neither logs nor takes over signals.

        Raises:
            WorkerError: it cannot be started or joined.
        """
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray

        self._ray: Any = ray
        if self._output is not None:
            self._open.enter_context(redirect_stdout(self._output))
        if not ray.is_initialized():
            self._open.callback(ray.shutdown)
            logging.getLogger("ray").setLevel(logging.ERROR)
            try:
                with _signals_kept():
                    _start(ray, self._address, self._workers)
            except BaseException:
                self._open.close()
                raise
        self.capacity = self._workers or max(1, int(ray.cluster_resources().get(self._resource, 0)))
        # Ray restarts no actor and repeats no call: one that died is replaced by a new one, so that attempts of shards
        # and failed starts are counted in one place, and the same way for all backends.
        self._actor = ray.remote(concurrency_groups={_LISTENERS: 1})(Actor).options(
            num_cpus=1, num_gpus=int(self._gpus), max_restarts=0, max_task_retries=0
        )
        self._last_message_s = time.monotonic()
        return self

    def __exit__(self, *_error: object) -> None:
        """Leave Ray, if it was joined here."""
        self._open.close()

    def start_worker(self, context: RunContext) -> ActorHandle:
        """Ask Ray for an actor."""
        absolute = replace(context, root=context.root.absolute())  # actors work in another folder
        return ActorHandle(self._ray, self._actor.remote(absolute))

    def messages(self, workers: Sequence[ActorHandle], seconds: float) -> Iterator[tuple[ActorHandle, Message]]:
        """Yield what actors say.

        Raises:
            WorkerError: for a long time no actor could be started.
        """
        by_reference = {worker.next: worker for worker in workers}
        ready, _ = self._ray.wait(list(by_reference), timeout=seconds)
        if any(worker.started for worker in workers):
            self._last_message_s = time.monotonic()
        elif time.monotonic() - self._last_message_s > _PATIENCE_S:
            raise WorkerError(self._no_room())
        for reference in ready:
            worker = by_reference[reference]
            try:
                messages = self._ray.get(reference)
            except self._ray.exceptions.RayError as error:
                worker.kill()
                yield worker, Died(_cause_of_death(error))
                continue
            worker.started = True
            worker.listen()
            for message in messages:
                yield worker, message

    def on_device_lost(self, worker: ActorHandle) -> None:
        """Leave it to Ray which GPU another actor gets."""

    @property
    def _resource(self) -> str:
        return "GPU" if self._gpus else "CPU"

    def _no_room(self) -> str:
        free, total = (
            int(resources.get(self._resource, 0))
            for resources in (self._ray.available_resources(), self._ray.cluster_resources())
        )
        return (
            f"no Ray actor has started for {_PATIENCE_S:,.0f} s (of {total} {self._resource}s of the cluster {free} "
            "are free, an actor takes one): see `ray status`, and run the same command again; finished shards are kept"
        )


class Actor:
    """A worker in a Ray actor. It is listened to in a thread of its own, so that one learns how far a shard is."""

    def __init__(self, context: RunContext) -> None:
        pa.set_cpu_count(1)
        self._said: SimpleQueue[Message] = SimpleQueue()
        self._runner = ShardRunner(context, self._said.put)

    def run(self, shard: int) -> None:
        """Run a shard."""
        self._runner.run(shard)

    def messages(self) -> list[Message]:
        """Wait for something to be said, and return it; progress is collected for a moment."""
        messages = [self._said.get()]
        until = time.monotonic() + _PACE_S
        while isinstance(messages[-1], Advanced):
            try:
                messages.append(self._said.get(timeout=max(0.0, until - time.monotonic())))
            except Empty:
                break
        return messages


def _cause_of_death(error: Exception) -> str:
    """Tell in a sentence how an actor ended: the last line of what Ray says, whose lines before it are identifiers."""
    last = str(error).strip().splitlines()[-1].strip()
    return f"its actor ended: {last[:_CAUSE_CHARS]}"


def _start(ray: Any, address: str | None, workers: int | None) -> None:
    arguments = {"address": address} if address else _own(workers)
    try:
        _require_answer(address)
        ray.init(**arguments, log_to_driver=False, configure_logging=False, logging_level=logging.ERROR)
    except Exception as cause:
        raise WorkerError(_refusal(address, cause)) from None


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


def _refusal(address: str | None, cause: Exception) -> str:
    reason = " ".join(str(cause).split())[:_CAUSE_CHARS] or type(cause).__name__
    if address is None:
        return f"Ray cannot be started on this machine ({reason}): run with --engine local, or join a running cluster"
    return (
        f"Ray at {address} cannot be joined ({reason}): start it with `ray start --head`, with the same versions of "
        "Ray and Python on all nodes, or leave out --ray-address and RAY_ADDRESS"
    )


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Put signal handlers back that Ray replaces while it starts; what came meanwhile goes to them."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
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
