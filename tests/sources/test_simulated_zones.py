"""The simulated local climate zones: what the table promises, and what both sensors show of one scene."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from spacewise.describe import description
from spacewise.errors import InputError
from spacewise.sources.simulated_zones import HOMES, simulated_zones
from spacewise.sources.simulation import patches
from spacewise.sources.simulation.patches import backscatter, hidden, lay_out, optical, pooled, radar
from spacewise.sources.simulation.zones import CITIES, NEIGHBOURS, NEW_CITIES, SURFACES, structure
from spacewise.sources.zones import ZONES, zone_set
from spacewise.splits import default, folders

VIEWS = ("optical", "radar")


def pixels(source, indices=None):
    return np.stack([source.read(i) for i in (range(len(source)) if indices is None else indices)])


def generators(n, seed=0):
    return [np.random.default_rng([seed, i]) for i in range(n)]


@pytest.fixture(scope="module")
def scenes():
    """Both views of 20 patches a zone: {view: (zone, patch, band, row, column)}."""
    shown = {}
    for view in VIEWS:
        source = simulated_zones(per_class=16, view=view)
        shown[view] = pixels(source).reshape(-1, *source.read(0).shape)
    labels = source.facts["label"].to_numpy()
    return {view: np.stack([images[labels == zone] for zone in ZONES]) for view, images in shown.items()}


def intensity(scenes):
    """Mean radar intensity of each zone's patches, decibels: (zone, patch)."""
    return 10 * np.log10((scenes["radar"] ** 2).sum(2).mean((2, 3)))


# The table of facts


def test_default_facts():
    source = simulated_zones()
    assert source.name == "simulated-zones"
    assert description(source) == {"name": "simulated-zones"}
    assert list(source.facts.columns) == ["id", "label", "city", "split"]
    assert (source.fit, source.amplitude) == ("crop", "intensity")
    assert source.facts["id"].is_unique
    assert source.facts["id"][0] == "compact-high-rise/city-01/00000"
    assert set(source.classes) == set(ZONES)
    counts = source.facts.groupby("split")["label"].value_counts().unstack(0)
    assert (counts["train"] == 400).all()
    assert (counts["test"] == 100).all()


def test_cities_of_the_test_are_never_trained_on():
    facts = simulated_zones(per_class=40).facts
    train, test = (facts[facts["split"] == part] for part in ("train", "test"))
    assert set(train["city"]) == set(HOMES)
    assert set(test["city"]) == set(NEW_CITIES)
    assert not set(HOMES) & set(NEW_CITIES)
    assert (train.groupby("label")["city"].value_counts() == 5).all()


@pytest.mark.parametrize("classes", ["all", "urban", "low-rise"])
def test_sets_of_zones(classes):
    source = simulated_zones(per_class=16, classes=classes)
    assert tuple(source.facts["label"].unique()) == zone_set(classes)


def test_the_split_that_the_source_is_made_for():
    source = simulated_zones(per_class=40)
    assert default(source) == "folders"
    split = folders(source)
    assert len(split.test.rows) == 17 * 10
    assert len(split.train.rows) + len(split.validation.rows) == 17 * 40
    assert set(source.facts["city"].to_numpy()[split.test.rows]) == set(NEW_CITIES)


def test_every_zone_has_a_surface_and_borders_on_others():
    assert tuple(SURFACES) == tuple(NEIGHBOURS) == ZONES
    assert all(set(others) <= set(ZONES) - {zone} for zone, others in NEIGHBOURS.items())
    assert all(low <= high for zone in SURFACES.values() for low, high in zone)


# The pictures


@pytest.mark.parametrize(("view", "bands"), [("optical", 3), ("radar", 2)])
def test_shape_and_dtype(view, bands):
    image = simulated_zones(per_class=16, view=view).read(3)
    assert image.shape == (bands, 32, 32)
    assert image.dtype == np.float32


@pytest.mark.parametrize("view", VIEWS)
def test_a_patch_depends_on_seed_and_id_alone(view):
    many = simulated_zones(per_class=20, view=view)
    few = simulated_zones(per_class=16, view=view, classes="low-rise")
    place = {name: i for i, name in enumerate(many.facts["id"])}
    again = pixels(many, [place[name] for name in few.facts["id"]])
    assert np.array_equal(again, pixels(few, range(len(few) - 1, -1, -1))[::-1])
    assert np.array_equal(pixels(few, [0, 40]), pixels(pickle.loads(pickle.dumps(few)), [0, 40]))


