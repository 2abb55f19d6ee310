"""Raw files brought into the folders that the commands take: ``python -m benchmarks.results.inputs KIND FROM TO``.

Kinds: ``real-feet`` (photos and masks in a folder a person, by ``meta.csv``), ``clips`` (two clips in the layout of
DAVIS), ``faces`` (people to learn from, others to test on, and ten folds of pairs of the latter). Photos are linked,
not copied; pictures that no reader takes (PGM) are written as PNG, pixel for pixel.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Sequence
from itertools import combinations, product
from pathlib import Path

from PIL import Image

from masksmith import files, seeds
from masksmith.errors import BadInput, MasksmithError, unknown_choice

FOLDS = 10
LEARN = 18
"""People of ORL to learn from; of the twenty others a pair of people is a fold."""


def real_feet(source: Path, to: Path) -> str:
    """``to/{images,masks}/SUBJECT/NAME`` as links; the person stands in the path, where ``prepare`` finds them."""
    with (source / "meta.csv").open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    for row in rows:
        for kind in ("images", "masks"):
            found = sorted((source / kind).glob(f"{Path(row['file']).stem}.*"))
            if len(found) != 1:
                raise BadInput(source / kind, f"one file of {row['file']}", f"{len(found)}", "restore it")
            _link(found[0], to / kind / row["subject_id"] / found[0].name)
    return f"{len(rows)} photos of {len({row['subject_id'] for row in rows})} people"


def clips(source: Path, to: Path) -> str:
    """Dance-twirl of DAVIS 2016 and a person before a green screen, both as sequences of DAVIS."""
    davis = source / "DAVIS2016"
    for kind, other in (("JPEGImages", "frames"), ("Annotations", "masks")):
        _link(davis / kind / "480p" / "dance-twirl", to / kind / "480p" / "dance-twirl")
        _link(source / "greenscreen" / other, to / kind / "480p" / "greenscreen")
    return "2 clips"


def faces(source: Path, to: Path) -> str:
    """ORL: ``to/train/PERSON``, ``to/test/PERSON/PERSON_0001.png`` and ``to/pairs.txt`` of people not learned from.

    Ten folds in the form of LFW's list, each of two people that are in no other fold: all 90 pairs of photos of one
    person, and 90 of the 100 pairs of two, drawn by the seed 0.
    """
    people = sorted((path for path in source.iterdir() if path.is_dir()), key=lambda path: int(path.name[1:]))
    if len(people) != LEARN + 2 * FOLDS:
        raise BadInput(source, f"{LEARN + 2 * FOLDS} folders of people", f"{len(people)}", "give ORL as it was cut")
    for place, person in enumerate(people):
        side = "train" if place < LEARN else "test"
        for photo in sorted(person.glob("*.pgm")):
            target = to / side / person.name / f"{person.name}_{int(photo.stem):04d}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            with Image.open(photo) as picture, files.atomic(target, durable=False) as part:
                picture.save(part, format="PNG")
    lines = []
    for fold in range(FOLDS):
        first, second = (person.name for person in people[LEARN + 2 * fold : LEARN + 2 * fold + 2])
        same = [(name, i, j) for name in (first, second) for i, j in combinations(range(1, 11), 2)]
        every = list(product(range(1, 11), repeat=2))
        drawn = sorted(seeds.rng(0, "orl pairs", fold).permutation(len(every))[: len(same)].tolist())
        lines += ["\t".join(map(str, row)) for row in same]
        lines += [f"{first}\t{every[k][0]}\t{second}\t{every[k][1]}" for k in drawn]
    each = len(lines) // FOLDS // 2
    files.write_bytes(to / "pairs.txt", "\n".join([f"{FOLDS}\t{each}", *lines, ""]).encode())
    return f"{LEARN} people to learn from, {2 * FOLDS} others in {FOLDS} folds of {2 * each} pairs"


KINDS: dict[str, Callable[[Path, Path], str]] = {"real-feet": real_feet, "clips": clips, "faces": faces}


def _link(source: Path, target: Path) -> None:
    if not source.exists():
        raise BadInput(source, "a file or folder to link", "none", "give the folder of real data")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    target.symlink_to(source.resolve())


def main(words: Sequence[str] | None = None) -> int:
    """``KIND FROM TO``; returns the exit code."""
    given = list(sys.argv[1:] if words is None else words)
    try:
        if len(given) != 3:
            raise unknown_choice("arrangement", " ".join(given), [f"{kind} FROM TO" for kind in KINDS])
        if given[0] not in KINDS:
            raise unknown_choice("kind", given[0], KINDS)
        print(KINDS[given[0]](Path(given[1]), Path(given[2])))
    except MasksmithError as fault:
        print(f"error: {fault}", file=sys.stderr)
        return fault.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
