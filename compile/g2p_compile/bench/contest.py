"""Who races of ours, and what of several outputs of a word the peers missed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from g2p_batch.model.nbest import Search
from g2p_compile.bench.ours import Ours, OurSearch
from g2p_compile.bench.race import Entrant, Texts
from g2p_compile.bench.results import Missed, Variants


@dataclass(frozen=True)
class Truth:
    """The most probable outputs of words, found with no output too improbable to be one.

    Attributes:
        texts: of N words.
        proven: places of the words of which it is certain.
    """

    texts: list[Texts]
    proven: list[int]

    def missed(self, texts: Sequence[Texts]) -> Missed:
        """Count the proven words of which N other texts are not these."""
        pairs = [(texts[word], self.texts[word]) for word in self.proven]
        return Missed(
            best=sum(said[0] != true[0] for said, true in pairs),
            lists=sum(said != true for said, true in pairs),
            sets=sum(set(said) != set(true) for said, true in pairs),
        )


@dataclass(frozen=True)
class Searched:
    """Ours in a race for several outputs of a word.

    Attributes:
        entrants: the search as `generate` makes it, the one that leaves nothing out, and greedy decoding.
        truth: what the second found.
        variants: what the report says of the two.
    """

    entrants: list[Entrant]
    truth: Truth
    variants: Variants


def searched(ours: Ours, variants: int, words: Sequence[str], langs: Sequence[str]) -> Searched:
    """Run all of ours once.

    Raises:
        ArtifactError: the compiled model cannot search.
    """
    usual = Search(variants)
    one, whole = OurSearch("g2p-batch", ours, usual), OurSearch("g2p-batch all", ours, Search(variants, min_share=0))
    found, all_found = one.find(words, langs), whole.find(words, langs)
    entrants = [Entrant(one, found.texts), Entrant(whole, all_found.texts), Entrant(ours, ours.run(words, langs))]
    truth = Truth(all_found.texts, np.flatnonzero(all_found.proven).tolist())
    return Searched(entrants, truth, Variants(variants, usual.min_share, int(found.proven.sum()), len(truth.proven)))
