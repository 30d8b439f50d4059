"""The useful arithmetic of a model: what its matrix products need for real bytes and tokens, without any padding."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from g2p_batch.model.contract import Geometry


@dataclass(frozen=True)
class Work:
    """Sums over words of s source bytes (prefix included) and t output tokens (EOS included)."""

    words: int
    source: int
    """Sum of s."""
    source_pairs: int
    """Sum of s * s: every byte attends to every byte."""
    tokens: int
    """Sum of t."""
    token_pairs: int
    """Sum of t * (t + 1) / 2: a token attends to itself and those before it."""
    crossed: int
    """Sum of s * t: every token attends to every byte."""

    @classmethod
    def of(cls, source: npt.NDArray[np.int32], tokens: npt.NDArray[np.int64]) -> "Work":
        """Sum up words of `source` [N] bytes and `tokens` [N] tokens."""
        s, t = source.astype(np.int64), tokens.astype(np.int64)
        sums = (s.sum(), (s * s).sum(), t.sum(), (t * (t + 1) // 2).sum(), (s * t).sum())
        return cls(len(s), *map(int, sums))


def model_flops(geometry: Geometry, work: Work) -> int:
    """Return the floating-point operations of all matrix products; a multiply-add is two.

    With d = d_model, a = width of all heads, f = d_ff, v = vocabulary:
      projections of one attention (query, key, value, output)      p = 2 * 4*d*a
      feed-forward of one position (3 matrices gated, else 2)       g = 2 * 3*d*f
      attention of one position to another (score and mix)          m = 2 * 2*a
      encoder layer      source * (p + g) + source_pairs * m
      decoder layer      source * 2 * 2*d*a                         keys and values of the source, once
                         tokens * (p + 2 * 2*d*a + g)               and the cross-attention's query and output
                         (token_pairs + crossed) * m
      head               tokens * 2 * d*v
    """
    d, a = geometry.d_model, geometry.d_attention
    p = 2 * 4 * d * a
    g = 2 * (3 if geometry.gated else 2) * d * geometry.d_ff
    m = 2 * 2 * a
    encoder_layer = work.source * (p + g) + work.source_pairs * m
    decoder_layer = (
        work.source * 2 * 2 * d * a + work.tokens * (p + 2 * 2 * d * a + g) + (work.token_pairs + work.crossed) * m
    )
    head = work.tokens * 2 * d * geometry.vocab
    return geometry.encoder_layers * encoder_layer + geometry.decoder_layers * decoder_layer + head
