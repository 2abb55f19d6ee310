"""How feet are photographed: the shares of what varies."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Rig:
    """How feet are photographed.

    Attributes:
        views: pictures a subject.
        canvas: side of a cutout in pixels.
        scanner: the four fixed cameras of document F instead of phones.
        skin: melanin (0 light, 1 dark) to paint scans without colour with; None refuses them.
        trousers_share: share of the settings of a foot in which a trouser leg covers a part of it.
        settings: arrangements (pose, clothes, things, lamp) a subject; the views are shared out among them.
        pose_share: share of the settings with feet in any pose, seen by a phone held anywhere, near or far.
        sole_share: share of those with a lying leg, the sole in sight.
        clothes_share: share of the settings with socks or shoes.
        polish_share: share of the settings with painted nails.
        clutter_share: share of the settings with things on the floor.
        blanket_share: share of the settings on wrinkled cloth.
        objects_share: share of the settings with things and no foot.
        company_share: share of the settings with a second person of the same split, see :mod:`datagen.company`.
        layers: keep with each cutout the layers that labels beside the mask need, see :mod:`datagen.layers`.
    """

    views: int = 8
    canvas: int = 448
    scanner: bool = False
    skin: float | None = None
    trousers_share: float = 0.0
    settings: int = 2
    pose_share: float = 0.0
    sole_share: float = 0.0
    clothes_share: float = 0.0
    polish_share: float = 0.0
    clutter_share: float = 0.0
    blanket_share: float = 0.0
    objects_share: float = 0.0
    company_share: float = 0.0
    layers: bool = False

    @property
    def plain(self) -> bool:
        """Whether feet stand flat and bare, with nothing and nobody beside them."""
        shares = (self.pose_share, self.sole_share, self.clothes_share, self.polish_share)
        return not any((*shares, self.clutter_share, self.blanket_share, self.objects_share, self.company_share))


def varied(rig: Rig) -> Rig:
    """The same rig with everything that varies between real photos, in the shares that ``--varied`` stands for."""
    return replace(
        rig,
        settings=4,
        trousers_share=0.4,
        pose_share=0.55,
        sole_share=0.15,
        clothes_share=0.12,
        polish_share=0.25,
        clutter_share=0.22,
        blanket_share=0.08,
        objects_share=0.02,
        company_share=0.08,
    )
