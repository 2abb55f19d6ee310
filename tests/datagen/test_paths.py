"""The hand that holds the camera: smooth, bounded, trembling in its own band, the same for the same seed."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen import paths
from datagen.cameras import Camera
from datagen.paths import Hand, Path, draw_hand
from masksmith import seeds

START = Camera(200.0, 55.0, 0.9, 3.0, 30.0, (0.01, 0.04, -0.02), 256)
small = st.floats(-0.2, 0.2)
turns = st.floats(-40, 40)


def a_hand(seed: int) -> Hand:
    return draw_hand(seeds.rng(seed, "hand"))


@settings(max_examples=150, deadline=None)
@given(
    st.floats(-400, 400),
    st.floats(5, 90),
    st.floats(-180, 180),
    st.tuples(small, small, small),
    st.tuples(*[turns] * 3),
)
def test_a_shaken_camera_stands_and_looks_where_its_turn_and_travel_say(
    azimuth: float, elevation: float, roll: float, offset: tuple[float, ...], turn: tuple[float, ...]
) -> None:
    camera = replace(START, azimuth_deg=azimuth, elevation_deg=elevation, roll_deg=roll)
    rotation, position = camera.pose()
    shaken = paths.shaken(camera, offset, turn)
    there, place = shaken.pose()
    assert np.allclose(place, position + np.array(offset) @ rotation, atol=1e-9)
    assert np.allclose(there, paths.turn(np.radians(turn)) @ rotation, atol=1e-7)
    assert np.allclose(there @ there.T, np.eye(3), atol=1e-9)
    assert (shaken.fov_deg, shaken.size, shaken.distance_m) == (camera.fov_deg, camera.size, camera.distance_m)


@pytest.mark.parametrize(("axis", "sent"), [((90, 0, 0), (0, 0, 1)), ((0, 90, 0), (0, 1, 0)), ((0, 0, 90), (-1, 0, 0))])
def test_a_turn_is_right_handed_about_its_axis(axis: tuple[float, ...], sent: tuple[float, ...]) -> None:
    assert np.allclose(paths.turn(np.radians(np.array(axis, float))) @ [0, 1, 0], sent, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31))
def test_no_hand_is_faster_than_its_bound(seed: int) -> None:
    hand = a_hand(seed)
    step = 0.002
    places = np.array([hand.at(t) for t in np.arange(0, 3, step)])
    fastest = np.abs(np.diff(places, axis=0)).max(axis=0) / step
    assert (fastest <= hand.fastest()).all()
    assert (fastest > 0).all()
    assert (hand.fastest()[:3] < 400).all()  # mm/s
    assert (hand.fastest()[3:] < 45).all()  # degrees/s


@pytest.mark.parametrize("seed", range(4))
def test_a_hand_drifts_slowly_and_trembles_in_a_band_of_its_own(seed: int) -> None:
    hand = a_hand(seed)
    rate, seconds = 60, 200
    places = np.array([hand.at(k / rate) for k in range(rate * seconds)])
    power = np.abs(np.fft.rfft(places * np.hanning(len(places))[:, None], axis=0)) ** 2
    hz = np.fft.rfftfreq(len(places), 1 / rate)

    def share(low: float, high: float) -> np.ndarray:
        return power[(hz >= low) & (hz <= high)].sum(axis=0) / power.sum(axis=0)

    assert (share(0.05, 1.5) > 0.9).all()
    assert (share(5.9, 12.6) > 1e-6).all()
    assert (share(1.6, 5.8) < share(5.9, 12.6)).all()
    assert (share(12.7, 30) < share(5.9, 12.6)).all()
    rms = places.std(axis=0)
    assert (rms[:3] > 0.8).all() and (rms[:3] < 15).all()
    assert (rms[3:] > 0.08).all() and (rms[3:] < 1.5).all()


def test_the_same_seed_gives_the_same_path_and_json_keeps_it() -> None:
    path = Path(START, a_hand(5), 12.0, 0.9, 2.0)
    again = Path.from_json(json.loads(json.dumps(path.as_json())))
    assert again == path
    assert a_hand(5) == a_hand(5) != a_hand(6)
    assert again.camera(0.77) == path.camera(0.77)


def test_a_hand_that_shakes_twice_as_much_does_so_all_over() -> None:
    calm, shaking = (draw_hand(seeds.rng(2, "hand"), shake).at(0.3) for shake in (1.0, 2.0))
    assert np.allclose(shaking, 2 * calm, atol=1e-4)


def test_a_tripod_does_not_move_and_an_orbit_ends_where_it_should() -> None:
    rests = Path(START, Hand.still(), seconds=2.0)
    assert {rests.camera(t) for t in (-1.0, 0.0, 0.4, 2.0, 9.0)} == {START}
    carried = Path(START, Hand.still(), 30.0, 0.8, 2.0)
    assert carried.camera(0.0) == START
    end = carried.camera(2.0)
    assert end.azimuth_deg == pytest.approx(230.0)
    assert end.distance_m == pytest.approx(0.72)
    assert carried.camera(5.0) == end
    azimuths = [carried.camera(t).azimuth_deg for t in np.linspace(0, 2, 200)]
    steps = np.diff(azimuths)
    assert (steps >= 0).all()
    assert steps.max() < 2 * 30 / 199  # never twice as quick as on average
    assert steps[0] < 0.01 and steps[-1] < 0.01


def test_a_path_has_no_jumps_from_frame_to_frame() -> None:
    path = Path(START, a_hand(11), 20.0, 0.9, 1.0)
    eyes, aims = zip(*((c.pose()[1], c.pose()[0][2]) for c in map(path.camera, np.arange(0, 1.2, 0.01))), strict=True)
    speed = np.linalg.norm(np.diff(eyes, axis=0), axis=1) / 0.01
    hand = np.linalg.norm(path.hand.fastest()[:3]) / 1000
    carried = 1.875 * (np.radians(20) * START.distance_m + 0.1 * START.distance_m)  # the quintic's steepest slope
    assert speed.max() <= hand + carried * 1.05
    turned = np.degrees(np.arccos(np.clip((np.array(aims[1:]) * np.array(aims[:-1])).sum(axis=1), -1, 1))) / 0.01
    assert turned.max() <= np.linalg.norm(path.hand.fastest()[3:]) + 1.875 * 20 + 1
