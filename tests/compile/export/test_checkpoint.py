"""Loading a checkpoint from a folder or the hub: what is accepted, what it means, and what is said when it is not."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
import torch
from huggingface_hub import errors as hub
from safetensors.torch import load_file, save_file
from transformers import BertConfig, MarianConfig, T5ForConditionalGeneration

from g2p_batch.errors import ModelError
from g2p_batch.model.contract import Contract, Geometry
from g2p_batch.model.tokenizer import EOS, START
from g2p_compile.check.transformers_reference import answers
from g2p_compile.export.checkpoint import Checkpoint, bias_buckets, from_program, load_checkpoint
from g2p_compile.export.exporter import export_program
from g2p_compile.export.stages import Stages
from g2p_compile.program import load_program
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
SHAPE = Shape(decoder_layers=1)
TRANSFORMERS_4 = {
    "_name_or_path": "google/byt5-small",
    "architectures": ["T5ForConditionalGeneration"],
    "d_ff": 96,
    "d_kv": 16,
    "d_model": 64,
    "decoder_start_token_id": 0,
    "dropout_rate": 0.1,
    "eos_token_id": 1,
    "feed_forward_proj": "gated-gelu",
    "gradient_checkpointing": False,
    "initializer_factor": 1.0,
    "is_encoder_decoder": True,
    "layer_norm_epsilon": 1e-06,
    "model_type": "t5",
    "num_decoder_layers": 1,
    "num_heads": 4,
    "num_layers": 2,
    "pad_token_id": 0,
    "relative_attention_num_buckets": 32,
    "tie_word_embeddings": False,
    "tokenizer_class": "ByT5Tokenizer",
    "torch_dtype": "float32",
    "transformers_version": "4.18.0",
    "use_cache": True,
    "vocab_size": 384,
}
"""A config.json as transformers 4 wrote it: no relative_attention_max_distance, the flag with its old meaning."""
ABSENT = object()
CONFIG, WEIGHTS = "config.json", "model.safetensors"


def saved(folder: Path, model: T5ForConditionalGeneration, config: dict[str, Any] | None = None) -> Path:
    """Save as transformers does, and put a config.json written by hand in place of its own if one is given."""
    model.save_pretrained(folder)
    if config is not None:
        (folder / CONFIG).write_text(json.dumps(config), encoding="utf-8")
    return folder


def changed(config: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {key: value for key, value in (config | changes).items() if value is not ABSENT}


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


REFUSED = {
    "another vocabulary": (
        changed(TRANSFORMERS_4, vocab_size=32128),
        "vocab_size is 32128, not 384",
    ),
    "another activation": (
        changed(TRANSFORMERS_4, feed_forward_proj="gated-silu"),
        "feed_forward_proj is 'gated-silu', not one of gated-gelu, gated-gelu_new, relu",
    ),
    "other special tokens": (
        changed(TRANSFORMERS_4, pad_token_id=1, eos_token_id=2, decoder_start_token_id=ABSENT),
        "pad_token_id is 1, not 0; eos_token_id is 2, not 1; decoder_start_token_id is None, not 0",
    ),
    "impossible sizes": (
        changed(TRANSFORMERS_4, d_model=0, d_kv="64", num_layers=-1),
        "d_model is 0, not a positive number; d_kv is '64', not a positive number; "
        "num_layers is -1, not a positive number",
    ),
    "everything at once": (
        changed(TRANSFORMERS_4, vocab_size=32128, feed_forward_proj="gated-silu", num_heads=0),
        "vocab_size is 32128, not 384; feed_forward_proj is 'gated-silu', not one of gated-gelu, gated-gelu_new, "
        "relu; num_heads is 0, not a positive number",
    ),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("whole") / "checkpoint", random_t5(SHAPE), TRANSFORMERS_4)


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """Return a folder with the files of a checkpoint, to spoil."""
    for path in whole.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def refusal(source: str | Path) -> str:
    with pytest.raises(ModelError) as caught:
        load_checkpoint(str(source))
    assert caught.value.__cause__ is None
    return str(caught.value)


@pytest.mark.parametrize("case", REFUSED)
def test_an_unsupported_config_is_refused_with_all_reasons_at_once(case: str, copy: Path) -> None:
    config, reasons = REFUSED[case]
    (copy / CONFIG).write_text(json.dumps(config), encoding="utf-8")
    assert refusal(copy) == f"{copy} is not a supported ByT5 checkpoint: {reasons}"


@pytest.mark.parametrize("config", [BertConfig(), MarianConfig(decoder_start_token_id=58100)])
def test_another_architecture_is_refused_with_all_reasons_at_once(config: Any, tmp_path: Path) -> None:
    config.save_pretrained(tmp_path)
    message = refusal(tmp_path)
    written = json.loads((tmp_path / CONFIG).read_text(encoding="utf-8"))
    for reason in (
        f"{tmp_path} is not a supported ByT5 checkpoint: model_type is {written['model_type']!r}, not 't5'; ",
        f"vocab_size is {written['vocab_size']}, not 384; ",
        "it has no *.safetensors file (pickled weights are not read: convert them first); ",
        "d_ff is None, not a positive number; d_kv is None, not a positive number",
    ):
        assert reason in message


def test_pickled_weights_are_never_read(copy: Path) -> None:
    (copy / WEIGHTS).unlink()
    (copy / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    assert refusal(copy) == (
        f"{copy} is not a supported ByT5 checkpoint: it has no *.safetensors file "
        "(pickled weights are not read: convert them first)"
    )


@pytest.mark.parametrize("text", ["", "{", '{"model_type": "t5",}', "\x00"])
def test_a_config_that_is_no_json_is_refused(text: str, copy: Path) -> None:
    (copy / CONFIG).write_text(text, encoding="utf-8")
    message = refusal(copy)
    assert message.startswith(f"{copy / CONFIG} cannot be read (")
    assert message.endswith("): download the checkpoint again")


@pytest.mark.parametrize("content", [b"[]", b"null", b"3"])
def test_a_config_that_is_no_object_is_refused(content: bytes, copy: Path) -> None:
    (copy / CONFIG).write_bytes(content)
    assert refusal(copy) == f"{copy / CONFIG} is not a JSON object: download the checkpoint again"


def test_a_config_in_another_encoding_is_refused(copy: Path) -> None:
    (copy / CONFIG).write_bytes(b'{"_name_or_path": "\xe9"}')
    assert refusal(copy).startswith(f"{copy / CONFIG} cannot be read (")


def test_a_folder_without_config_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"{tmp_path} holds no config.json: give the folder of a transformers checkpoint"


@pytest.mark.parametrize("kept", [0, 7, 5000, -1])
def test_damaged_weights_are_refused(kept: int, copy: Path) -> None:
    (copy / WEIGHTS).write_bytes((copy / WEIGHTS).read_bytes()[:kept])
    message = refusal(copy)
    assert message.startswith(f"{copy / WEIGHTS} is damaged (")
    assert message.endswith("): download the checkpoint again")


def test_weights_under_a_name_that_transformers_does_not_know_are_refused(copy: Path) -> None:
    (copy / WEIGHTS).rename(copy / "weights.safetensors")
    message = refusal(copy)
    assert message.startswith(f"{copy} cannot be loaded (")
    assert message.endswith("): download the checkpoint again")


SPOILED: dict[str, Callable[[dict[str, torch.Tensor]], object]] = {
    "missing": lambda weights: weights.pop("decoder.final_layer_norm.weight"),
    "of another shape": lambda weights: weights.update({"decoder.final_layer_norm.weight": torch.ones(5)}),
}


@pytest.mark.parametrize("how", SPOILED)
def test_weights_that_are_not_those_of_the_config_are_refused_and_not_made_up(how: str, copy: Path) -> None:
    weights = load_file(copy / WEIGHTS)
    SPOILED[how](weights)
    save_file(weights, copy / WEIGHTS, metadata={"format": "pt"})
    assert refusal(copy) == (
        f"the weights in {copy} are not those of its config.json, missing or of another shape: "
        "decoder.final_layer_norm.weight. Download the checkpoint again"
    )


def test_a_config_with_more_layers_than_weights_is_refused(copy: Path) -> None:
    (copy / CONFIG).write_text(json.dumps(changed(TRANSFORMERS_4, num_layers=3)), encoding="utf-8")
    message = refusal(copy)
    assert "encoder.block.2.layer.0.SelfAttention.k.weight, " in message
    assert message.endswith(" and 4 more. Download the checkpoint again")


RESPONSE = SimpleNamespace(headers={}, request=None)
HUB_ID = "charsiu/g2p_multilingual_byT5_tiny_16_layers_100"
UNREACHABLE = {
    "no such repository": (hub.RepositoryNotFoundError("404: not found\nhint", response=RESPONSE), "404: not found"),
    "gated": (hub.GatedRepoError("403: ask for access", response=RESPONSE), "403: ask for access"),
    "no such revision": (hub.RevisionNotFoundError("no revision x", response=RESPONSE), "no revision x"),
    "server error": (hub.HfHubHTTPError("503: try later", response=RESPONSE), "503: try later"),
    "offline and not cached": (hub.LocalEntryNotFoundError("nothing in the cache"), "nothing in the cache"),
    "offline mode": (hub.OfflineModeIsEnabled("HF_HUB_OFFLINE is set"), "HF_HUB_OFFLINE is set"),
    "no network": (OSError(101, "Network is unreachable"), "[Errno 101] Network is unreachable"),
    "a timeout without words": (TimeoutError(), "TimeoutError"),
}


@pytest.mark.parametrize("case", UNREACHABLE)
def test_a_hub_that_cannot_give_a_checkpoint_says_what_to_do(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    error, reason = UNREACHABLE[case]

    def download(*_: Any, **__: Any) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert refusal(HUB_ID) == (
        f"{HUB_ID} is not a folder here, and the model hub could not give it ({reason}): check the name and the "
        "network, or download the checkpoint elsewhere and pass its folder"
    )


@pytest.mark.parametrize("source", ["/no/such/folder", "../checkpoints/mine", "a b", "x/y/z"])
def test_what_is_neither_folder_nor_hub_id_never_reaches_the_hub(source: str) -> None:
    assert refusal(source) == (
        f"{source} is neither a folder nor a hub id: give a folder that holds config.json and *.safetensors, "
        "or an id such as charsiu/g2p_multilingual_byT5_tiny_16_layers_100"
    )


def test_a_hub_id_is_asked_for_its_revision_without_pickles(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}

    def download(source: str, revision: str, allow_patterns: list[str]) -> str:
        asked.update(source=source, revision=revision, patterns=allow_patterns)
        return str(whole)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    contract = load_checkpoint(HUB_ID, revision="abc").contract
    assert (contract.name, contract.checkpoint) == (HUB_ID.split("/")[1], HUB_ID)
    assert (asked["source"], asked["revision"]) == (HUB_ID, "abc")
    assert not [p for p in asked["patterns"] if "bin" in p or p in ("*", "*.pt")]


def test_a_program_gives_the_state_dict_of_its_checkpoint_back(tiny_program: Path) -> None:
    assert_same_model(from_program(load_program(tiny_program)), random_checkpoint())


def test_a_program_of_a_tied_bfloat16_checkpoint_keeps_that_type_and_loses_nothing(tmp_path: Path) -> None:
    shape = Shape(encoder_layers=1, decoder_layers=1, projection="relu", tied=True, scaled=True)
    checkpoint = load_checkpoint(str(saved(tmp_path / "checkpoint", random_t5(shape).bfloat16())))
    export_program(checkpoint, tmp_path / "program")
    stored = load_file(tmp_path / "program" / "weights.safetensors")
    assert {weight.dtype for weight in stored.values()} == {torch.bfloat16}
    assert_same_model(from_program(load_program(tmp_path / "program")), checkpoint)


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
