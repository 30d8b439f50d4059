"""Files that come with the package: configurations, golden words and the bundled program."""

from importlib import resources
from pathlib import Path

BUNDLED = Path(str(resources.files("g2p_batch"))) / "model" / "bundled"
"""The program of the bundled checkpoint."""


def shipped(name: str) -> Path:
    """Return the path of a shipped file, such as `configs/targets/cpu.toml`.

    An installed wheel holds them inside the package; a source checkout beside it.
    """
    package = Path(str(resources.files("g2p_batch")))
    installed = package / "shipped" / name
    return installed if installed.exists() else package.parent / name
