"""Word lists into pronunciation lexicons, at the speed of the hardware."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from g2p_batch.api import G2P as G2P

    __version__: str

__all__ = ["G2P", "__version__"]


def __getattr__(name: str) -> Any:
    """Load `G2P` and `__version__` when first asked for: what needs neither starts at once."""
    if name == "G2P":
        from g2p_batch.api import G2P

        value: Any = G2P
    elif name == "__version__":
        from importlib.metadata import version

        value = version("g2p-batch")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value
