"""`languages` and `info`."""

from collections.abc import Iterator
from pathlib import Path

import click

from g2p_batch import artifacts, contract, errors, host, languages
from g2p_batch.cli.root import folder_size, main, table
from g2p_batch.shipped import BUNDLED

_PACKAGES = ("apache-tvm", "apache-tvm-ffi", "duckdb", "pyarrow")


@main.command("languages")
@click.argument("query", default="")
def languages_(query: str) -> None:
    """List the languages.

    QUERY is part of a tag, name, code or script; without it all languages are listed. The column `bundled` marks those
    of the bundled model.

    \b
    Example:
      g2p-batch languages chinese
    """
    found = languages.search(query) or [languages.resolve(query)]
    bundled = contract.load_contract(BUNDLED).languages
    header = ("tag", "name", "bcp47", "script", "bundled", "note")
    rows = [
        (known.tag, known.name, known.bcp47, known.script, "yes" if known.tag in bundled else "", known.warning or "")
        for known in found
    ]
    click.echo(table([header, *rows]))


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
    families = {dtype: host.cpu_family(dtype) for dtype in contract.DTYPES}
    kernels = ", ".join(f"{dtype} ({family.name})" for dtype, family in families.items() if family)
    rows = [
        ("g2p-batch", version("g2p-batch")),
        *((name, version(name)) for name in _PACKAGES),
        ("CPU", f"{host.cpu_name()}, usable cores: {host.usable_cores()}"),
        ("dtypes", kernels),
        *_cached(artifacts.cache_root()),
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
    for path in (*sorted(root.glob("*/manifest.json")), *sorted(root.glob("programs/*/contract.json"))):
        yield f"  {path.parent.name[:12]}", f"{_described(path)}, {folder_size(path.parent)}"


def _described(path: Path) -> str:
    try:
        if path.name == artifacts.MANIFEST:
            made = contract.load_manifest(path.parent)
            tuned = ", tuned" if made.tiles else ""
            return f"{made.contract.name} compiled for {made.target.machine}, {made.dtype}{tuned}"
        return f"program of {contract.load_contract(path.parent).name}"
    except errors.G2PError:
        return f"unreadable: delete {path.parent}"
