"""MobileNet V1 to V3 and EfficientNet (B0, Lite0) as encoders; parameters named as in timm."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from trainers.networks.layers import rounded

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "silu": nn.SiLU,
    "hard_swish": nn.Hardswish,
}


@dataclass(frozen=True)
class Row:
    """Blocks of one kind.

    Attributes:
        kind: ``plain`` (a convolution), ``separable`` (depthwise and pointwise, activated twice, no skip: V1),
            ``linear`` (the same with a linear end), or ``inverted`` (an inverted residual).
        repeats: number of blocks; the first one has the stride and changes the channels.
        channels: at width 1.
        attention: channel attention after the depthwise convolution.
        act: where it differs from the trunk's.
    """

    kind: str
    repeats: int
    kernel: int
    stride: int
    expand: float
    channels: int
    attention: bool = False
    act: str = ""


@dataclass(frozen=True)
class Design:
    """A family's table: its stages, activation, channels of the 1x1 convolution at the end (0 = none)."""

    stages: tuple[tuple[Row, ...], ...]
    act: str
    head: int
    stem: int = 32
    attends_expanded: bool = False
    """Attention's inner width is a quarter of the expanded channels (V3), not of the block's input (EfficientNet)."""


def efficient(*, attention: bool) -> tuple[tuple[Row, ...], ...]:
    """The stages of EfficientNet-B0."""
    return (
        (Row("linear", 1, 3, 1, 1, 16, attention),),
        (Row("inverted", 2, 3, 2, 6, 24, attention),),
        (Row("inverted", 2, 5, 2, 6, 40, attention),),
        (Row("inverted", 3, 3, 2, 6, 80, attention),),
        (Row("inverted", 3, 5, 1, 6, 112, attention),),
        (Row("inverted", 4, 5, 2, 6, 192, attention),),
        (Row("inverted", 1, 3, 1, 6, 320, attention),),
    )


V1 = Design(
    (
        (Row("separable", 1, 3, 1, 1, 64),),
        (Row("separable", 2, 3, 2, 1, 128),),
        (Row("separable", 2, 3, 2, 1, 256),),
        (Row("separable", 6, 3, 2, 1, 512),),
        (Row("separable", 2, 3, 2, 1, 1024),),
    ),
    act="relu6",
    head=0,
)
V2 = Design(
    (
        (Row("linear", 1, 3, 1, 1, 16),),
        (Row("inverted", 2, 3, 2, 6, 24),),
        (Row("inverted", 3, 3, 2, 6, 32),),
        (Row("inverted", 4, 3, 2, 6, 64),),
        (Row("inverted", 3, 3, 1, 6, 96),),
        (Row("inverted", 3, 3, 2, 6, 160),),
        (Row("inverted", 1, 3, 1, 6, 320),),
    ),
    act="relu6",
    head=1280,
)
V3 = Design(
    (
        (Row("linear", 1, 3, 1, 1, 16, act="relu"),),
        (Row("inverted", 1, 3, 2, 4, 24, act="relu"), Row("inverted", 1, 3, 1, 3, 24, act="relu")),
        (Row("inverted", 3, 5, 2, 3, 40, attention=True, act="relu"),),
        (
            Row("inverted", 1, 3, 2, 6, 80),
            Row("inverted", 1, 3, 1, 2.5, 80),
            Row("inverted", 2, 3, 1, 2.3, 80),
        ),
        (Row("inverted", 2, 3, 1, 6, 112, attention=True),),
        (Row("inverted", 3, 5, 2, 6, 160, attention=True),),
        (Row("plain", 1, 1, 1, 1, 960),),
    ),
    act="hard_swish",
    head=0,  # timm's 960 -> 1280 comes after pooling: it belongs to the classifier
    stem=16,
    attends_expanded=True,
)
B0 = Design(efficient(attention=True), act="silu", head=1280)
LITE0 = Design(efficient(attention=False), act="relu6", head=1280)

# name in timm: design, width
TRUNKS: dict[str, tuple[Design, float]] = {
    "mobilenetv1_100": (V1, 1.0),
    "mobilenetv2_035": (V2, 0.35),
    "mobilenetv2_100": (V2, 1.0),
    "mobilenetv3_large_100": (V3, 1.0),
    "efficientnet_b0": (B0, 1.0),
    "efficientnet_lite0": (LITE0, 1.0),
}


class Attention(nn.Module):
    """Squeeze and excitation: global mean, 1x1 down, activation, 1x1 up, gate, product."""

    def __init__(self, channels: int, inner: int, act: type[nn.Module], gate: type[nn.Module]) -> None:
        super().__init__()
        self.conv_reduce = nn.Conv2d(channels, inner, 1)
        self.act = act()
        self.conv_expand = nn.Conv2d(inner, channels, 1)
        self.gate = gate()

    def forward(self, values: Tensor) -> Tensor:
        mean = values.mean((2, 3), keepdim=True)
        return values * self.gate(self.conv_expand(self.act(self.conv_reduce(mean))))


