"""The command line on a model that repeats words and takes its time: `main` of this module.

G2P_TEST_SHARD_S says how many seconds a shard takes.
"""

import os
import time
from dataclasses import dataclass

from g2p_batch import cli
from g2p_batch.model.contract import LengthBucket
from g2p_batch.model.greedy import EngineFactory
from g2p_batch.model.ids import Int32
from g2p_batch.model.progress import Say
from g2p_batch.model.resolve import Model
from tests.helpers.copying_engine import CopyingEngine


class _Slow(CopyingEngine):
    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def encode(self, bucket: LengthBucket, ids: Int32, lengths: Int32) -> tuple[Int32, Int32]:
        time.sleep(self._seconds)
        return super().encode(bucket, ids, lengths)


@dataclass(frozen=True)
class SlowEngines:
    """Makes the engine in workers."""

    seconds: float
    key: str = "c0" * 32
    label: str = "slow copy"

    def engine(self) -> _Slow:
        return _Slow(self.seconds)


def compiled(_model: Model, _say: Say) -> EngineFactory:
    return SlowEngines(float(os.environ["G2P_TEST_SHARD_S"]))


def main(prog_name: str) -> None:
    """Run the command line; workers find the engine by the name of this module."""
    Model.compiled = compiled
    cli.main(prog_name=prog_name)
