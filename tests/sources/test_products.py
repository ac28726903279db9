"""The Stanford Online Products source, on files in the set's layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.sources.retrieval_files import PRODUCTS_HEADER, replace, write_products

from spacewise import cache
from spacewise.errors import InputError
from spacewise.sources import open_source, products, recognise

HOMEPAGE = "'Deep Metric Learning via Lifted Structured Feature Embedding'"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return write_products(tmp_path / "Stanford_Online_Products")


def test_facts(shop: Path) -> None:
    source = products(shop)
    assert (source.name, source.fit, source.amplitude, source.root) == ("products", "resize", "intensity", shop)
    assert source.facts.columns.to_list() == ["id", "label", "number", "group", "protocol"]
    assert [tuple(row) for row in source.facts.itertuples(index=False)] == [
        ("bicycle_final/111085122871_0.JPG", "00001", 1, "bicycle", "train"),
        ("bicycle_final/111085122871_1.JPG", "00001", 1, "bicycle", "train"),
        ("coffee_maker_final/110000000002_0.JPG", "11319", 11319, "coffee_maker", "test"),
        ("toaster_final/3_0.JPG", "22634", 22634, "toaster", "test"),
    ]
    assert source.classes == ("00001", "11319", "22634")


def test_images_come_out_with_three_bands(shop: Path) -> None:
    source = products(shop)
    assert cache.decoded(source, 8).images.shape == (4, 3, 8, 8)
    grey = source.read(1)
    assert (grey == grey[0]).all()
    assert grey.dtype == np.uint8


def test_root_may_hold_the_sets_folder(shop: Path) -> None:
    assert recognise(shop) == recognise(shop.parent) == "products"
    assert open_source(str(shop.parent)).facts.equals(products(shop).facts)


@pytest.mark.parametrize("name", ["Ebay_train.txt", "Ebay_test.txt"])
def test_missing_annotations(shop: Path, name: str) -> None:
    (shop / name).unlink()
    with pytest.raises(InputError, match=rf"^products: .*{name} is missing, .*homepage: {HOMEPAGE}"):
        products(shop)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (PRODUCTS_HEADER, "image_id class_id path super_class_id", r"Ebay_train.txt:1: is .*, expected the header"),
        (f"{PRODUCTS_HEADER}\n", "", r"Ebay_train.txt:1: is '1 1 1 bicycle.*expected the header 'image_id class_id"),
        (" 1 bicycle_final/111085122871_1", " bicycle_final/1", r"train.txt:3: has 3 columns, expected 4: '2 1 bic"),
        ("2 1 1 ", "2 0 1 ", r"Ebay_train.txt:3: class_id is '0', expected a whole number from 1"),
        ("2 1 1 ", "2 22635 1 ", r"Ebay_train.txt:3: class_id is 22635, expected 1 to 22634"),
        ("2 1 1 ", "2 1 one ", r"Ebay_train.txt:3: super_class_id is 'one', expected a whole number from 1"),
        ("2 1 1 ", "2 11319 1 ", r"Ebay_train.txt and .*Ebay_test.txt share 1 classes, such as 11319, expected none"),
        ("1 bicycle_final/111085122871_1", "1 111085122871_1", r"train.txt:3: path is '111085122871_1.JPG', expected"),
        ("1 bicycle_final/111085122871_1", "1 /bicycle_final/1", r"image /bicycle_final/1.JPG of .* leads out of"),
        ("111085122871_1", "111085122871_0", r"image bicycle_final/111085122871_0.JPG is listed twice"),
        ("111085122871_1", "7_1", r"1 of 4 images are missing, the first is .*bicycle_final/7_1.JPG, listed in"),
    ],
)
def test_malformed_annotations(shop: Path, old: str, new: str, message: str) -> None:
    replace(shop / "Ebay_train.txt", old, new)
    with pytest.raises(InputError, match=message) as caught:
        products(shop)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "message"), [("", "is '', expected the header"), (PRODUCTS_HEADER, "no images")])
def test_empty_annotations(shop: Path, text: str, message: str) -> None:
    (shop / "Ebay_test.txt").write_text(text)
    with pytest.raises(InputError, match=f"Ebay_test.txt.*{message}"):
        products(shop)


def test_real_products(real_data: Path) -> None:
    if not (real_data / "products").is_dir():
        pytest.skip("SPACEWISE_DATA holds no products")
    source = products(real_data / "products")
    assert (len(source), len(source.classes)) == (120_053, 22_634)
    assert source.facts["protocol"].value_counts().to_dict() == {"test": 60_502, "train": 59_551}
