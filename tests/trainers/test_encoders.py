from __future__ import annotations

import pytest
import torch
from torch import nn

from masksmith.errors import UsageProblem
from trainers import count_flops, count_parameters
from trainers.models import MODELS, build_embedding, outline
from trainers.networks.mobile import TRUNKS, MobileTrunk
from trainers.networks.resnet import RESNETS, ResNetTrunk

# as timm counts them, a classifier of 1000 classes included
PUBLISHED = {
    "mobilenetv1_100": 4_231_976,
    "mobilenetv2_100": 3_504_872,
    "mobilenetv2_035": 1_677_128,
    "mobilenetv3_large_100": 5_483_032,
    "efficientnet_b0": 5_288_548,
    "efficientnet_lite0": 4_652_008,
    "resnet18": 11_689_512,
    "resnet152": 60_192_808,
    "resnext50_32x4d": 25_028_904,
}


def whole(name: str) -> nn.Module:
    with torch.device("meta"):
        return MobileTrunk(name, head=True) if name in TRUNKS else ResNetTrunk(name)


@pytest.mark.parametrize("name", [*TRUNKS, *RESNETS])
def test_an_encoder_and_its_classifier_have_the_published_parameters(name: str) -> None:
    trunk = whole(name)
    channels = trunk.channels[-1]
    pooled = 0
    if name == "mobilenetv3_large_100":  # its 1x1 with a bias comes after pooling
        pooled, channels = 960 * 1280 + 1280, 1280
    assert count_parameters(trunk) + pooled + 1000 * (channels + 1) == PUBLISHED[name]


def test_the_trunk_of_peopleseg_is_mobilenetv2_up_to_1280_maps() -> None:
    assert count_parameters(whole("mobilenetv2_100")) == 2_223_872
    assert count_parameters(whole("mobilenetv1_100")) == 3_206_976


@pytest.mark.parametrize("name", [*TRUNKS, "resnet18"])
def test_an_encoder_returns_one_map_of_every_stride(name: str) -> None:
    trunk = (MobileTrunk(name, head=True) if name in TRUNKS else ResNetTrunk(name)).eval()
    with torch.inference_mode():
        maps = trunk(torch.rand(1, 3, 70, 45))
    assert [tuple(values.shape) for values in maps] == [
        (1, channels, -(-70 // stride), -(-45 // stride))
        for channels, stride in zip(trunk.channels, (2, 4, 8, 16, 32), strict=True)
    ]


def test_parameters_have_timms_names() -> None:
    shapes = {name: {key: tuple(value.shape) for key, value in whole(name).state_dict().items()} for name in PUBLISHED}
    assert shapes["mobilenetv3_large_100"]["blocks.2.0.se.conv_reduce.bias"] == (24,)
    assert shapes["mobilenetv3_large_100"]["blocks.3.2.conv_pwl.weight"] == (80, 184, 1, 1)
    assert shapes["mobilenetv3_large_100"]["blocks.6.0.conv.weight"] == (960, 160, 1, 1)
    assert shapes["mobilenetv2_100"]["blocks.0.0.conv_dw.weight"] == (32, 1, 3, 3)
    assert shapes["mobilenetv2_100"]["conv_head.weight"] == (1280, 320, 1, 1)
    assert shapes["efficientnet_b0"]["blocks.0.0.se.conv_expand.weight"] == (32, 8, 1, 1)
    assert shapes["efficientnet_b0"]["blocks.1.0.se.conv_reduce.weight"] == (4, 96, 1, 1)
    assert not any(".se." in key for key in shapes["efficientnet_lite0"])
    assert shapes["mobilenetv1_100"]["blocks.4.1.conv_pw.weight"] == (1024, 1024, 1, 1)
    assert shapes["resnext50_32x4d"]["layer1.0.conv2.weight"] == (128, 4, 3, 3)
    assert shapes["resnet152"]["layer3.35.bn3.running_var"] == (1024,)
    assert shapes["resnet18"]["layer2.0.downsample.1.weight"] == (128,)


def test_a_cut_encoder_is_the_beginning_of_the_whole_one() -> None:
    torch.manual_seed(0)
    full, part = MobileTrunk("efficientnet_b0").eval(), MobileTrunk("efficientnet_b0", cut=8).eval()
    part.load_state_dict({key: value for key, value in full.state_dict().items() if key in part.state_dict()})
    image = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        for ours, theirs in zip(part(image)[:3], full(image), strict=False):
            assert torch.equal(ours, theirs)
        assert part(image)[-1].shape == (1, 80, 4, 4)


@pytest.mark.parametrize("name", [name for name in MODELS if name.startswith("portrait_")])
def test_portrait_encoders_end_at_stride_16_with_a_skip_of_stride_8(name: str) -> None:
    network = outline(name)
    maps = network.encoder(torch.zeros(1, 3, 64, 64, device="meta"))  # type: ignore[operator]
    assert [values.shape[-1] for values in maps[-2:]] == [8, 4]


def test_the_costs_agree_with_the_papers() -> None:
    assert count_parameters(outline("portrait_mnv3")) == pytest.approx(205_000, rel=0.02)
    assert count_parameters(outline("portrait_mnv2")) == pytest.approx(102_000, rel=0.04)
    assert count_flops(outline("portrait_mnv2")) == pytest.approx(93e6, rel=0.05)
    assert count_flops(outline("portrait_effb0")) == pytest.approx(334e6, rel=0.02)
    assert count_flops(outline("sinet")) / 2 == pytest.approx(64e6, rel=0.02)
    assert count_flops(outline("mobileseg")) == pytest.approx(2.68e9, rel=0.04)
    assert 4 * count_parameters(outline("teacher")) == pytest.approx(85e6, rel=0.01)
    assert count_parameters(outline("peopleseg_fpn")) == pytest.approx(2.25e6, rel=0.01)
    assert count_parameters(outline("peopleseg_deeplab")) == pytest.approx(4.87e6, rel=0.03)


def test_an_embedding_lies_on_the_unit_sphere_at_any_size_and_width() -> None:
    for width, size in ((0.25, (61, 45)), (0.5, (64, 64))):
        network = build_embedding("facenet_mobile", width=width).eval()
        with torch.inference_mode():
            points = network(torch.rand(2, 3, *size))
        assert points.shape == (2, 128)
        assert torch.allclose(points.norm(dim=1), torch.ones(2), atol=1e-5)
        assert not torch.allclose(points[0], points[1])
    assert network.encoder.channels == (32, 64, 128, 256, 512)  # type: ignore[union-attr]


def test_every_parameter_of_an_embedding_learns() -> None:
    network = build_embedding("facenet_mobile", width=0.25).train()
    (network(torch.rand(4, 3, 64, 64)) * torch.randn(4, 128)).sum().backward()
    silent = [key for key, value in network.named_parameters() if value.grad is None or not value.grad.any()]
    assert not silent


def test_an_embedding_that_cannot_be_is_refused() -> None:
    with pytest.raises(UsageProblem, match="facenet_mobile"):
        build_embedding("facenet")
    with pytest.raises(UsageProblem, match="width"):
        build_embedding("facenet_mobile", width=1.5)
