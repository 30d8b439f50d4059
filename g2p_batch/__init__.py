"""Word lists into pronunciation lexicons, at the speed of the hardware."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from g2p_batch.api import G2P as G2P
    from g2p_batch.api import Predictor as Predictor

    __version__: str

__all__ = ["G2P", "Predictor", "__version__"]


def __getattr__(name: str) -> Any:
    """Load what is asked for when it first is: what needs none of it starts at once."""
    if name in ("G2P", "Predictor"):
        from g2p_batch import api

        value: Any = getattr(api, name)
    elif name == "__version__":
        from importlib.metadata import version

        value = version("g2p-batch")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value
