from __future__ import annotations

import math

import pytest

from masksmith.errors import UsageProblem
from trainers import LOSSES, MODELS, load_preset, preset_names
from trainers.presets import Settings, checked
from trainers.schedule import Schedule


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_names_things_that_exist(name: str) -> None:
    settings = load_preset(name)
    assert settings.preset == name
    assert settings.model in MODELS
    assert settings.loss in LOSSES


def test_demborg_is_as_printed() -> None:
    settings = load_preset("demborg2018")
    assert (settings.epochs, settings.steps_per_epoch, settings.batch, settings.size) == (50, 50, 32, (256, 256))
    assert (settings.optimiser, settings.schedule, settings.gamma, settings.patience) == ("adam", "plateau", 0.1, 3)
    assert (settings.model, settings.lr, settings.dropout, settings.loss) == ("fastlinknet", 0.005706, 0.04245, "iou")


def test_pirshutuk_is_as_printed() -> None:
    settings = load_preset("pirshutuk2023")
    assert (settings.epochs, settings.batch, settings.size) == (30, 32, (224, 224))
    assert (settings.optimiser, settings.lr, settings.schedule, settings.gamma) == ("adam", 1e-3, "exponential", 0.9)
    assert (settings.model, settings.priors, settings.loss) == ("portrait_lcnet", "paper", "bce_jaccard_boundary")


def test_resnext_is_as_printed() -> None:
    settings = load_preset("resnext2021")
    assert (settings.model, settings.start, settings.size, settings.batch) == (
        "unet_resnext50",
        "imagenet",
        (512, 512),
        8,
    )
    assert (settings.optimiser, settings.lr, settings.schedule, settings.gamma) == ("adam", 1e-4, "step", 0.5)
    assert (settings.step_epochs, settings.loss, settings.augment) == (50, "dice", "resnext2021")


def test_cepeopleseg_is_as_printed() -> None:
    settings = load_preset("cepeopleseg2021")
    assert (settings.model, settings.size, settings.epochs, settings.loss) == ("peopleseg_fpn", (128, 160), 50, "ce")
    assert (settings.optimiser, settings.momentum, settings.lr, settings.schedule) == ("sgd", 0.9, 1e-4, "poly")
    assert settings.augment == "cepeopleseg2021"
    assert load_preset("cepeopleseg2021", {"model": "peopleseg_deeplab"}).epochs == 50


def test_another_network_brings_its_own_winning_settings_and_an_override_beats_them() -> None:
    enet = load_preset("demborg2018", {"model": "enet"})
    assert (enet.lr, enet.dropout, enet.loss) == (0.006164, 0.08435, "ce")
    mobileseg = load_preset("demborg2018", {"model": "mobileseg"})
    assert (mobileseg.lr, mobileseg.dropout, mobileseg.loss) == (0.002642, 0.2852, "ce")
    assert load_preset("demborg2018", {"model": "enet", "lr": "0.1"}).lr == 0.1


def test_text_becomes_the_settings_type() -> None:
    settings = load_preset(
        "demborg2018",
        {"size": "96x128", "batch": "8", "lr": "1e-4", "amp": "true", "foreground": "foot, leg", "minutes": "2"},
    )
    assert settings.size == (96, 128)
    assert (settings.batch, settings.lr, settings.amp, settings.minutes) == (8, 1e-4, True, 2.0)
    assert settings.foreground == ("foot", "leg")
    assert load_preset("demborg2018", {"size": "64"}).size == (64, 64)
    assert load_preset("demborg2018", {"minutes": "none"}).minutes is None


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("lrr", "1", r"unknown setting 'lrr'\. Did you mean 'lr'"),
        ("epoch", "1", "Did you mean 'epochs'"),
        ("preset", "x", "unknown setting 'preset'"),
        ("batch", "1.5", "setting batch must be a whole number, not '1.5'"),
        ("batch", "0", "setting batch must be at least 1, not 0"),
        ("lr", "fast", "setting lr must be a number, not 'fast'"),
        ("lr", "nan", "setting lr must be above 0"),
        ("amp", "maybe", "setting amp must be true or false"),
        ("size", "1x2x3", "setting size must be a size such as 256"),
        ("size", "8", "setting size must be 16 to 4096 pixels, not 8x8"),
        ("schedule", "cosin", "unknown schedule 'cosin'. Did you mean 'cosine'"),
        ("optimiser", "lion", "unknown optimiser 'lion'"),
        ("dropout", "1", "setting dropout must be at least 0 and below 1"),
        ("minutes", "0", "setting minutes must be above 0"),
        ("ema", "1", "setting ema must be at least 0 and below 1"),
        ("stop_after", "-1", "setting stop_after must be at least 0"),
        ("temperature", "0", "setting temperature must be above 0"),
    ],
)
def test_a_wrong_setting_is_refused_by_its_key(key: str, value: str, message: str) -> None:
    with pytest.raises(UsageProblem, match=message):
        load_preset("demborg2018", {key: value})


