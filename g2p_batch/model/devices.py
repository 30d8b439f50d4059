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
        from g2p_batch.model.cuda import runtime

        runtime.library()
        count, names = runtime.device_count(), _visible()
        if not count:
            raise ArtifactError(f"this process sees no GPU: look at {VISIBLE}, or decode with --device cpu")
        if names is None:
            names = list(map(str, range(count)))
        if all(name.startswith("MIG-") for name in names):
            count = len(names)  # of a GPU's instances CUDA counts one, and a process may use any one
        numbers = self.numbers or tuple(range(count))
        if max(numbers) >= count:
            raise UsageError(f"--device names GPU {max(numbers)}, and this process sees {count}, numbered from 0")
        return tuple(names[number] for number in numbers)


def _visible() -> list[str] | None:
    """Return what the driver calls the GPUs that this process is shown, in its order, or None if it is shown all."""
    shown = os.environ.get(VISIBLE)
    return None if shown is None else [name.strip() for name in shown.split(",") if name.strip()]


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
        UsageError: more than one is named, the one named is not there, or this process has used others already.
        ArtifactError: there is a driver, and it cannot be used.
    """
    if device.kind != "cuda":
        return
    if len(device.numbers) > 1:
        raise UsageError(
            f"this command uses one GPU, --device names {len(device.numbers)}: give cuda:{device.numbers[0]}"
        )
    number = device.numbers[0] if device.numbers else 0
    names = _visible()
    if names is not None and number >= len(names):
        raise UsageError(f"--device names GPU {number}, and {VISIBLE} shows {len(names)}, numbered from 0")
    os.environ[VISIBLE] = str(number) if names is None else names[number]
    from g2p_batch.model.cuda import runtime

    if runtime.device_count() > 1:  # CUDA reads the variable once
        raise UsageError(
            f"this process has used CUDA already, and sees more than one GPU: start it with "
            f"{VISIBLE}={os.environ[VISIBLE]}, or open the model first"
        )
