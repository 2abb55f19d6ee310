"""The foot that every part of the scene maker works on, whether it was scanned or made."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from masksmith.errors import unknown_choice

SIDES = ("left", "right")

Vertices = npt.NDArray[np.float32]
"""(V, 3) float32, metres."""
Faces = npt.NDArray[np.int32]
"""(F, 3) int32, indices of vertices, outward winding."""


@dataclass(frozen=True, eq=False)
class Foot:
    """A coloured surface of one foot, ankle and lower leg, standing on the floor.

    Attributes:
        subject: the foot's owner; both feet of one person share it.
        side: ``left`` or ``right``.
        vertices: (V, 3) float32 in metres, y up, sole on y = 0, toes towards +z; x = z = 0 lies under the middle of
            the bounding box of the part below 8 cm. Seen from above with the toes up, +x is on the left.
        faces: (F, 3) int32 on merged vertices: a texture seam is no seam of the surface. Wound so that normals
            point outwards; open where the leg is cut.
        source: the file's name, or ``parametric``.
        licence: of the input, as its owner named it; ``unknown`` where nobody did.
        sha256: hex digest of the input files, or of the parameters.
        uv: (F, 3, 2) float32 for each corner of each face, or None. v = 0 is the LOWEST row of the texture (the
            convention of OBJ), so the row is ``(1 - v) * height``.
        texture: (h, w, 3) uint8 RGB, or None.
        colours: (V, 3) uint8 RGB for each vertex, or None. A foot has either ``uv`` and ``texture`` or ``colours``.
        notes: what was guessed or mended on the way, one sentence each.
    """

    subject: str
    side: str
    vertices: Vertices
    faces: Faces
    source: str
    licence: str
    sha256: str
    uv: npt.NDArray[np.float32] | None = None
    texture: npt.NDArray[np.uint8] | None = None
    colours: npt.NDArray[np.uint8] | None = None
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.side not in SIDES:
            raise unknown_choice("side", self.side, SIDES)

    @property
    def length_m(self) -> float:
        """Heel to toe along z, in metres, measured below 8 cm."""
        low = self.vertices[self.vertices[:, 1] < 0.08]
        return float(np.ptp(low[:, 2])) if len(low) else 0.0

    def normals(self) -> npt.NDArray[np.float32]:
        """(V, 3) float32 unit normals of the vertices, weighted by the areas of their faces."""
        corners = self.vertices[self.faces]
        across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        total = np.zeros((len(self.vertices), 3), np.float64)
        for axis in range(3):
            weights = np.repeat(across[:, axis], 3)
            total[:, axis] = np.bincount(self.faces.ravel(), weights=weights, minlength=len(self.vertices))
        lengths = np.linalg.norm(total, axis=1, keepdims=True)
        return np.asarray(total / np.maximum(lengths, 1e-20), dtype=np.float32)
