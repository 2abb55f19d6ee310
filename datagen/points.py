"""Point clouds: read from PLY, XYZ or PCD, freed of stray points, and given a surface.

Normals and the reconstruction are Open3D's (Kazhdan and Hoppe, "Screened Poisson surface reconstruction", 2013).
The reconstruction closes what was never seen with a balloon; where no points are near, it is cut away again.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from datagen.meshfile import RawMesh, cut_off, read_bytes
from datagen.meshheader import refuse_giants
from masksmith import files, seeds
from masksmith.errors import BadInput

SUFFIXES = (".xyz", ".pcd")
"""Formats that hold points only; a PLY may hold either."""
FEWEST = 2000
_ENOUGH = 150_000  # more points than this say no more about a foot
_NEIGHBOURS = 20
_STRAY = 3.0  # standard deviations of the mean distance to the neighbours
_DEPTH = 8  # of the octree: 256 cells across a foot, about a millimetre
_REACH = 3.0  # spacings: surface farther than this from every point was made up


@dataclass(frozen=True)
class Cloud:
    """Points (N, 3) float64 in the file's units, their colours (N, 3) uint8 or None, and the file's digest."""

    points: npt.NDArray[np.float64]
    colours: npt.NDArray[np.uint8] | None
    sha256: str


def is_cloud(path: Path) -> bool:
    """Whether a file holds points without triangles, by its name or its PLY header."""
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        return True
    if suffix != ".ply":
        return False
    try:
        with path.open("rb") as handle:
            head = handle.read(65_536)
    except OSError:
        return False
    text, end, _ = head.partition(b"end_header")
    lines = text.split(b"\n")
    faces = [int(line.split()[2]) for line in lines if line.startswith(b"element face ") and len(line.split()) == 3]
    return bool(end) and head.startswith(b"ply") and not sum(faces)


def read_cloud(path: Path) -> Cloud:
    """Read a point cloud.

    Raises:
        BadInput: no such file, not a cloud, cut off, or fewer than :data:`FEWEST` finite points.
        EnvironmentFault: no permission to read it.
    """
    refuse_giants(path)
    data = read_bytes(path, "a point cloud")
    read = {".xyz": _from_text, ".pcd": _from_pcd}.get(path.suffix.lower(), _from_ply)
    points, colours = read(path, data)
    finite = np.isfinite(points).all(axis=1)
    points, colours = points[finite], None if colours is None else colours[finite]
    if len(points) < FEWEST:
        raise BadInput(
            path,
            f"a point cloud of a foot, at least {FEWEST:,} points",
            f"{len(points):,} usable points without triangles",
            "export it with more points, or as a mesh",
        )
    return Cloud(points, colours, files.digest(data))


def reconstruct(path: Path) -> RawMesh:
    """Read a point cloud and lay a surface through it: colours are those of the nearest points.

    Raises:
        BadInput: as :func:`read_cloud`; or no surface comes of it.
    """
    cloud = read_cloud(path)
    notes = [f"a point cloud of {len(cloud.points):,} points"]
    points, colours = _thinned(cloud.points, cloud.colours)
    points, colours, strays = _without_strays(points, colours)
    if strays:
        notes.append(f"{strays:,} stray points were dropped")
    tree = cKDTree(points)
    spacing = float(np.median(tree.query(points[:: max(1, len(points) // 5000)], k=7)[0][:, 1:].mean(axis=1)))
    if not spacing > 0:
        raise BadInput(path, "a point cloud of a foot", "points that lie on one place", "export it again")
    vertices, faces, density = _poisson(points, spacing)
    away, nearest = tree.query(vertices)
    keep = (away < _REACH * spacing) & (density > np.quantile(density, 0.01) * 0.5)
    faces = faces[keep[faces].all(axis=1)]
    if len(faces) < 500:
        raise BadInput(path, "points that a surface can be laid through", "no surface", "export it as a mesh")
    notes.append(
        f"a surface of {len(faces):,} triangles was laid through them; {(~keep).mean():.0%} of it, made up, cut"
    )
    blended = None
    if colours is not None:
        _, around = tree.query(vertices, k=3)
        blended = np.round(colours[around].astype(np.float64).mean(axis=1)).astype(np.uint8)
        blended[away < 1e-3 * spacing] = colours[nearest[away < 1e-3 * spacing]]
    used, compact = np.unique(faces, return_inverse=True)
    return RawMesh(
        vertices[used],
        compact.reshape(-1, 3).astype(np.int64),
        None,
        None,
        None if blended is None else blended[used],
        cloud.sha256,
        tuple(notes),
    )


def _from_text(path: Path, data: bytes) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.uint8] | None]:
    """Lines of x y z, and after them r g b (0 to 255 or 0 to 1) or a normal."""
    text = data.decode("utf-8", "replace").replace(",", " ").replace(";", " ")
    first = text.lstrip().partition("\n")[0]
    heading = bool(first) and not any(sign.isdigit() for sign in first)
    try:
        rows = io.StringIO(text.lstrip().partition("\n")[2] if heading else text)
        table = np.loadtxt(rows, dtype=np.float64, comments=["#", "//"], ndmin=2)
    except ValueError as fault:
        found = str(fault).splitlines()[0][:120]
        raise BadInput(path, "lines of x y z [r g b]", found, "export it again") from None
    if table.shape[1] < 3:
        raise BadInput(path, "lines of x y z [r g b]", f"{table.shape[1]} columns", "export it again")
    extra = table[:, 3:6]
    if extra.shape[1] < 3 or (extra < 0).any():
        return table[:, :3], None
    unit = np.abs(np.linalg.norm(extra, axis=1) - 1) < 0.01
    if float(extra.max(initial=0)) <= 1.0:
        return table[:, :3], None if unit.mean() > 0.9 else np.round(extra * 255).astype(np.uint8)
    return table[:, :3], np.clip(np.round(extra), 0, 255).astype(np.uint8)


def _from_ply(path: Path, data: bytes) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.uint8] | None]:
    import trimesh

    try:
        cloud: Any = trimesh.load(io.BytesIO(data), file_type="ply", process=False)
        points = np.array(cloud.vertices, dtype=np.float64).reshape(-1, 3)
        colours = np.array(cloud.colors[:, :3], np.uint8) if len(getattr(cloud, "colors", ())) else None
    except Exception as fault:  # a parser meets every kind of damage with another exception
        reason = (str(fault).splitlines() or [type(fault).__name__])[0][:120]
        raise BadInput(path, "a whole point cloud", f"one that cannot be read ({reason})", "export it again") from None
    if len(points) < (_header_number(data, b"element vertex ") or 0):
        raise cut_off(path, data)
    return points, colours if colours is not None and len(colours) == len(points) else None


def _from_pcd(path: Path, data: bytes) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.uint8] | None]:
    import open3d

    head, mark, body = data.partition(b"\nDATA ")
    promised = _header_number(data, b"POINTS ")
    if not mark or promised is None:
        raise BadInput(path, "a PCD file", "no PCD header", "export it again")
    kind, _, body = body.partition(b"\n")
    sizes = {line.split()[0]: [int(n) for n in line.split()[1:]] for line in head.splitlines() if _is_layout(line)}
    stride = sum(size * count for size, count in zip(sizes.get(b"SIZE", []), _counts_of(sizes), strict=False))
    short = {b"ascii": body.count(b"\n") + 1 < promised, b"binary": len(body) < promised * stride}
    if short.get(kind.strip(), False):  # Open3D would fill up with whatever was in memory
        raise cut_off(path, data)
    with open3d.utility.VerbosityContextManager(open3d.utility.VerbosityLevel.Error):
        cloud: Any = open3d.io.read_point_cloud(path, format="pcd")
    colours = np.round(np.asarray(cloud.colors) * 255).astype(np.uint8) if cloud.has_colors() else None
    return np.asarray(cloud.points, dtype=np.float64), colours


def _is_layout(line: bytes) -> bool:
    words = line.split()
    return len(words) > 1 and words[0] in (b"SIZE", b"COUNT") and all(word.isdigit() for word in words[1:])


def _counts_of(sizes: dict[bytes, list[int]]) -> list[int]:
    return sizes.get(b"COUNT") or [1] * len(sizes.get(b"SIZE", []))


def _header_number(data: bytes, key: bytes) -> int | None:
    """The number of points that the header names."""
    for line in data[:65_536].splitlines():
        if line.startswith(key) and line[len(key) :].strip().isdigit():
            return int(line[len(key) :])
    return None


def _thinned(points: Any, colours: Any) -> tuple[Any, Any]:
    """At most :data:`_ENOUGH` points, drawn without regard to their order: scanners write them strip by strip."""
    if len(points) <= _ENOUGH:
        return points, colours
    chosen = np.sort(seeds.rng(0, "thin").choice(len(points), _ENOUGH, replace=False))
    return points[chosen], None if colours is None else colours[chosen]


def _without_strays(points: Any, colours: Any) -> tuple[Any, Any, int]:
    """Points much farther from their neighbours than points are on average are the scanner's noise."""
    away = cKDTree(points).query(points, k=min(_NEIGHBOURS + 1, len(points)))[0][:, 1:].mean(axis=1)
    good = away <= away.mean() + _STRAY * away.std()
    return points[good], None if colours is None else colours[good], int((~good).sum())


def _poisson(points: Any, spacing: float) -> tuple[Any, Any, Any]:
    """(vertices, faces, density): on one thread, which alone gives the same surface every time."""
    import open3d

    geometry: Any = open3d.geometry
    # about a metre across: the solver's thresholds are absolute
    middle, size = points.mean(axis=0), float(np.ptp(points, axis=0).max())
    cloud = geometry.PointCloud(open3d.utility.Vector3dVector((points - middle) / size))
    with open3d.utility.VerbosityContextManager(open3d.utility.VerbosityLevel.Error):
        cloud.estimate_normals(geometry.KDTreeSearchParamHybrid(radius=6 * spacing / size, max_nn=30))
        cloud.orient_normals_consistent_tangent_plane(15)
        mesh, density = geometry.TriangleMesh.create_from_point_cloud_poisson(cloud, depth=_DEPTH, n_threads=1)
    vertices = np.asarray(mesh.vertices, dtype=np.float64) * size + middle
    return vertices, np.asarray(mesh.triangles, dtype=np.int64), np.asarray(density, dtype=np.float64)
