"""`info`."""

from collections.abc import Iterator
from pathlib import Path

import click

from g2p_batch import errors
from g2p_batch.cli.main import folder_size, main, table
from g2p_batch.model import artifact_cache, contract, cpu_families
from g2p_batch.model.shipped import BUNDLED

_PACKAGES = ("apache-tvm", "apache-tvm-ffi", "duckdb", "pyarrow")


@main.command()
def info() -> None:
    """Tell about this installation.

    Prints versions, the CPU, the cache and the bundled model: what to put into the report of a problem.

    \b
    Example:
      g2p-batch info
    """
    from importlib.metadata import version

    bundled = contract.load_contract(BUNDLED)
    families = {dtype: cpu_families.cpu_family(dtype) for dtype in contract.DTYPES}
    kernels = ", ".join(f"{dtype} ({family.name})" for dtype, family in families.items() if family)
    rows = [
        ("g2p-batch", version("g2p-batch")),
        *((name, version(name)) for name in _PACKAGES),
        ("CPU", f"{cpu_families.cpu_name()}, usable cores: {cpu_families.usable_cores()}"),
        ("dtypes", kernels),
        *_cached(artifact_cache.cache_root()),
        ("bundled model", bundled.name),
        ("  languages", ", ".join(bundled.languages)),
        ("  prefix", f"{bundled.prefix} (`{bundled.prefix_for('TAG')}`)"),
        ("  checkpoint", f"sha256 {bundled.checkpoint_sha256}"),
    ]
    click.echo(table(rows))


def _cached(root: Path) -> Iterator[tuple[str, str]]:
    try:
        yield "cache", str(root) if root.is_dir() else f"{root} (empty)"
    except PermissionError:
        yield "cache", f"{root} (may not be read: set G2P_BATCH_CACHE to a folder you own)"
        return
    for path in (*sorted(root.glob(f"*/{contract.MANIFEST}")), *sorted(root.glob(f"programs/*/{contract.CONTRACT}"))):
        yield f"  {path.parent.name[:12]}", f"{_described(path)}, {folder_size(path.parent)}"


def _described(path: Path) -> str:
    try:
        if path.name == contract.MANIFEST:
            made = contract.load_manifest(path.parent)
            tuned = ", tuned" if made.tiles else ""
            return f"{made.contract.name} compiled for {made.target.machine}, {made.dtype}{tuned}"
        return f"program of {contract.load_contract(path.parent).name}"
    except errors.G2PError:
        return f"unreadable: delete {path.parent}"
