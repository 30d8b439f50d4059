"""Whether low scores find wrong words."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

TENTH = 10
"""The lowest-scored words that are looked at are one in so many, rounded up."""


@dataclass(frozen=True)
class Calibration:
    """How many wrong words are among the lowest-scored tenth.

    Attributes:
        words: scored words.
        wrong: those of them that are wrong.
        low_words: the lowest-scored tenth.
        low_wrong: those of it that are wrong.
    """

    words: int
    wrong: int
    low_words: int
    low_wrong: int

    @property
    def held(self) -> float:
        """Share of all wrong words that is among the lowest-scored; 0 where no word is wrong."""
        return self.low_wrong / self.wrong if self.wrong else 0.0

    @property
    def most(self) -> float:
        """The most that `held` can be: a tenth of the words has no room for more."""
        return min(1.0, self.low_words / self.wrong) if self.wrong else 0.0

    @property
    def lift(self) -> float:
        """How many times its share of the wrong words the lowest-scored tenth holds; chance gives 1."""
        return self.held * self.words / self.low_words if self.low_words else 0.0


def calibration(scores: pa.Array, wrong: npt.NDArray[np.bool_]) -> Calibration:
    """Count the wrong words among the lowest-scored tenth of N words; words without a score are left out.

    Of words of equal score the earlier count as lower.

    Args:
        scores: float [N], higher is surer, null where unknown.
        wrong: [N] bool.
    """
    scored = pc.is_valid(scores).to_numpy(zero_copy_only=False)
    values, wrong = scores.filter(pa.array(scored)).to_numpy(), wrong[scored]
    low = np.argsort(values, kind="stable")[: -(-len(values) // TENTH)]
    return Calibration(len(values), int(wrong.sum()), len(low), int(wrong[low].sum()))


def mean_logprob(logprob: pa.Array, units: pa.Array) -> pa.Array:
    """Return the mean log-probability of a unit, float32 [N], from that of the whole pronunciation.

    The mean does not fall with the length of a word as the sum does. To find wrong words take the sum: long words are
    more often wrong, and the sum knows it (docs/evaluate.md has figures).

    Args:
        logprob: float32 [N], the sum over all tokens, null where unknown.
        units: integer [N], how many tokens or phones a pronunciation has; none counts as one.
    """
    return pc.divide(logprob, pc.max_element_wise(units, 1).cast(pa.float32())).cast(pa.float32())


def tokens(pron: pa.Array) -> pa.Array:
    """Return how many tokens the model took to give each pronunciation, int32 [N].

    A token is a byte of UTF-8, and the end of the sequence is one more; a truncated pronunciation has no end and counts
    a token too many.

    Args:
        pron: string [N], as the model gave it.
    """
    return pc.add(pc.binary_length(pron), 1).cast(pa.int32())
