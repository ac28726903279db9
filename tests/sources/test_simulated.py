"""The simulated source: what its table promises, and what its pictures show."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from spacewise.errors import InputError
from spacewise.sources.simulated import HOMES, simulated
from spacewise.sources.simulation import rendering
from spacewise.sources.simulation.rendering import SPACING, Poses, line_of_sight, optical, radar
from spacewise.sources.simulation.terrain import NEW_SITES, SITES, Site
from spacewise.sources.simulation.vehicles import CLASSES, CONFUSERS, HELD_OUT

FACTS = ["id", "label", "serial", "depression", "aspect", "scene", "role"]


def pixels(source, indices=None):
    return np.stack([source.read(i) for i in (range(len(source)) if indices is None else indices)])


def poses(label="carrier-b", serial="s1", aspect=(90.0,), depression=17.0, site=SITES["site-01"]):
    n, zero = len(aspect), np.zeros(len(aspect))
    tilt = np.broadcast_to(depression, n)
    return Poses([label] * n, [serial] * n, [site] * n, tilt, np.array(aspect), zero, zero, zero + 1.0)


def generators(n, seed=0):
    return [np.random.default_rng([seed, i]) for i in range(n)]


# The table of facts


def test_default_facts():
    source = simulated()
    assert list(source.facts.columns) == FACTS
    assert source.amplitude == "magnitude"
    assert source.facts["id"].is_unique
    assert source.facts["id"][0] == "carrier-a/s1/17/00000"
    assert source.facts["depression"].dtype.kind == "i"
    counts = source.facts.groupby("role")["label"].value_counts().unstack(0)
    assert (counts.loc[list(CLASSES), "train"] == 240).all()
    assert (counts.loc[list(CLASSES), "test"] == 120).all()
    assert (counts.loc[list(CONFUSERS), "confuser"] == 120).all()
    assert len(CLASSES) == 10
    assert len(source) == 10 * 360 + len(CONFUSERS) * 120


def test_roles_hold_out_serials_sites_and_classes():
    facts = simulated(per_class=40).facts
    train, test, confuser = (facts[facts["role"] == role] for role in ("train", "test", "confuser"))
    assert set(train["depression"]) == {17}
    assert set(test["depression"]) == set(confuser["depression"]) == {15}
    assert not set(train["serial"]) & set(HELD_OUT)
    assert (test.groupby("label")["serial"].value_counts() == 5).all()
    assert set(test["serial"]) > set(HELD_OUT)
    assert set(train["label"]) == set(test["label"]) == set(CLASSES)
    assert set(confuser["label"]) == set(CONFUSERS)
    assert not set(train["scene"]) & set(NEW_SITES)
    assert set(NEW_SITES) < set(test["scene"])


def test_aspects_cover_the_circle_evenly():
    aspect = simulated().facts["aspect"]
    assert aspect.between(0, 360, inclusive="left").all()
    assert np.histogram(aspect, 12, (0, 360))[0] == pytest.approx(len(aspect) / 12, rel=0.2)


def test_clutter_bias_ties_training_sites_to_classes_and_leaves_test_sites_free():
    tied = simulated(per_class=40, clutter_bias=1.0).facts
    home = dict(zip(CLASSES, HOMES))
    train, test = tied[tied["role"] == "train"], tied[tied["role"] == "test"]
    assert (train["scene"] == train["label"].map(home)).all()
    assert (test["scene"] == test["label"].map(home)).mean() < 0.25
    free = simulated(per_class=240, clutter_bias=0.0).facts.query("role == 'train'")
    assert (free["scene"] == free["label"].map(home)).mean() == pytest.approx(0.1, abs=0.03)


# The pictures


@pytest.mark.parametrize(("view", "bands", "size"), [("radar", 1, 64), ("optical", 3, 64), ("radar", 1, 49)])
def test_shape_and_dtype(view, bands, size):
    image = simulated(per_class=8, size=size, view=view).read(3)
    assert image.shape == (bands, size, size)
    assert image.dtype == np.uint8


def test_seed_decides_pixels_and_facts():
    one, same, other = (simulated(per_class=8, seed=seed) for seed in (1, 1, 2))
    assert one.facts.equals(same.facts)
    assert np.array_equal(pixels(one, range(20)), pixels(same, range(20)))
    assert not one.facts["aspect"].equals(other.facts["aspect"])
    assert not np.array_equal(one.read(0), other.read(0))


@pytest.mark.parametrize("view", ["radar", "optical"])
def test_order_of_reading_and_number_asked_for_change_nothing(view):
    few, many = simulated(per_class=8, view=view), simulated(per_class=30, view=view)
    backwards = pixels(few, range(len(few) - 1, -1, -1))[::-1]
    assert np.array_equal(backwards, pixels(simulated(per_class=8, view=view)))
    place = dict(zip(many.facts["id"], range(len(many))))
    indices = [0, 50, len(few) - 1]
    again = pixels(many, [place[few.facts["id"][i]] for i in indices])
    assert np.array_equal(again, pixels(few, indices))


def test_what_is_read_can_be_changed_without_harm():
    source = simulated(per_class=8)
    before = source.read(5).copy()
    source.read(5)[:] = 0
    assert np.array_equal(source.read(5), before)


def test_survives_being_sent_to_another_process():
    source = simulated(per_class=8)
    sent = pickle.loads(pickle.dumps(source))
    assert np.array_equal(sent.read(7), source.read(7))


def test_stamp_follows_every_parameter():
    variants = [{}, {"per_class": 8}, {"seed": 1}, {"size": 48}, {"clutter_bias": 0.5}, {"view": "optical"}]
    assert len({simulated(**variant).stamp for variant in variants}) == len(variants)
    assert simulated(clutter_bias=1).stamp == simulated(clutter_bias=1.0).stamp


def test_optical_view_has_the_same_facts():
    seen, photographed = simulated(per_class=20), simulated(per_class=20, view="optical")
    assert seen.facts.equals(photographed.facts)
    assert photographed.amplitude == "intensity"
    assert seen.stamp != photographed.stamp


def test_echoes_come_from_where_the_optical_view_shows_the_vehicle():
    magenta = Site(4.0, 0.0, 1.0, 1.0, (1.0, 0.0, 1.0))
    placed = poses("tank-a", aspect=tuple(range(20, 380, 30)), site=magenta)
    photo, chip = optical(placed, 64, generators(12)), radar(placed, 64, generators(12))[:, 0]
    vehicle = photo[:, 1] > 25
    laid_over = np.any([np.roll(vehicle, down, 1) for down in range(-1, 5)], 0)  # 2.5 m high: 4 pixels
    bright = chip > 60
    assert laid_over[bright].mean() > 0.95
    assert laid_over[:, :, ::-1][bright].mean() < 0.75


def test_serials_of_one_class_differ_and_classes_differ_more():
    def mean_picture(label, serial):
        return radar(poses(label, serial, aspect=(30.0,) * 20), 64, generators(20)).mean((0, 1))

    one, other_serial = mean_picture("tank-a", "s1"), mean_picture("tank-a", "s3")
    other_class = mean_picture("tank-b", "s1")
    assert 0.5 < np.abs(one - other_serial).mean() < np.abs(one - other_class).mean()


# The physics


def test_line_of_sight_against_a_loop():
    rng = np.random.default_rng(0)
    height = np.where(rng.random((2, 24, 5)) < 0.1, rng.random((2, 24, 5)) * 2, 0.0)
    slope = np.array([0.27, 0.31])
    expected = np.zeros_like(height)
    for s, row, column in np.ndindex(height.shape):
        rays = [height[s, r, column] - (r - row) * SPACING * slope[s] for r in range(row, 24)]
        expected[s, row, column] = max(rays)
    assert line_of_sight(height, slope) == pytest.approx(expected, abs=1e-5)


def test_shadow_falls_away_from_the_radar_and_is_darker_than_the_ground():
    image = radar(poses(aspect=tuple(range(0, 360, 10))), 128, generators(36))[:, 0].astype(float)
    before, behind = image[:, 88:108, 54:74].mean(), image[:, 34:45, 58:70].mean()
    assert before == pytest.approx(SITES["site-01"].level, rel=0.1)
    assert behind < 0.5 * before


@pytest.mark.parametrize("label", ["carrier-b", "truck-a"])
def test_shadow_is_as_long_as_height_and_depression_say(label):
    top = {"carrier-b": 2.3, "truck-a": 2.5}[label]
    flat = Site(12.0, 0.0, 1.0, 1.0, (0.5, 0.5, 0.5))
    rows = {}
    for angle in (15.0, 17.0):
        placed = poses(label, aspect=(90.0,) * 60, depression=angle, site=flat)
        mean = radar(placed, 160, generators(60)).mean((0, 1))
        rows[angle] = (mean[:78] < 0.6 * flat.level).any(1).sum()
        assert rows[angle] * SPACING == pytest.approx(top / np.tan(np.radians(angle)), abs=1.5)
    assert rows[15.0] > rows[17.0]


@pytest.fixture
def one_point(monkeypatch):
    """A vehicle that is nothing but one isotropic scatterer, over hardly any ground."""

    def peak(x, y, z, aspect, facing=0.0, width=1e6):
        point = np.array([[x, y, z, facing, width, 200.0]], np.float32)
        monkeypatch.setattr(rendering, "points", lambda label, serial: point)
        monkeypatch.setattr(rendering, "_boxes", lambda label, serial: np.zeros((1, 8), np.float32))
        dark = Site(0.01, 0.0, 1.0, 1.0, (0.5, 0.5, 0.5))
        image = radar(poses(aspect=(aspect,), site=dark), 65, generators(1))[0, 0]
        row, column = np.unravel_index(image.argmax(), image.shape)
        return row - 32, column - 32, float(image.max())

    return peak


@pytest.mark.parametrize(
    ("x", "y", "aspect", "down", "right"),
    [(3, 0, 0, 15, 0), (3, 0, 180, -15, 0), (3, 0, 90, 0, -15), (0, 1, 90, 5, 0), (0, 1, 0, 0, 5)],
)
def test_scatterer_lies_where_the_aspect_says(one_point, x, y, aspect, down, right):
    row, column, value = one_point(x, y, 0.0, aspect)
    assert (row, column) == (down, right)
    assert value == pytest.approx(200, abs=6)


def test_height_is_laid_over_towards_the_radar(one_point):
    row, column, _ = one_point(0.0, 0.0, 0.6 / np.tan(np.radians(17)), 40.0)
    assert (row, column) == (3, 0)


def test_scatterer_is_weaker_off_its_direction(one_point):
    straight, aside = one_point(0, 0, 0, 50.0, 50.0, 20.0)[2], one_point(0, 0, 0, 70.0, 50.0, 20.0)[2]
    assert aside / straight == pytest.approx(np.exp(-0.5), abs=0.05)


def test_clutter_is_fully_developed_speckle_at_the_level_of_the_site():
    site = Site(20.0, 0.0, 1.0, 1.0, (0.5, 0.5, 0.5))
    image = radar(poses(aspect=(0.0,) * 30, site=site), 64, generators(30))[:, 0, -12:, :16].astype(float)
    assert image.mean() == pytest.approx(20.0, rel=0.03)
    assert image.std() / image.mean() == pytest.approx(np.sqrt(4 / np.pi - 1), abs=0.03)  # Rayleigh


def clutter_probe(bias):
    """Accuracy of a linear model that tells the class from two patches of bare ground."""
    source = simulated(per_class=60, clutter_bias=bias)
    train = np.flatnonzero(source.facts["role"] == "train")
    chips, labels = np.sqrt(pixels(source, train)[:, 0].astype(float)), source.facts["label"][train]
    patches = np.concatenate([chips[:, -12:, :14], chips[:, -12:, -14:]], 1)
    statistics = [
        patches.mean((1, 2)),
        patches.std((1, 2)),
        patches.mean(1).std(1),
        patches.mean(2).std(1),
        *(np.quantile(patches, q, axis=(1, 2)) for q in (0.1, 0.5, 0.9)),
    ]
    features = StandardScaler().fit_transform(np.stack(statistics, 1))
    half = np.arange(len(labels)) % 2 == 0
    return LogisticRegression(max_iter=500).fit(features[half], labels[half]).score(features[~half], labels[~half])


def test_background_tells_the_class_only_where_it_is_asked_to():
    assert clutter_probe(0.0) < 0.16
    assert clutter_probe(1.0) > 0.4


# Wrong input


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"per_class": 7}, "per_class is 7, expected a whole number from 8"),
        ({"per_class": 20.0}, "per_class is 20.0"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": True}, "seed is True"),
        ({"size": 16}, "size is 16, expected a whole number from 32 to 512"),
        ({"clutter_bias": 1.5}, "clutter_bias is 1.5, expected a number from 0 to 1"),
        ({"clutter_bias": float("nan")}, "clutter_bias is nan"),
        ({"view": "optic"}, "unknown view 'optic': did you mean 'optical'"),
    ],
)
def test_wrong_parameters_are_named(wrong, message):
    with pytest.raises(InputError, match=message):
        simulated(**wrong)


@pytest.mark.parametrize("index", [-1, 10_000])
def test_a_sample_that_is_not_there(index):
    with pytest.raises(InputError, match="expected 0 to"):
        simulated(per_class=8).read(index)
