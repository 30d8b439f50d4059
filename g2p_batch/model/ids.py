"""ByT5 ids: a byte plus three, below them what has a meaning of its own; and arrays of numbers as engines take them."""

import numpy as np
import numpy.typing as npt

PAD = 0
"""Fills a row behind its last id."""
EOS = 1
"""Ends an output; the input has none."""
START = PAD
"""First decoder token: T5 starts decoding from the padding id."""
BYTE_OFFSET = 3
"""An id is the byte plus this; the ids below are pad, EOS and unknown."""

Int32 = npt.NDArray[np.int32]
Float32 = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]
