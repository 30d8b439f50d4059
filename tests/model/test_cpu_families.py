"""What this machine's CPU is, and how many of its cores a process may use."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from g2p_batch.model import cpu_families, cpu_quota

V1 = "12:pids:/docker/abc\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n"
V2 = "0::/\n"
NESTED = "0::/user.slice/job.scope\n"
GROUPS: dict[str, tuple[str, Mapping[str, str], int]] = {
    "no groups": ("", {}, 8),
    "version 2, no limit": (V2, {"cpu.max": "max 100000"}, 8),
    "version 2, two and a half": (V2, {"cpu.max": "250000 100000"}, 3),
    "version 2, more than there are": (V2, {"cpu.max": "1600000 100000"}, 8),
    "version 2, an empty file": (V2, {"cpu.max": ""}, 8),
    "version 2, a group of systemd": (NESTED, {"user.slice/job.scope/cpu.max": "200000 100000"}, 2),
    "version 2, a group above has less": (
        NESTED,
        {"user.slice/cpu.max": "100000 100000", "user.slice/job.scope/cpu.max": "200000 100000"},
        1,
    ),
    "version 2, a group of another process": (NESTED, {"other.slice/cpu.max": "100000 100000"}, 8),
    "version 1, no limit": (V1, {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
    "version 1, in a container": (V1, {"cpu/cpu.cfs_quota_us": "150000", "cpu/cpu.cfs_period_us": "100000"}, 2),
    "version 1, on the host": (
        V1,
        {
            "cpu,cpuacct/cpu.cfs_quota_us": "-1",
            "cpu,cpuacct/cpu.cfs_period_us": "100000",
            "cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "300000",
            "cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000",
        },
        3,
    ),
    "version 1, without a period": (V1, {"cpu/cpu.cfs_quota_us": "150000"}, 8),
    "version 1, a period of nothing": (V1, {"cpu/cpu.cfs_quota_us": "1", "cpu/cpu.cfs_period_us": "0"}, 8),
    "both, the cpu in version 1": (
        f"{V1}0::/docker/abc\n",
        {"cpu/cpu.cfs_quota_us": "400000", "cpu/cpu.cfs_period_us": "100000", "unified/cgroup.procs": "1"},
        4,
    ),
}


@pytest.mark.parametrize("case", GROUPS)
def test_a_control_group_may_allow_fewer_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    own, files, cores = GROUPS[case]
    limits = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    for name, text in ({"proc/self/cgroup": own} if own else {}).items() | limits.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n" if name in limits else text)
    monkeypatch.setattr(cpu_quota, "_ROOT", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert cpu_families.usable_cores() == cores


def test_no_core_at_all_is_never_the_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(V2)
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/cpu.max").write_text("1000 100000\n")
    monkeypatch.setattr(cpu_quota, "_ROOT", tmp_path)
    assert cpu_families.usable_cores() == 1


@pytest.mark.parametrize(("allowed", "family"), [(True, "amx"), (False, "avx512vnni")])
def test_a_matrix_unit_counts_where_the_system_lets_it_be_used(
    monkeypatch: pytest.MonkeyPatch, allowed: bool, family: str
) -> None:
    flags = " ".join(next(f for f in cpu_families.FAMILIES if f.name == "amx").features)
    monkeypatch.setattr(cpu_families, "_field", lambda *names: flags)
    monkeypatch.setattr(cpu_families, "_may_use_tiles", lambda: allowed)
    monkeypatch.setattr(cpu_families.platform, "machine", lambda: "x86_64")
    cpu_families.cpu_features.cache_clear()
    cpu_families.cpu_family.cache_clear()
    try:
        found = cpu_families.cpu_family("int8")
        assert found is not None
        assert found.name == family
        assert {"amx_tile", "amx_int8", "amx_bf16"}.isdisjoint(cpu_families.cpu_features()) is not allowed
    finally:
        cpu_families.cpu_features.cache_clear()
        cpu_families.cpu_family.cache_clear()