def test_an_unknown_preset_is_refused_with_the_choices() -> None:
    with pytest.raises(UsageProblem, match=r"unknown preset 'demborg'.*Did you mean 'demborg2018'.*pirshutuk2023"):
        load_preset("demborg")


@pytest.mark.parametrize(
    ("key", "value"), [("size", [64, 64, 3]), ("batch", 2.0), ("amp", 1), ("loss", 3), ("foreground", ["a", 1])]
)
def test_a_preset_with_a_value_of_another_type_is_refused_by_its_key(key: str, value: object) -> None:
    with pytest.raises(UsageProblem, match=f"setting {key} must be"):
        checked({key: value})


def test_a_plateau_divides_after_so_many_epochs_without_a_better_loss() -> None:
    schedule = Schedule(Settings(lr=1.0, schedule="plateau", gamma=0.1, patience=3), 100, 10)
    rates = []
    for loss in (1.0, 0.9, 0.95, 0.9, 0.91, 0.8, 0.85, 0.81, 0.82, 0.7):
        schedule.validated(loss)
        rates.append(schedule.lr(0))
    assert rates == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.01, 0.01])


def test_a_plateau_goes_on_where_it_was() -> None:
    settings = Settings(lr=1.0, schedule="plateau", patience=2)
    first, second = Schedule(settings, 100, 10), Schedule(settings, 100, 10)
    first.validated(0.5)
    first.validated(0.6)
    second.restore(first.state())
    second.validated(0.6)
    assert second.lr(0) == pytest.approx(0.1)


def test_the_other_schedules_follow_their_formulas() -> None:
    at = {
        name: Schedule(Settings(lr=2.0, schedule=name, gamma=0.9), 100, 10)
        for name in ("exponential", "cosine", "poly", "step")
    }
    assert at["exponential"].lr(29) == pytest.approx(2 * 0.9**2)
    assert [at["step"].lr(step) for step in (0, 499, 500, 1000)] == pytest.approx([2, 2, 1.8, 1.62])
    assert at["cosine"].lr(25) == pytest.approx(1 + math.cos(math.pi / 4))
    assert at["poly"].lr(40) == pytest.approx(2 * 0.6**0.9)


def test_without_a_budget_there_is_no_cooldown() -> None:
    schedule = Schedule(Settings(lr=1.0), 100, 10)
    assert [schedule.lr(step) for step in (0, 60, 99)] == [1, 1, 1]


def test_under_a_budget_the_last_quarter_cools_down_by_steps_or_time_whichever_is_further() -> None:
    schedule = Schedule(Settings(lr=1.0, minutes=5.0), 100, 10)
    assert schedule.lr(75) == 1
    middle = 0.01 + 0.99 / 2
    assert schedule.lr(0, used=0.875) == pytest.approx(middle)
    assert schedule.lr(87, used=0.875) == pytest.approx(middle)
    assert schedule.lr(10, used=1.0) == pytest.approx(0.01)
    falling = [schedule.lr(0, used=0.75 + k / 100) for k in range(26)]
    assert falling == sorted(falling, reverse=True)
