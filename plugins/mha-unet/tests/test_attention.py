"""The attention over the bottleneck's tokens: against one written by hand, in every mode a network is used in."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toonforge_mha_unet import Unet
from toonforge_mha_unet.network import TokenAttention


def by_hand(attention: TokenAttention, x: torch.Tensor) -> torch.Tensor:
    """Softmax of scaled dot products, head by head, in float64."""
    layer, x = attention.attention, x.double()
    count, channels, height, width = x.shape
    tokens = x.flatten(2).transpose(1, 2)  # N,H*W,C
    q, k, v = (
        tokens @ weight.T + bias
        for weight, bias in zip(layer.in_proj_weight.double().chunk(3), layer.in_proj_bias.double().chunk(3))
    )
    share = channels // layer.num_heads
    heads = []
    for head in range(layer.num_heads):
        part = slice(head * share, (head + 1) * share)
        scores = q[..., part] @ k[..., part].transpose(1, 2) / share**0.5
        scores = scores.exp() / scores.exp().sum(-1, keepdim=True)
        heads.append(scores @ v[..., part])
    out = torch.cat(heads, -1) @ layer.out_proj.weight.double().T + layer.out_proj.bias.double()
    return out.transpose(1, 2).reshape(count, channels, height, width)


def randomised(channels: int, heads: int, seed: int = 0) -> TokenAttention:
    torch.manual_seed(seed)
    attention = TokenAttention(channels, heads)
    with torch.no_grad():
        for parameter in attention.parameters():  # the biases too, which start at 0
            parameter.normal_(0, 0.3 if parameter.ndim == 1 else 1.5 * channels**-0.5)
    return attention


@contextmanager
def as_in_training() -> Iterator[None]:
    yield


MODES = {"training": (True, as_in_training), "evaluation": (False, torch.no_grad), "use": (False, torch.inference_mode)}


@settings(max_examples=40)
@given(
    count=st.integers(1, 4),
    share=st.integers(1, 9),
    heads=st.integers(1, 8),
    height=st.integers(1, 6),
    width=st.integers(1, 6),
    mode=st.sampled_from(sorted(MODES)),
)
def test_it_is_the_textbooks(count: int, share: int, heads: int, height: int, width: int, mode: str) -> None:
    attention = randomised(share * heads, heads)
    x = torch.randn(count, share * heads, height, width)
    training, context = MODES[mode]
    with context():
        found = attention.train(training)(x)
    assert torch.allclose(found.double(), by_hand(attention, x), atol=1e-5)


def test_at_the_slides_size_it_is_the_textbooks_in_every_mode() -> None:
    attention, x = randomised(512, 8), torch.randn(4, 512, 2, 2)
    expected = by_hand(attention, x)
    assert expected.abs().max() > 0.5
    for training, context in MODES.values():
        with context():
            assert torch.allclose(attention.train(training)(x).double(), expected, atol=1e-5)


def test_training_and_use_give_equal_bits() -> None:
    attention, x = randomised(64, 8), torch.randn(3, 64, 4, 3)
    found = []
    for training, context in MODES.values():
        with context():
            found.append(attention.train(training)(x).clone())
    assert all(torch.equal(found[0], other) for other in found)


def test_torchs_inference_path_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(*_: object, **__: object) -> None:
        raise AssertionError("the fused inference path was taken")

    monkeypatch.setattr(torch, "_native_multi_head_attention", taken)
    with torch.inference_mode():
        randomised(64, 8).eval()(torch.randn(1, 64, 2, 2))


def test_every_token_sees_every_other_and_no_other_picture() -> None:
    attention = randomised(16, 4)
    x = torch.randn(2, 16, 2, 3, requires_grad=True)
    attention(x)[0, :, 1, 2].sum().backward()
    assert x.grad is not None
    assert x.grad[0].abs().sum(0).all()
    assert not x.grad[1].any()


def test_where_tokens_lie_is_not_told() -> None:
    attention, x = randomised(16, 4), torch.randn(1, 16, 1, 6)
    order = torch.randperm(6)
    assert torch.allclose(attention(x)[..., order], attention(x[..., order]), atol=1e-6)


def test_over_one_token_it_is_a_linear_map() -> None:
    attention, x = randomised(16, 4).double(), torch.randn(1, 16, 1, 1, dtype=torch.double)
    layer = attention.attention
    value, bias = layer.in_proj_weight[32:], layer.in_proj_bias[32:]
    expected = layer.out_proj(x.flatten() @ value.T + bias)
    assert torch.allclose(attention(x).flatten(), expected)


def test_a_picture_comes_out_alike_alone_and_in_a_batch() -> None:
    torch.manual_seed(0)
    network = Unet(levels=3, width=4).build().eval()
    x = torch.rand(5, 3, 32, 48) * 2 - 1
    together = network(x)
    for i in range(5):
        assert torch.allclose(network(x[i : i + 1]), together[i : i + 1], atol=1e-5)


def test_two_trainings_of_one_seed_give_equal_bits() -> None:
    def trained() -> list[torch.Tensor]:
        torch.manual_seed(3)
        network = Unet(levels=3, width=4).build()
        x = torch.rand(2, 3, 32, 32) * 2 - 1
        optimizer = torch.optim.Adam(network.parameters(), 1e-3)
        for _ in range(3):
            optimizer.zero_grad()
            (network(x) - x).abs().mean().backward()
            optimizer.step()
        return [parameter.detach() for parameter in network.parameters()]

    assert all(torch.equal(one, other) for one, other in zip(trained(), trained(), strict=True))


@pytest.mark.parametrize("training", [True, False])
def test_bfloat16_autocast_stays_near_float32(training: bool) -> None:
    attention, x = randomised(64, 8).train(training), torch.randn(3, 64, 2, 2)
    with torch.autocast("cpu", torch.bfloat16):
        found = attention(x)
    assert found.dtype == torch.bfloat16
    assert torch.allclose(found.float(), attention(x), atol=0.06, rtol=0.03)
    network = Unet(levels=3, width=4, dropout=0).build().train(training)
    pictures = torch.rand(2, 3, 32, 32) * 2 - 1
    reference = copy.deepcopy(network)
    with torch.autocast("cpu", torch.bfloat16):
        y = network(pictures)
        loss = (y.float() - pictures).abs().mean()
    loss.backward()
    assert (y.float() - reference(pictures)).abs().mean() < 0.05
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("heads", [1, 4])
def test_attention_while_it_is_traced_is_the_same(heads: int) -> None:
    torch.manual_seed(0)
    attention = TokenAttention(16, heads).eval()
    tokens = torch.randn(15, 2, 16)
    with torch.no_grad():
        wanted, _ = attention.attention(tokens, tokens, tokens, need_weights=False)
        assert torch.equal(attention._of_any_count(tokens), wanted)
