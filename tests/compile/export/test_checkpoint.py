"""Loading a checkpoint from a folder: what is accepted, and what it means."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import T5ForConditionalGeneration

from g2p_batch.model.contract import Contract, Geometry
from g2p_batch.model.ids import EOS, START
from g2p_compile.check.transformers_reference import answers
from g2p_compile.export.checkpoint import Checkpoint, bias_buckets, from_program, load_checkpoint
from g2p_compile.export.exporter import export_program
from g2p_compile.export.stages import Stages
from g2p_compile.program import load_program
from tests.helpers.checkpoints import ABSENT, SHAPE, TRANSFORMERS_4, WEIGHTS, changed, saved
from tests.helpers.tiny_models import Shape, random_checkpoint, random_t5

GEOMETRY = Geometry(
    d_model=64,
    d_ff=96,
    d_kv=16,
    heads=4,
    encoder_layers=2,
    decoder_layers=1,
    vocab=384,
    activation="gelu_new",
    gated=True,
    relative_buckets=32,
    relative_max_distance=128,
    norm_epsilon=1e-6,
    logit_scale=1.0,
)


def forward(model: T5ForConditionalGeneration) -> torch.Tensor:
    with torch.inference_mode():
        return model(input_ids=torch.tensor([[63, 104, 65]]), decoder_input_ids=torch.tensor([[0, 70]])).logits


@pytest.mark.parametrize("config", [None, TRANSFORMERS_4], ids=["transformers 5", "transformers 4"])
def test_a_folder_gives_its_model_and_contract(config: dict[str, Any] | None, tmp_path: Path) -> None:
    model = random_t5(SHAPE)
    folder = saved(tmp_path / "mine", model, config)
    checkpoint = load_checkpoint(f"{folder}/", prefix="none", languages=("eng-us", "fra"))
    contract = checkpoint.contract
    assert contract == Contract(
        name="mine",
        checkpoint="mine",
        checkpoint_sha256=contract.checkpoint_sha256,
        prefix="none",
        languages=("eng-us", "fra"),
        geometry=GEOMETRY,
        max_source_bytes=128,
        max_target_bytes=256,
        versions=contract.versions,
    )
    assert len(contract.checkpoint_sha256) == 64
    assert set(contract.versions) == {"torch", "transformers"}
    assert torch.equal(forward(checkpoint.model), forward(model))
    assert not checkpoint.model.training


def test_the_digest_changes_with_config_and_weights_and_nothing_else(tmp_path: Path) -> None:
    folder = saved(tmp_path / "a", random_t5(SHAPE), TRANSFORMERS_4)
    same = saved(tmp_path / "b", random_t5(SHAPE), TRANSFORMERS_4)
    (same / "README.md").write_text("read me", encoding="utf-8")
    other_config = saved(tmp_path / "c", random_t5(SHAPE), changed(TRANSFORMERS_4, dropout_rate=0.0))
    other_weights = saved(tmp_path / "d", random_t5(SHAPE, seed=1), TRANSFORMERS_4)
    digests = [load_checkpoint(str(f)).contract.checkpoint_sha256 for f in (folder, same, other_config, other_weights)]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


@pytest.mark.parametrize(
    ("projection", "expected"),
    [
        ("relu", ("relu", False)),
        ("gated-gelu", ("gelu_new", True)),
        ("gated-gelu_new", ("gelu_new", True)),
        (ABSENT, ("relu", False)),
    ],
)
def test_the_feed_forward_block_is_read_from_the_config(projection: Any, expected: Any, tmp_path: Path) -> None:
    shape = replace(SHAPE, projection="relu" if projection is ABSENT else projection)
    folder = saved(tmp_path, random_t5(shape), changed(TRANSFORMERS_4, feed_forward_proj=projection))
    geometry = load_checkpoint(str(folder)).contract.geometry
    assert (geometry.activation, geometry.gated) == expected


def test_decoder_layers_default_to_the_encoders(tmp_path: Path) -> None:
    folder = saved(tmp_path, random_t5(Shape()), changed(TRANSFORMERS_4, num_decoder_layers=ABSENT))
    assert load_checkpoint(str(folder)).contract.geometry.decoder_layers == 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_weights_of_any_floating_type_are_loaded_as_float32(dtype: torch.dtype, tmp_path: Path) -> None:
    model = random_t5(SHAPE).to(dtype)
    checkpoint = load_checkpoint(str(saved(tmp_path, model)))
    assert checkpoint.stored_dtype == dtype
    assert {w.dtype for w in checkpoint.model.state_dict().values()} == {torch.float32}
    assert torch.equal(forward(checkpoint.model), forward(model.float()))


SCALED = 64**-0.5
HEADS = [
    # own head, tie_word_embeddings, scale_decoder_outputs -> logit_scale
    (True, False, ABSENT, 1.0),
    (True, True, ABSENT, 1.0),
    (True, ABSENT, ABSENT, 1.0),
    (True, True, True, 1.0),
    (False, False, ABSENT, 1.0),
    (False, True, ABSENT, SCALED),
    (False, ABSENT, ABSENT, SCALED),
    (False, True, True, SCALED),
    (False, True, False, 1.0),
    (False, ABSENT, False, 1.0),
]


@pytest.mark.parametrize(("own", "tie", "scale", "expected"), HEADS)
def test_the_scale_of_the_logits_follows_from_the_head_and_the_flags_as_written(
    own: bool, tie: Any, scale: Any, expected: float, tmp_path: Path
) -> None:
    config = changed(TRANSFORMERS_4, tie_word_embeddings=tie, scale_decoder_outputs=scale)
    folder = saved(tmp_path, random_t5(replace(SHAPE, tied=not own)), config)
    assert ("lm_head.weight" in load_file(folder / WEIGHTS)) == own
    checkpoint = load_checkpoint(str(folder))
    assert checkpoint.contract.geometry.logit_scale == expected
    assert checkpoint.model.config.scale_decoder_outputs == (expected != 1.0)
    head, embedding = checkpoint.model.lm_head.weight, checkpoint.model.shared.weight
    assert torch.equal(head, embedding) == (not own)


WORDS = [("eng-us", "a"), ("fra", "château"), ("jpn", "ひらがな")]


@torch.inference_mode()
def stepped(checkpoint: Checkpoint) -> tuple[list[list[int]], list[float]]:
    """Decode `WORDS` one at a time with the stages; return tokens and log-probabilities."""
    contract, stages = checkpoint.contract, Stages(checkpoint.model, checkpoint.contract)
    geometry = contract.geometry
    tokens, scores = [], []
    for lang, word in WORDS:
        ids = torch.tensor([[byte + 3 for byte in (contract.prefix_for(lang) + word).encode()]])
        lengths, slot = torch.tensor([ids.shape[1]], dtype=torch.int32), torch.zeros(1, dtype=torch.int32)
        past, source = (
            [torch.zeros(2, 1, reach, geometry.heads, geometry.d_kv) for _ in range(geometry.decoder_layers)]
            for reach in (contract.max_target_bytes, ids.shape[1])
        )
        stages.prefill(stages.encoder(ids.int(), lengths), slot, source)
        token, total, found = torch.full((1,), START, dtype=torch.int32), 0.0, []
        for position in range(contract.max_target_bytes):
            at = torch.full((1,), position, dtype=torch.int32)
            token, logprob = stages.step(token, at, slot, lengths, past, source)
            found.append(int(token))
            total += float(logprob)
            if found[-1] == EOS:
                break
        tokens.append(found)
        scores.append(total)
    return tokens, scores


def assert_reference_and_step_agree(checkpoint: Checkpoint) -> None:
    wanted = answers(checkpoint, [word for _, word in WORDS], [lang for lang, _ in WORDS])
    tokens, scores = stepped(checkpoint)
    assert scores == pytest.approx([answer.logprob for answer in wanted], abs=1e-4)
    prons = [bytes(t - 3 for t in row if 3 <= t < 259).decode(errors="ignore") for row in tokens]
    assert prons == [answer.pron for answer in wanted]


@pytest.mark.parametrize(("own", "tie"), [(True, False), (False, False), (False, True), (False, ABSENT)])
def test_the_reference_and_the_step_agree_on_log_probabilities(own: bool, tie: Any, tmp_path: Path) -> None:
    config = changed(TRANSFORMERS_4, tie_word_embeddings=tie)
    folder = saved(tmp_path, random_t5(replace(SHAPE, tied=not own)), config)
    loaded = load_checkpoint(str(folder))
    assert_reference_and_step_agree(replace(loaded, contract=replace(loaded.contract, max_target_bytes=12)))


def test_the_reference_decodes_with_more_decoder_than_encoder_layers() -> None:
    assert_reference_and_step_agree(random_checkpoint(Shape(encoder_layers=1, decoder_layers=3)))


def rebuilt(folder: Path) -> Checkpoint:
    program = load_program(folder)
    return from_program(program.contract, program.weights)


def test_a_program_gives_the_state_dict_of_its_checkpoint_back(tiny_program: Path) -> None:
    assert_same_model(rebuilt(tiny_program), random_checkpoint())


def test_a_program_of_a_tied_bfloat16_checkpoint_keeps_that_type_and_loses_nothing(tmp_path: Path) -> None:
    shape = Shape(encoder_layers=1, decoder_layers=1, projection="relu", tied=True, scaled=True)
    checkpoint = load_checkpoint(str(saved(tmp_path / "checkpoint", random_t5(shape).bfloat16())))
    export_program(checkpoint, tmp_path / "program")
    stored = load_file(tmp_path / "program" / "weights.safetensors")
    assert {weight.dtype for weight in stored.values()} == {torch.bfloat16}
    assert_same_model(rebuilt(tmp_path / "program"), checkpoint)


def assert_same_model(rebuilt: Checkpoint, checkpoint: Checkpoint) -> None:
    ours, theirs = rebuilt.model.state_dict(), checkpoint.model.state_dict()
    assert set(ours) == set(theirs)
    for name, wanted in theirs.items():
        if "relative_attention_bias" in name:
            stack = checkpoint.model.encoder if name.startswith("encoder") else checkpoint.model.decoder
            wanted = reached_only(wanted, stack.block[0].layer[0].SelfAttention, checkpoint.contract)
        assert torch.equal(ours[name], wanted), name
    assert torch.equal(forward(rebuilt.model), forward(checkpoint.model))
    assert replace(rebuilt.contract, versions={}, files={}) == replace(checkpoint.contract, versions={}, files={})


def reached_only(table: torch.Tensor, attention: Any, contract: Contract) -> torch.Tensor:
    """Return the bias table with zeros for the buckets that no distance within the contract falls into."""
    source, target = contract.max_source_bytes, contract.max_target_bytes
    distances = -torch.arange(target) if attention.is_decoder else torch.arange(-source + 1, source)
    reached = torch.zeros(len(table), dtype=torch.bool)
    reached[bias_buckets(attention, distances)] = True
    return torch.where(reached[:, None], table, 0.0)