@pytest.mark.parametrize("view", VIEWS)
def test_seed_decides_pixels_and_not_facts(view):
    one, other = (simulated_zones(per_class=16, seed=seed, view=view) for seed in (1, 2))
    assert one.facts.equals(other.facts)
    assert not np.array_equal(one.read(0), other.read(0))


def test_what_is_read_can_be_changed_without_harm():
    source = simulated_zones(per_class=16)
    before = source.read(5).copy()
    source.read(5)[:] = 0
    assert np.array_equal(source.read(5), before)


def test_both_views_have_the_same_facts_and_stamps_of_their_own():
    seen, photographed = (simulated_zones(per_class=16, view=view) for view in ("radar", "optical"))
    assert seen.facts.equals(photographed.facts)
    variants = [{}, {"per_class": 16}, {"seed": 1}, {"view": "optical"}, {"classes": "urban"}]
    assert len({simulated_zones(**variant).stamp for variant in variants}) == len(variants)


def test_both_views_show_the_same_scene():
    """Where the photograph shows roofs of a new colour, the radar is brighter than around them."""
    labels, n = ["large low-rise"] * 24, 24
    magenta = CITIES["city-01"]._replace(roofs=((0.9, 0.0, 0.9),) * 2, haze=0.0)
    photo = optical(labels, [magenta] * n, generators(n))
    echo = (radar(labels, [magenta] * n, generators(n)) ** 2).sum(1)
    roof = (photo[:, 0] - photo[:, 1]) > 0.4
    assert 0.1 < roof.mean() < 0.6
    assert echo[roof].mean() > 1.5 * echo[~roof].mean()
    assert echo[roof].mean() > 1.3 * echo[roof[::-1]].mean()


# The physics


def test_reflectance_is_that_of_the_ground():
    """Red, green and blue of a city whose summer is green and whose air is clear."""
    city = [CITIES["city-01"]] * 40
    mean = {zone: optical([zone] * 40, city, generators(40)).mean((0, 2, 3)) for zone in ("dense trees", "low plants")}
    for colour in mean.values():
        assert colour.argmax() == 1
        assert 0.02 < colour.min() < colour.max() < 0.15
    assert mean["dense trees"].sum() < mean["low plants"].sum()


def test_means_by_zone(scenes):
    red, _, blue = np.moveaxis(scenes["optical"].mean((1, 3, 4)), 1, 0)
    for zone, low, high in [("dense trees", 0.02, 0.07), ("bare soil or sand", 0.15, 0.30), ("water", 0.02, 0.10)]:
        assert low < red[ZONES.index(zone)] < high
    assert red[ZONES.index("bare soil or sand")] > blue[ZONES.index("bare soil or sand")]
    level = dict(zip(ZONES, intensity(scenes).mean(1)))
    bands = {"compact high-rise": (-4, 4), "open low-rise": (-10, -4), "dense trees": (-11, -7), "water": (-24, -16)}
    assert all(low < level[zone] < high for zone, (low, high) in bands.items()), level


def test_radar_is_brighter_where_walls_are_higher_and_darkest_on_water(scenes):
    level = dict(zip(ZONES, intensity(scenes).mean(1)))
    assert level["compact high-rise"] > level["compact mid-rise"] > level["compact low-rise"] > level["low plants"]
    assert level["open high-rise"] > level["open mid-rise"] > level["sparsely built"]
    assert level["low plants"] > level["bare rock or paved"] > level["water"] == min(level.values())
    assert np.median(intensity(scenes)[0]) > intensity(scenes)[ZONES.index("water")].max()


def test_streets_square_to_the_radar_are_brighter():
    def level(grid):
        cities = [CITIES["city-01"]._replace(grid=grid, disorder=0.0)] * 60
        return (radar(["open mid-rise"] * 60, cities, generators(60)) ** 2).mean()

    assert level(0) > 1.5 * level(45)
    assert level(90) > 1.3 * level(45)


