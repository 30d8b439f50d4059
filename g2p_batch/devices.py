"""Where to decode: `cpu`, `cuda`, `cuda:1`, `cuda:0,2`, and which GPUs that means."""

import os
from dataclasses import dataclass

from g2p_batch.errors import ArtifactError, UsageError

VISIBLE = "CUDA_VISIBLE_DEVICES"
"""The variable by which CUDA shows a process some GPUs, and numbers them from 0."""


@dataclass(frozen=True)
class Device:
    """A kind of hardware, and which of its GPUs; none named means all."""

    kind: str
    numbers: tuple[int, ...] = ()

    @property
    def gpus(self) -> tuple[str, ...]:
        """What `CUDA_VISIBLE_DEVICES` has to be for each GPU alone.

        Raises:
            ArtifactError: this process sees no GPU.
            UsageError: one that is named is not there.
        """
        from g2p_batch import cuda

        cuda.runtime()
        count = cuda.device_count()
        if not count:
            raise ArtifactError(f"this process sees no GPU: look at {VISIBLE}, or decode with --device cpu")
        numbers = self.numbers or tuple(range(count))
        if max(numbers) >= count:
            raise UsageError(f"--device names GPU {max(numbers)}, and this process sees {count}, numbered from 0")
        # What this process calls 0 may be another number to the driver.
        names = os.environ.get(VISIBLE, "").split(",") if os.environ.get(VISIBLE) else list(map(str, range(count)))
        return tuple(names[number].strip() for number in numbers)


CPU = Device("cpu")


def parse_device(text: str) -> Device:
    """Read `--device`.

    Raises:
        UsageError: it is neither `cpu` nor `cuda` with numbers.
    """
    kind, _, listed = text.partition(":")
    numbers = listed.split(",") if listed else []
    if kind not in ("cpu", "cuda") or (numbers and kind == "cpu") or not all(n.isdecimal() for n in numbers):
        raise UsageError(f"--device {text} is neither cpu nor cuda, cuda:0 or cuda:0,1 (the numbers of GPUs)")
    return Device(kind, tuple(dict.fromkeys(map(int, numbers))))


def use_one(device: Device) -> None:
    """Let this process see one GPU only: the first of those that are named.

    Has to come before anything else that asks for GPUs.

    Raises:
        UsageError: more than one is named.
    """
    if device.kind != "cuda":
        return
    if len(device.numbers) > 1:
        raise UsageError(
            f"this command uses one GPU, --device names {len(device.numbers)}: give cuda:{device.numbers[0]}"
        )
    number = device.numbers[0] if device.numbers else 0
    shown = os.environ.get(VISIBLE)
    names = shown.split(",") if shown else []
    if shown and number >= len(names):
        raise UsageError(f"--device names GPU {number}, and {VISIBLE} shows {len(names)}, numbered from 0")
    os.environ[VISIBLE] = names[number] if names else str(number)
