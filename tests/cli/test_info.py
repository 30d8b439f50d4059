"""`info`."""

import re
from pathlib import Path

import pytest

from g2p_batch.model import cpu_families
from g2p_batch.model.contract import save_json
from tests.cli.commandline import artifact, run
from tests.helpers.fake_model import CONTRACT


def test_info_tells_what_a_report_needs(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("cache/programs/ef56").mkdir(parents=True)
    artifact("cache/abcd")
    artifact("cache/bcde", manifest=b"")
    save_json(Path("cache/programs/ef56/contract.json"), CONTRACT)
    monkeypatch.setattr(cpu_families, "cpu_name", lambda: "Some CPU")
    ran = run("info")
    told = dict(re.split(r"  +", line.strip(), maxsplit=1) for line in ran.stdout.splitlines())
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert [*told] == [
        *(
            "g2p-batch",
            "apache-tvm",
            "apache-tvm-ffi",
            "duckdb",
            "pyarrow",
            "CPU",
            "dtypes",
            "cache",
            "abcd",
            "bcde",
            "ef56",
        ),
        *("bundled model", "languages", "prefix", "checkpoint"),
    ]
    assert told["CPU"] == f"Some CPU, usable cores: {cpu_families.usable_cores()}"
    assert told["dtypes"].startswith(f"float32 ({cpu_families.cpu_family().name})")
    assert told["cache"] == str(here / "cache")
    assert told["abcd"] == "fake compiled for portable, float32, 0.0 MiB"
    assert told["bcde"].startswith(f"unreadable: delete {here / 'cache' / 'bcde'}, ")
    assert told["ef56"].startswith("program of fake, ")
    assert told["prefix"] == "space (`<TAG>: `)"
    assert re.fullmatch(r"sha256 [0-9a-f]{64}", told["checkpoint"])


def test_info_works_without_a_cache(here: Path) -> None:
    assert f"{here / 'cache'} (empty)\n" in run("info").stdout