def test_speckle_is_fully_developed():
    """Given the scene, both parts are normal with mean 0, uncorrelated, and their intensity is exponential."""
    n, labels = 40, ["dense trees", "heavy industry"] * 20
    cities, rngs = [CITIES["city-02"]] * n, generators(n)
    layout = lay_out(labels, cities, rngs)
    grade = np.stack([rng.standard_normal((patches.COVERS, 1), np.float32) for rng in rngs])
    mean = backscatter(layout, cities, grade)
    part = radar(labels, cities, generators(n)) / np.sqrt(mean)[:, None]
    real, imaginary = part[:, 0].ravel(), part[:, 1].ravel()
    assert np.abs([real.mean(), imaginary.mean(), np.mean(real * imaginary)]).max() < 0.02
    power = real**2 + imaginary**2
    assert power.mean() == pytest.approx(1, abs=0.02)
    assert power.std() / power.mean() == pytest.approx(1, abs=0.03)
    assert np.quantile(power, [0.1, 0.5, 0.9]) == pytest.approx(-np.log([0.9, 0.5, 0.1]), rel=0.05)


def test_homogeneous_ground_is_exponential_and_towns_have_heavy_tails(scenes):
    power = (scenes["radar"] ** 2).sum(2)
    ratio = np.median(power.std((2, 3)) / power.mean((2, 3)), axis=1)
    assert ratio[ZONES.index("dense trees")] == pytest.approx(1.0, abs=0.12)
    assert ratio[ZONES.index("open high-rise")] > 1.8
    assert ratio[ZONES.index("heavy industry")] > 1.8


def test_covers_add_up():
    layout = lay_out(list(ZONES), [CITIES["city-03"]] * 17, generators(17))
    covers = layout.covers(np.ones_like(layout.top))
    assert covers.sum(1) == pytest.approx(np.ones_like(covers[:, 0]), abs=1e-4)
    assert covers.min() > -1e-5
    share = dict(zip(ZONES, covers.mean((2, 3))))
    assert share["water"][3] > 0.6
    assert share["dense trees"][4] > 0.6
    assert share["bare rock or paved"][2] > 0.6
    assert share["compact mid-rise"][5:].sum() > share["open mid-rise"][5:].sum() > share["sparsely built"][5:].sum()


def test_shadow_against_a_loop():
    rng = np.random.default_rng(0)
    top = np.where(rng.random((3, 4, 16)) < 0.2, 40 * rng.random((3, 4, 16)), 0.0)
    drop = np.array([3.0, 5.0, 8.0])
    expected = np.zeros_like(top)
    for patch, row, column in np.ndindex(top.shape):
        rays = [top[patch, row, c] - (column - c) * drop[patch] for c in range(column + 1)]
        expected[patch, row, column] = np.clip((max(rays) - top[patch, row, column]) / 4, 0, 1)
    assert hidden(top, drop[:, None, None], 2) == pytest.approx(expected, abs=1e-5)
    down = hidden(top.swapaxes(1, 2), drop[:, None, None], 1)
    assert down.swapaxes(1, 2) == pytest.approx(expected, abs=1e-5)


def test_pixels_are_means():
    fine = np.arange(2 * 8 * 8, dtype=np.float32).reshape(2, 8, 8)
    assert np.array_equal(pooled(fine), fine.reshape(2, 4, 2, 4, 2).mean((2, 4)))


def test_a_patch_has_something_of_a_neighbouring_zone_at_most():
    random = np.random.default_rng(0).random((200, 14))
    height = structure(["compact high-rise"] * 200, random).height[:, 0, 0]
    low, high = SURFACES["compact high-rise"].height
    assert height.max() <= high
    assert low - 0.25 * (low - SURFACES["compact mid-rise"].height[0]) <= height.min() < low


# Wrong input


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"per_class": 15}, "per_class is 15, expected a whole number from 16"),
        ({"per_class": 20.0}, "per_class is 20.0"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": True}, "seed is True"),
        ({"view": "optic"}, "unknown view 'optic': did you mean 'optical'"),
        ({"classes": "lowrise"}, "unknown set of local climate zones 'lowrise': did you mean 'low-rise'"),
    ],
)
def test_wrong_parameters_are_named(wrong, message):
    with pytest.raises(InputError, match=message):
        simulated_zones(**wrong)


@pytest.mark.parametrize("index", [-1, 10_000])
def test_a_sample_that_is_not_there(index):
    with pytest.raises(InputError, match="expected 0 to"):
        simulated_zones(per_class=16).read(index)