class Plain(nn.Module):
    """Convolution, BN, activation."""

    def __init__(self, channels: int, out: int, row: Row, stride: int, act: type[nn.Module]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, row.kernel, stride, row.kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.act = act()

    def forward(self, values: Tensor) -> Tensor:
        return self.act(self.bn1(self.conv(values)))


class Separable(nn.Module):
    """Depthwise k x k, BN, activation, attention, pointwise, BN, and with ``separable`` an activation again."""

    def __init__(
        self, channels: int, out: int, row: Row, stride: int, act: type[nn.Module], attention: Attention | None
    ) -> None:
        super().__init__()
        self.conv_dw = nn.Conv2d(channels, channels, row.kernel, stride, row.kernel // 2, groups=channels, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.act = act()
        self.se = attention or nn.Identity()
        self.conv_pw = nn.Conv2d(channels, out, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.last = act() if row.kind == "separable" else nn.Identity()
        self.skips = row.kind == "linear" and stride == 1 and channels == out

    def forward(self, values: Tensor) -> Tensor:
        inner = self.se(self.act(self.bn1(self.conv_dw(values))))
        inner = self.last(self.bn2(self.conv_pw(inner)))
        return inner + values if self.skips else inner


class Inverted(nn.Module):
    """Inverted residual: 1x1 up, BN, activation, depthwise k x k, BN, activation, attention, 1x1 down, BN."""

    def __init__(
        self,
        channels: int,
        inner: int,
        out: int,
        row: Row,
        stride: int,
        act: type[nn.Module],
        attention: Attention | None,
    ) -> None:
        super().__init__()
        self.conv_pw = nn.Conv2d(channels, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.act = act()
        self.conv_dw = nn.Conv2d(inner, inner, row.kernel, stride, row.kernel // 2, groups=inner, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.se = attention or nn.Identity()
        self.conv_pwl = nn.Conv2d(inner, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.skips = stride == 1 and channels == out

    def forward(self, values: Tensor) -> Tensor:
        inner = self.act(self.bn1(self.conv_pw(values)))
        inner = self.se(self.act(self.bn2(self.conv_dw(inner))))
        inner = self.bn3(self.conv_pwl(inner))
        return inner + values if self.skips else inner


class MobileTrunk(nn.Module):
    """An encoder of the MobileNet family.

    Args:
        timm: its name in ``TRUNKS``.
        cut: how many blocks to keep; None = all of them.
        head: with the 1x1 convolution at the end, where the design has one (it needs all blocks).
        width: another width than the name says.

    Attributes:
        channels: of the maps that ``forward`` returns.

    ``forward`` takes (B, 3, H, W) and returns the last map of every stride it reaches: 2, 4, 8, ...
    """

    def __init__(self, timm: str, *, cut: int | None = None, head: bool = False, width: float | None = None) -> None:
        super().__init__()
        design, listed = TRUNKS[timm]
        width = width or listed
        self.timm = timm
        act = ACTIVATIONS[design.act]
        # EfficientNet-Lite keeps its stem whatever the width, but only width 1 is built here
        channels = rounded(design.stem * width)
        self.conv_stem = nn.Conv2d(3, channels, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.act = act()
        left = cut if cut is not None else 10**6
        stages: list[nn.Module] = []
        self.widths: list[int] = [channels]
        self.steps: list[bool] = []  # whether a stage halves its input
        for rows in design.stages:
            blocks: list[nn.Module] = []
            for row in rows:
                for number in range(row.repeats):
                    if left == 0:
                        break
                    left -= 1
                    out = rounded(row.channels * width)
                    blocks.append(block(design, row, channels, out, row.stride if number == 0 else 1))
                    channels = out
            if not blocks:
                break
            stages.append(nn.Sequential(*blocks))
            self.steps.append(rows[0].stride == 2)
            self.widths.append(channels)
        self.blocks = nn.Sequential(*stages)
        self.conv_head: nn.Module = nn.Identity()
        self.bn2: nn.Module = nn.Identity()
        if head and design.head:
            last = max(design.head, rounded(design.head * width))
            self.conv_head = nn.Conv2d(channels, last, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(last)
            self.widths[-1] = last
        self.headed = head and bool(design.head)
        ends = [number for number, step in enumerate(self.steps) if step] + [len(self.steps)]
        self.channels = tuple(self.widths[end] for end in ends)

    def forward(self, values: Tensor) -> tuple[Tensor, ...]:
        values = self.act(self.bn1(self.conv_stem(values)))
        maps: list[Tensor] = []
        for stage, step in zip(self.blocks, self.steps, strict=True):
            if step:
                maps.append(values)
            values = stage(values)
        if self.headed:
            values = self.act(self.bn2(self.conv_head(values)))
        return (*maps, values)


def block(design: Design, row: Row, channels: int, out: int, stride: int) -> nn.Module:
    """One block of a row."""
    act = ACTIVATIONS[row.act or design.act]
    inner = rounded(channels * row.expand) if row.kind == "inverted" else channels
    attention: Attention | None = None
    if row.attention:
        if design.attends_expanded:
            attention = Attention(inner, rounded(inner * 0.25), nn.ReLU, nn.Hardsigmoid)
        else:
            attention = Attention(inner, round(channels * 0.25), act, nn.Sigmoid)
    if row.kind == "plain":
        return Plain(channels, out, row, stride, act)
    if row.kind == "inverted":
        return Inverted(channels, inner, out, row, stride, act, attention)
    return Separable(channels, out, row, stride, act, attention)
