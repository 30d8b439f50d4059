"""The most probable outputs of a word by torch: every token at every step, and no pruning but by proven bounds."""

import heapq
from collections.abc import Iterator, Sequence
from math import log

import torch

from g2p_compile.check.transformers_reference import source_ids
from g2p_compile.export.checkpoint import Checkpoint

EOS, START = 1, 0


@torch.inference_mode()
def outputs(checkpoint: Checkpoint, word: str, lang: str, most: int = 400) -> Iterator[tuple[tuple[int, ...], float]]:
    """Yield outputs, tokens with their EOS, and their log-probabilities, the most probable first.

    Ends when so many beginnings were extended.
    """
    model = checkpoint.model
    hidden = model.encoder(input_ids=torch.tensor([source_ids(checkpoint.contract, word, lang)])).last_hidden_state
    waiting: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    while waiting and most:
        cost, said = heapq.heappop(waiting)
        if said[-1:] == (EOS,):
            yield said, -cost
            continue
        most -= 1
        state = model.decoder(input_ids=torch.tensor([[START, *said]]), encoder_hidden_states=hidden).last_hidden_state
        logits = model.lm_head(state[0, -1]).double() * checkpoint.contract.geometry.logit_scale
        for token, logprob in enumerate(logits.log_softmax(-1).tolist()):
            heapq.heappush(waiting, (cost - logprob, (*said, token)))


def variants(
    checkpoint: Checkpoint, word: str, lang: str, count: int, min_share: float
) -> Sequence[tuple[tuple[int, ...], float]]:
    """Return the most probable outputs, at most `count`, none less probable than a share of the best."""
    found: list[tuple[tuple[int, ...], float]] = []
    for said, logprob in outputs(checkpoint, word, lang):
        if found and min_share and logprob < found[0][1] + log(min_share):
            break
        found.append((said, logprob))
        if len(found) == count:
            break
    return found
