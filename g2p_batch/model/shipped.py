"""Files that come with the package: configurations, golden words and the bundled program."""

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]

BUNDLED = _PACKAGE / "model" / "bundled"
"""The program of the bundled checkpoint."""


def shipped(name: str) -> Path:
    """Return the path of a shipped file, such as `configs/targets/cpu.toml`.

    An installed wheel holds them inside the package; a source checkout beside it.
    """
    installed = _PACKAGE / "shipped" / name
    return installed if installed.exists() else _PACKAGE.parent / name
