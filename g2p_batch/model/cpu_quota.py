"""How many cores the control groups of this process allow, of version 1 and 2."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

_ROOT = Path("/")


def allowed_cores() -> int | None:
    """Return the least number of cores that a group of this process, or one above it, may use; None without a limit.

    The groups are looked for where systemd, Docker and Kubernetes mount them. A container without a namespace of its
    own is told the path of its group on the host, and sees the group itself where groups are mounted.
    """
    quotas = [quota for place, read in _groups() if (quota := _tried(read, place)) is not None]
    return min(map(math.ceil, quotas), default=None)


def _groups() -> Iterator[tuple[Path, "_Read"]]:
    """Yield the folder of each group that may limit this process, and how its limit is read."""
    for controllers, path in _paths():
        if not controllers:
            mounts, read = _MOUNTS_2, _quota_2
        elif "cpu" in controllers.split(","):
            mounts, read = _MOUNTS_1, _quota_1
        else:
            continue
        inside = PurePosixPath(path.lstrip("/"))
        for mount in mounts:
            for group in (inside, *inside.parents):
                yield _ROOT / mount / group, read


def _paths() -> Iterator[tuple[str, str]]:
    """Yield controllers, none for version 2, and path of each group of this process."""
    try:
        text = (_ROOT / "proc/self/cgroup").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:  # no Linux, or one without groups
        return
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        yield controllers, path


def _quota_1(group: Path) -> float:
    quota = int((group / "cpu.cfs_quota_us").read_text(encoding="ascii"))
    period = int((group / "cpu.cfs_period_us").read_text(encoding="ascii"))
    return quota / period if quota > 0 else math.inf


def _quota_2(group: Path) -> float:
    quota, period = (group / "cpu.max").read_text(encoding="ascii").split()
    return math.inf if quota == "max" else int(quota) / int(period)


def _tried(read: "_Read", group: Path) -> float | None:
    """Return the cores that a group may use, or None where there is none of that name, or none with a limit."""
    try:
        quota = read(group)
    except (OSError, ValueError, ZeroDivisionError):
        return None
    return quota if math.isfinite(quota) else None


_Read = Callable[[Path], float]
_MOUNTS_1 = ("sys/fs/cgroup/cpu", "sys/fs/cgroup/cpu,cpuacct")
_MOUNTS_2 = ("sys/fs/cgroup", "sys/fs/cgroup/unified")
