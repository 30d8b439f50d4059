"""The meaning of correct: greedy decoding by transformers, under the contract and nothing else."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import DynamicCache, EncoderDecoderCache

from g2p_batch.model.contract import Contract, is_program
from g2p_batch.model.ids import EOS, START, Float32
from g2p_batch.model.resolve import BUNDLED_NAME, model_config
from g2p_batch.model.shipped import BUNDLED
from g2p_batch.model.tokenizer import detokenize
from g2p_compile.export.checkpoint import Checkpoint, from_program, load_checkpoint
from g2p_compile.program import load_program

BATCH = 64
"""Words at a time; sorted by length, this is near transformers' best on CPUs."""


@dataclass(frozen=True)
class Answer:
    """What the reference says of one word."""

    pron: str
    logprob: float
    """Sum over the tokens, EOS included."""
    margin: float
    """Smallest lead, over the steps, of the chosen token's logit over the next best."""
    tokens: tuple[int, ...]
    """Ids of the output, EOS included."""


def load_reference(model: str) -> Checkpoint:
    """Load a model for the reference: `bundled`, the folder of a program, a checkpoint's folder, or a hub id."""
    program = BUNDLED if model == BUNDLED_NAME else Path(model)
    if is_program(program):
        loaded = load_program(program)
        return from_program(loaded.contract, loaded.weights)
    config = model_config(model)
    return load_checkpoint(config.source, revision=config.revision, prefix=config.prefix, languages=config.languages)


def reference_g2p(words: Sequence[str], lang: str, checkpoint: Checkpoint | None = None) -> list[str]:
    """Return the pronunciations of words of one language, by the bundled checkpoint unless another is given."""
    checkpoint = checkpoint or load_reference(BUNDLED_NAME)
    return [answer.pron for answer in answers(checkpoint, words, [lang] * len(words))]


def answers(checkpoint: Checkpoint, words: Sequence[str], langs: Sequence[str], batch: int = BATCH) -> list[Answer]:
    """Decode words with their languages, shortest first, and return the answers in the order of the words."""
    contract = checkpoint.contract
    sources = [source_ids(contract, word, lang) for word, lang in zip(words, langs, strict=True)]
    order = sorted(range(len(sources)), key=lambda i: len(sources[i]))
    by_source: dict[int, Answer] = {}
    for start in range(0, len(order), batch):
        part = order[start : start + batch]
        by_source.update(zip(part, _decode(checkpoint, [sources[i] for i in part]), strict=True))
    return [by_source[i] for i in range(len(sources))]


def source_ids(contract: Contract, word: str, lang: str) -> list[int]:
    """Return the ids of prefix and word: a byte plus 3 each, and no EOS."""
    return [byte + 3 for byte in (contract.prefix_for(lang) + word).encode()]


def next_logprobs(checkpoint: Checkpoint, word: str, lang: str, said: Sequence[int]) -> Float32:
    """Return the log-probabilities [len(said) + 1, V] of what stands behind each beginning of an output."""
    device = checkpoint.model.device
    source = torch.tensor([source_ids(checkpoint.contract, word, lang)], device=device)
    with torch.inference_mode():
        logits = checkpoint.model(
            input_ids=source, decoder_input_ids=torch.tensor([[START, *said]], device=device)
        ).logits[0]
    found: Float32 = logits.float().log_softmax(-1).cpu().numpy()
    return found


def generate(checkpoint: Checkpoint, sources: Sequence[list[int]], num_beams: int = 1, **options: Any) -> Any:
    """Return what transformers' `generate` does for one batch of ids, padded and masked, under the contract."""
    longest = max(map(len, sources))
    device = checkpoint.model.device
    with torch.inference_mode():
        return checkpoint.model.generate(
            input_ids=torch.tensor([s + [0] * (longest - len(s)) for s in sources], device=device),
            attention_mask=torch.tensor([[1] * len(s) + [0] * (longest - len(s)) for s in sources], device=device),
            do_sample=False,
            num_beams=num_beams,
            max_new_tokens=checkpoint.contract.max_target_bytes,
            decoder_start_token_id=START,
            eos_token_id=EOS,
            pad_token_id=0,
            # Left to itself, generate makes a cache of as many layers as the encoder has, too few for a deeper decoder.
            cache=EncoderDecoderCache(DynamicCache(), DynamicCache()),
            return_dict_in_generate=True,
            **options,
        )


def _decode(checkpoint: Checkpoint, sources: list[list[int]]) -> Iterator[Answer]:
    out = generate(checkpoint, sources, output_logits=True)
    tokens = out.sequences[:, 1:]
    logits = torch.stack(out.logits, dim=1)
    logprob = logits.log_softmax(-1).gather(2, tokens[..., None])[..., 0]
    best = logits.topk(2, dim=-1).values
    # A word's steps end with its EOS; what generate adds behind it is padding.
    real = (tokens == EOS).cumsum(1) - (tokens == EOS).int() == 0
    total = logprob.masked_fill(~real, 0.0).sum(1)
    margin = (best[..., 0] - best[..., 1]).masked_fill(~real, torch.inf).min(1).values
    prons, _ = detokenize(np.ascontiguousarray(tokens.cpu().numpy(), dtype=np.int32))
    ids = [own[kept].tolist() for own, kept in zip(tokens, real, strict=True)]
    for pron, score, lead, own in zip(prons.to_pylist(), total.tolist(), margin.tolist(), ids, strict=True):
        yield Answer(pron, score, lead, tuple(own))
