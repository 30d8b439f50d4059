"""The four stages against the forward pass of transformers, on random weights."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
import torch
from transformers.modeling_outputs import Seq2SeqLMOutput

from g2p_batch.model.contract import Geometry
from g2p_compile.export.checkpoint import Checkpoint
from g2p_compile.export.stages import Stages
from tests.helpers.tiny_models import UPSTREAM, Shape, random_checkpoint

SHAPES = {
    **UPSTREAM,
    "small": replace(UPSTREAM["small"], encoder_layers=2, decoder_layers=2),  # its depth is that of tiny_16
    "plain relu, tied and scaled": Shape(projection="relu", tied=True, scaled=True),
    "tied, not scaled": Shape(tied=True),
    "scaled, not tied": Shape(scaled=True),
    "wide heads that do not sum to d_model": Shape(d_model=24, d_kv=20, heads=3, d_ff=40),
    "more decoder than encoder": Shape(encoder_layers=1, decoder_layers=3),
    "one layer each": Shape(encoder_layers=1, decoder_layers=1),
    "few and near buckets": Shape(buckets=8, max_distance=12),
}
LENGTHS = (5, 40, 1, 17)
"""Source bytes of the words: the longest that the contract takes, the shortest, and between."""
STEPS = 9


@dataclass(frozen=True, repr=False)
class Case:
    """A model with one forward pass of transformers, and the stages that must equal it."""

    checkpoint: Checkpoint
    stages: Stages
    ids: torch.Tensor
    lengths: torch.Tensor
    tokens: torch.Tensor
    theirs: Seq2SeqLMOutput

    @property
    def geometry(self) -> Geometry:
        return self.checkpoint.contract.geometry

    @property
    def real(self) -> torch.Tensor:
        """[B, S] bool: where a word has bytes."""
        return torch.arange(self.ids.shape[1]) < self.lengths[:, None]

    def cache(self, slots: int, reach: int) -> list[torch.Tensor]:
        """Return caches that hold large rubbish."""
        shape = (2, slots, reach, self.geometry.heads, self.geometry.d_kv)
        return [torch.full(shape, 1e4) for _ in range(self.geometry.decoder_layers)]


@pytest.fixture(scope="module", params=SHAPES)
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    shape: Shape = SHAPES[request.param]
    checkpoint = random_checkpoint(shape)
    lengths = torch.tensor(LENGTHS, dtype=torch.int32)
    # Padding is any id to the stages, and masked for transformers.
    ids = torch.randint(3, 259, (len(LENGTHS), int(lengths.max())), dtype=torch.int32)
    mask = torch.arange(ids.shape[1]) < lengths[:, None]
    tokens = torch.randint(3, 259, (len(LENGTHS), STEPS), dtype=torch.int32)
    tokens[:, 0] = 0
    with torch.inference_mode():
        theirs = checkpoint.model(
            input_ids=ids.long(), attention_mask=mask.long(), decoder_input_ids=tokens.long(), use_cache=True
        )
        yield Case(checkpoint, Stages(checkpoint.model, checkpoint.contract), ids, lengths, tokens, theirs)


def close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_encoder_equals_transformers(case: Case) -> None:
    hidden = case.stages.encoder(case.ids, case.lengths)
    close(hidden[case.real], case.theirs.encoder_last_hidden_state[case.real])


@torch.inference_mode()
def test_encoder_does_not_see_the_ids_of_the_padding(case: Case) -> None:
    other = torch.where(case.real, case.ids, 7)
    ours = [case.stages.encoder(ids, case.lengths)[case.real] for ids in (case.ids, other)]
    assert torch.equal(*ours)


@torch.inference_mode()
def test_cacheless_decoder_equals_transformers_at_every_position(case: Case) -> None:
    hidden = case.theirs.encoder_last_hidden_state
    close(case.stages.cacheless(case.tokens, hidden, case.lengths), case.theirs.logits)


@torch.inference_mode()
def test_prefill_computes_the_cross_attention_keys_and_values_of_transformers(case: Case) -> None:
    words, length = case.ids.shape
    slot = torch.arange(words + 2, dtype=torch.int32).flip(0)[:words]
    source = case.cache(words + 2, length + 3)
    returned = case.stages.prefill(case.theirs.encoder_last_hidden_state, slot, source)
    assert all(mine is given for mine, given in zip(returned, source, strict=True))
    for mine, theirs in zip(source, case.theirs.past_key_values.cross_attention_cache.layers, strict=True):
        close(mine[0, slot.long(), :length].transpose(1, 2), theirs.keys)
        close(mine[1, slot.long(), :length].transpose(1, 2), theirs.values)
        assert (mine[:, :2] == 1e4).all()
        assert (mine[:, :, length:] == 1e4).all()


@torch.inference_mode()
def test_step_equals_transformers_at_every_position_of_rows_that_start_at_different_times(case: Case) -> None:
    words = len(case.ids)
    slot = torch.arange(words + 2, dtype=torch.int32).flip(0)[:words]
    past, source = case.cache(words + 2, STEPS + 3), case.cache(words + 2, case.ids.shape[1] + 3)
    case.stages.prefill(case.theirs.encoder_last_hidden_state, slot, source)
    logprob, token = case.theirs.logits.log_softmax(-1).max(-1)
    ours = torch.zeros(words, STEPS, dtype=torch.int32), torch.zeros(words, STEPS)
    for now in range(STEPS + words - 1):
        live = torch.tensor([row for row in range(words) if 0 <= now - row < STEPS])
        position = (now - live).int()
        chosen, score = case.stages.step(
            case.tokens[live, position.long()], position, slot[live], case.lengths[live], past, source
        )
        ours[0][live, position.long()], ours[1][live, position.long()] = chosen, score
    assert torch.equal(ours[0].long(), token)
    close(ours[1], logprob)


def test_the_geometry_of_a_case_is_that_of_its_model(case: Case) -> None:
    config, geometry = case.checkpoint.model.config, case.geometry
    assert (config.num_layers, config.num_decoder_layers) == (geometry.encoder_layers, geometry.decoder_layers)
    assert config.scale_decoder_outputs == (geometry.logit_scale != 1.0)
    assert hasattr(case.checkpoint.model.decoder.block[0].layer[-1].DenseReluDense, "wi_0") == geometry.gated


@torch.inference_mode()
def test_the_scale_of_the_contract_decides_and_not_the_flag_of_the_model() -> None:
    checkpoint = random_checkpoint(Shape())
    half = replace(checkpoint.contract, geometry=replace(checkpoint.contract.geometry, logit_scale=0.5))
    hidden, tokens = torch.randn(1, 3, 64), torch.zeros(1, 2, dtype=torch.int32)
    length = torch.tensor([3], dtype=torch.int32)
    whole, scaled = (
        Stages(checkpoint.model, contract).cacheless(tokens, hidden, length) for contract in (checkpoint.contract, half)
    )
    assert torch.equal(scaled, whole * 0.5)
