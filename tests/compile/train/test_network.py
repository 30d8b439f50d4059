"""The loss and its gradients are those of transformers, whatever the model's form."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from transformers import T5ForConditionalGeneration

from g2p_batch.model.contract import Geometry
from g2p_compile.export.checkpoint import config_of
from g2p_compile.train import pointwise, sublayers
from g2p_compile.train.batches import IGNORED
from g2p_compile.train.network import Network
from g2p_compile.train.start import geometry_of
from tests.helpers.training import TINY

FORMS: dict[str, dict[str, Any]] = {
    "gated": {},
    "relu": {"gated": False, "activation": "relu"},
    "tied": {"logit_scale": 0.125},
}


@pytest.fixture(params=["compiled", "plain"])
def as_is(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "plain":
        monkeypatch.setattr(sublayers, "compiled", lambda function, device: function)
    elif not pointwise.can_compile("cpu"):
        pytest.skip("PyTorch's compiler needs a C++ compiler")


def model_of(geometry: Geometry) -> T5ForConditionalGeneration:
    torch.manual_seed(3)
    model = T5ForConditionalGeneration(config_of(geometry)).eval()  # nothing is dropped
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.uniform_(0.5, 1.5)
            elif "relative" in name:
                parameter.normal_()
    return model


def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(4)
    sources, inputs, labels = (torch.randint(3, 259, (5, width)) for width in (9, 7, 7))
    for row, (source, target) in enumerate(((9, 7), (1, 7), (4, 1), (8, 3), (9, 2))):
        sources[row, source:] = 0
        inputs[row, target:], labels[row, target:] = 0, IGNORED
    return sources, inputs, labels


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [TINY, "d_model=64,d_ff=80,heads=3,d_kv=8,encoder_layers=2,decoder_layers=3"])
@pytest.mark.usefixtures("as_is")
def test_loss_and_gradients_are_those_of_transformers(shape: str, form: str) -> None:
    geometry = replace(geometry_of(shape), **FORMS[form])
    model = model_of(geometry)
    sources, inputs, labels = batch()
    logits = model(
        input_ids=sources, attention_mask=(sources != 0).long(), decoder_input_ids=inputs, use_cache=False
    ).logits
    expected = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)
    expected.backward()
    gradients = {
        name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None
    }
    assert len(gradients) == len(list(model.parameters()))
    model.zero_grad(set_to_none=True)
    loss = Network(model, torch.float32, geometry.logit_scale).loss(sources, inputs, labels)
    loss.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        off = (parameter.grad - gradients[name]).norm() / gradients[name].norm()
        assert off < 2e-5, name


@pytest.mark.usefixtures("as_is")
def test_bfloat16_is_near() -> None:
    model = model_of(geometry_of(TINY))
    exact, near = (Network(model, dtype, 1.0).loss(*batch()) for dtype in (torch.float32, torch.bfloat16))
    assert exact.item() == pytest.approx(near.item(), rel=0.02)
    assert exact.item() != near.item()


def test_units_are_dropped_in_training_alone_and_by_the_share_that_is_given() -> None:
    model = model_of(geometry_of(TINY))
    networks = [Network(model, torch.float32, 1.0, dropout) for dropout in (0.0, 0.5)]
    whole, same = (network.loss(*batch()).item() for network in networks)
    model.train()  # its configuration drops units too, which does not count
    still, dropped = (network.loss(*batch()).item() for network in networks)
    assert whole == same == still != pytest.approx(dropped, rel=1e-3)


def test_dropped_units_are_those_that_get_no_gradient() -> None:
    torch.manual_seed(0)
    x, up, down = torch.randn(40, 16), torch.randn(24, 16), torch.randn(16, 24)
    for tensor in (x, up, down):
        tensor.requires_grad_()

    def whole() -> torch.Tensor:
        rows = x * torch.rsqrt((x * x).mean(-1, keepdim=True) + 1e-6)
        return (rows @ up.T).relu() @ down.T

    out = sublayers.FeedForward.apply(x, None, up, down, 1e-6, 0.25)
    kept = (out != x).float() / 0.75
    assert kept.bool().float().mean() == pytest.approx(0.75, abs=0.05)
    torch.testing.assert_close(out, x + whole() * kept)
    weight = torch.randn_like(out)
    expected = torch.autograd.grad(((x + whole() * kept) * weight).sum(), (x, up, down))
    torch.testing.assert_close(torch.autograd.grad((out * weight).sum(), (x, up, down)), expected, rtol=1e-4, atol=1e-4)


def test_functions_are_compiled_for_more_forms_than_torch_has_by_itself_in_every_thread() -> None:
    if not pointwise.can_compile("cpu"):
        pytest.skip("PyTorch's compiler needs a C++ compiler")

    def limit_of_thread() -> tuple[int, int]:
        before = torch._dynamo.config.recompile_limit
        pointwise.compiled(pointwise.gated, "cpu")(torch.ones(3, 4), torch.ones(3, 4))
        return before, torch._dynamo.config.recompile_limit

    with ThreadPoolExecutor(1) as pool:
        before, limit = pool.submit(limit_of_thread).result()
    assert before < limit == 64


def test_without_a_compiler_functions_run_as_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> nn.Module:
        raise RuntimeError("no C++ compiler")

    pointwise.can_compile.cache_clear()
    pointwise.compiled.cache_clear()
    monkeypatch.setattr(torch, "compile", fails)
    try:
        assert not pointwise.can_compile("cpu")
        assert pointwise.compiled(pointwise.gated, "cpu") is pointwise.gated
    finally:
        pointwise.can_compile.cache_clear()
        pointwise.compiled.cache_clear()
