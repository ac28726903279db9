"""The complete description of a run: to and from YAML, and what it says of a wrong key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st

from spacewise import nets, runs, sources, splits
from spacewise.describe import described, description
from spacewise.errors import InputError
from spacewise.experiment import Experiment, changed, changed_experiment, read
from spacewise.regime import Pretraining, Supervised, Transfer, settings_of
from spacewise.sources import Source


def values(**more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "data": {"source": {"name": "folder", "root": "pictures"}, "split": {"name": "stratified", "test": 0.25}},
        "net": {"name": "ding", "size": 48, "feature": 16},
        "objective": ["crossentropy@classifier", "0.1*center@feature"],
    }
    return given | more


def nested(path: str, value: Any) -> dict[str, Any]:
    """The values with one of them changed, as a file would have them."""
    return changed(values(), [f"{path}={yaml.safe_dump(value)}"])


# There and back


def read_back(experiment: Experiment) -> Experiment:
    return Experiment(**yaml.safe_load(experiment.yaml()))


def test_an_experiment_reads_back_from_its_yaml() -> None:
    experiment = Experiment(**values(regime={"epochs": 3, "rate": 1e-5, "shift": 4}, seed=7))
    assert read_back(experiment) == experiment
    assert experiment.regime.epochs == 3
    assert experiment.net.options == {"size": 48, "feature": 16}


letters = st.characters(exclude_categories=("C", "Z"))
words = st.text(letters, max_size=8)
plain = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | words


@given(
    rate=st.floats(1e-12, 1e3),
    decay=st.floats(0, 10),
    epochs=st.integers(1, 10**6),
    seed=st.integers(0, 2**32),
    option=st.recursive(plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner)),
    text=st.text(letters, max_size=12),
)
def test_any_values_read_back(rate: float, decay: float, epochs: int, seed: int, option: Any, text: str) -> None:
    experiment = Experiment(
        **values(
            net={"name": text, "option": option},
            regime={"rate": rate, "weight_decay": decay, "epochs": epochs},
            seed=seed,
        )
    )
    assert read_back(experiment) == experiment


@pytest.mark.parametrize(
    "where", [{"serial": ("c21", "132")}, {"depression": np.int64(17)}, {"label": ["a", "b"]}, {"label": {"a", "b"}}]
)
def test_options_given_in_python_read_back(where: dict[str, Any]) -> None:
    data = {"source": {"name": "folder", "root": "x"}, "split": {"name": "by-fact", "train": where}}
    experiment = Experiment(**values(data=data))
    assert read_back(experiment) == experiment


def test_what_is_left_out_has_its_default() -> None:
    experiment = Experiment(**values())
    assert experiment.regime == Supervised()
    assert experiment.seed == 0


# Reading files


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "experiment.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_file_and_changes(tmp_path: Path) -> None:
    path = written(tmp_path, Experiment(**values()).yaml())
    assert read(path) == Experiment(**values())
    changes = ["epochs=5", "net.feature=32", "seed=3", "data.split.seed=1", "rate=1e-4", "regime.batch=8"]
    experiment = read(path, changes)
    assert (experiment.regime.epochs, experiment.regime.rate, experiment.regime.batch) == (5, 1e-4, 8)
    assert experiment.net.options == {"size": 48, "feature": 32}
    assert experiment.data.split.options == {"test": 0.25, "seed": 1}
    assert experiment.seed == 3
    assert changed_experiment(Experiment(**values()), changes) == experiment


@pytest.mark.parametrize(
    "text",
    ["", "text", "- 1", "1: 2", "a: [", "a: 2001-99-99", "{[1]: 2}", b"\xff\xfe\x00", "a: !!python/object:os.system {}",
     "data: 3", "data: {1: 2}", "null", "a: &a [*a]", "net: {name: [1]}"],
)  # fmt: skip
def test_a_file_that_is_no_experiment_is_one_line(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(InputError) as caught:
        read(written(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="cannot read"):
        read(tmp_path)


# Wrong keys and values


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (values(objectve=[]), "unknown key 'objectve': did you mean 'objective'?"),
        (values(regime={"epoch": 3}), "unknown key 'regime.epoch': did you mean 'epochs'?"),
        (values(data={"sorce": {"name": "folder"}, "split": {"name": "roles"}}), "'data.sorce': did you mean 'source'"),
        ({**dict(list(values().items())[:2]), "objectve": []}, "unknown key 'objectve': did you mean 'objective'?"),
        ({"net": {"name": "ding"}}, "key 'data' is missing"),
        (values(net={"size": 3}), "key 'net.name' is missing"),
        (values(data={"source": {"name": "folder"}}), "key 'data.split' is missing"),
        (values(net="ding"), "net: input should be a valid dictionary"),
        (values(seed=-1), "seed: input should be greater than or equal to 0, not -1"),
        (values(objective="crossentropy@classifier"), "objective: input should be a valid list"),
        (values(regime={"epochs": 0}), "regime.epochs: input should be greater than or equal to 1, not 0"),
        (values(regime={"epochs": 2.5}), "regime.epochs: input should be a valid integer"),
        (values(regime={"batch": 1}), "regime.batch: input should be greater than or equal to 2, not 1"),
        (values(regime={"rate": float("nan")}), "regime.rate: input should be"),
        (values(regime={"rate": float("inf")}), "regime.rate: input should be"),
        (values(regime={"weight_decay": float("inf")}), "regime.weight_decay: input should be"),
        (values(regime={"optimizer": "adam"}), "regime.optimizer: input should be 'adamw' or 'sgd', not 'adam'"),
        (values(regime={"schedule": "warmup"}), "regime.schedule: input should be 'onecycle'"),
    ],
)
def test_a_wrong_key_or_value_says_where_and_what(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        Experiment(**given)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("regime", [{"epoch": 3}, {"epochs": 0}])
def test_a_wrong_setting_is_said_once(regime: dict[str, int]) -> None:
    with pytest.raises(InputError) as caught:
        Experiment(**values(regime=regime))
    assert "value error" not in str(caught.value)
    assert "{" not in str(caught.value)


def test_a_setting_given_in_python_is_checked_alike() -> None:
    with pytest.raises(InputError, match="unknown key 'epoch': did you mean 'epochs'"):
        settings_of(Supervised, {"epoch": 3})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("epohs=2", "unknown key 'epohs': did you mean 'epochs'?"),
        ("epochs", "--set takes key=value, such as epochs=30, not 'epochs'"),
        ("=2", "unknown key ''"),
        ("epochs=[", "epochs"),
        ("epochs=2001-99-99", "epochs"),
        ("epochs=many", "epochs: input should be a valid integer"),
        ("epochs.more=2", "epochs"),
        ("nett.size=2", "unknown key 'nett.size': did you mean 'net'?"),
        ("name=x", "unknown key 'name'"),
    ],
)
def test_a_change_that_cannot_be_made_is_one_line(change: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Experiment(**changed(values(), [change]))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_changes_leave_the_values_as_they_were() -> None:
    before = values()
    changed(before, ["net.size=9", "epochs=3", "data.split.test=0.5"])
    assert before == values()


# What it builds


def experiment_on(pictures: Path, **more: Any) -> Experiment:
    source = {"name": "folder", "root": str(pictures)}
    return Experiment(**(values(data={"source": source, "split": {"name": "stratified"}}) | more))


def test_it_builds_source_split_chain_and_objective(pictures: Path) -> None:
    experiment = experiment_on(pictures)
    source = experiment.source()
    split = experiment.split(source)
    chain = experiment.chain(split)
    assert (len(source), split.classes) == (36, ("checks", "dots", "stripes"))
    assert (chain.bands, chain.size, chain.last_layer().out_features) == (1, 48, 3)
    assert experiment.goal().texts() == experiment.objective


def test_the_weights_follow_from_the_seed_alone(pictures: Path) -> None:
    experiment = experiment_on(pictures)
    source = experiment.source()
    torch.manual_seed(1)
    first = experiment.chain(experiment.split(source)).state_dict()
    drawn = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(drawn, torch.rand(1)), "building a network must not move the global generator"
    second = experiment.chain(experiment.split(source)).state_dict()
    other = experiment_on(pictures, seed=1).chain(experiment.split(source)).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])


def build(pictures: Path, change: str) -> None:
    experiment = Experiment(**changed(experiment_on(pictures).model_dump(mode="json"), [change]))
    source = experiment.source()
    experiment.split(source)
    experiment.chain(experiment.split(source))
    experiment.goal()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("data.source.name", "foldr", "unknown source 'foldr': did you mean 'folder'?"),
        ("data.source.rot", "x", "unknown option of source folder 'rot': did you mean 'root'?"),
        ("data.source", {"name": "folder"}, "root"),
        ("data.split.name", "stratifid", "unknown split 'stratifid': did you mean 'stratified'?"),
        ("data.split.tst", 0.5, "unknown option of split stratified 'tst': did you mean 'test'?"),
        ("data.split.source", 0.5, "unknown option of split stratified 'source'"),
        ("data.split.validation", "1e-1x", "validation"),
        ("net.name", "dingg", "unknown net 'dingg': did you mean 'ding'?"),
        ("net.classes", 5, "option classes of net ding follows from the data; leave it out"),
        ("net.featur", 5, "unknown option of net ding 'featur': did you mean 'feature'?"),
        ("net.feature", -5, "feature"),
        ("net.feature", 0, "feature"),
        ("net.size", "large", "size"),
        ("net.size", 48.5, "size"),
        ("net.size", 20, "ding: 20 x 20 pixels are too few"),
        ("objective", [], "an objective needs at least one term"),
    ],
)
def test_what_cannot_be_built_is_one_line(pictures: Path, path: str, value: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        build(pictures, f"{path}={yaml.safe_dump(value)}")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


# What things made in Python remember


def test_only_options_that_differ_are_remembered() -> None:
    @described
    def some_thing(source: int, classes: int, size: int = 3, *, kind: str = "a") -> Source:
        return object.__new__(Source)

    assert description(some_thing(1, 2)) == {"name": "some-thing"}
    assert description(some_thing(1, 2, 4, kind="b")) == {"name": "some-thing", "size": 4, "kind": "b"}
    assert description(some_thing(1, 2, size=3, kind="a")) == {"name": "some-thing"}
    assert description(object()) == {"name": "custom"}


@pytest.mark.parametrize(
    ("table", "name"), [(table, name) for table in (sources.SOURCES, splits.SPLITS, nets.NETS) for name in table]
)
def test_every_name_of_a_table_is_its_functions(table: dict[str, Any], name: str) -> None:
    assert table[name].__name__.replace("_", "-") == name
    assert hasattr(table[name], "__wrapped__"), "is not described: a run of it could not be read back"


def test_what_is_made_in_python_is_built_again_from_its_experiment(pictures: Path) -> None:
    source = sources.folder(pictures)
    split = splits.kfold(source, folds=3, fold=1, seed=5)
    net = nets.ding(3, 1, 50, feature=8)
    experiment = read_back(runs.describe(net, ["crossentropy@classifier"], split, Supervised(epochs=2), 4))
    assert experiment.split(experiment.source()).digest() == split.digest()
    again = experiment.chain(experiment.split(source))
    assert {name: value.shape for name, value in again.state_dict().items()} == {
        name: value.shape for name, value in net.state_dict().items()
    }
    assert (again.size, experiment.regime.epochs, experiment.seed) == (50, 2, 4)


def test_a_simulated_source_is_built_again_from_its_experiment() -> None:
    source = sources.simulated(per_class=8, seed=3)
    experiment = read_back(
        runs.describe(nets.ding(10, size=64), ["crossentropy@classifier"], splits.roles(source), Supervised(), 0)
    )
    assert experiment.split(experiment.source()).digest() == splits.roles(source).digest()


# Two domains


def two_domains(**regime: Any) -> dict[str, Any]:
    data = values()["data"]
    within = {"name": "stratified", "test": 0.25}
    target = {"source": data["source"], "split": {"name": "few-label", "labels": 128, "within": within}}
    net = {"name": "y-shaped", "encoder": {"name": "aconvnet", "padding": "same"}, "size": 32, "dimension": 16}
    return {"data": data, "target": target, "net": net, "objective": ["crossentropy@classifier"]} | {
        "regime": {"name": "transfer", "pretraining": {"epochs": 3}, **regime}
    }


def test_a_transfer_reads_back_from_its_yaml() -> None:
    first = {"objective": ["1.0*crossentropy()@classifier", "0.5*supcon@embedding"], "views": 2, "shift": 1}
    given = two_domains(alternate=["1*coral()@embedding"], freeze=["head"], pretraining=first)
    experiment = Experiment(**given)
    assert read_back(experiment) == experiment
    assert experiment.regime.alternate == ["coral@embedding"]
    assert experiment.regime.pretraining.objective == ["crossentropy@classifier", "0.5*supcon@embedding"]
    assert experiment.target.split.options["labels"] == 128
    assert Experiment(**(given | {"regime": experiment.regime})) == experiment
    assert "target" not in yaml.safe_load(Experiment(**values()).yaml())


def test_terms_of_settings_made_in_python_are_written_in_one_way() -> None:
    settings = Transfer(
        alternate=["1.0*coral()@embedding"], pretraining=Pretraining(objective=["1*crossentropy()@classifier"])
    )
    experiment = Experiment(**(two_domains() | {"regime": settings}))
    assert experiment.regime.alternate == ["coral@embedding"]
    assert read_back(experiment) == experiment


def test_changes_of_a_transfer() -> None:
    changes = ["steps=5", "target.split.labels=32", "pretraining.epochs=2", "target_batch=8", "data.split.test=0.1"]
    experiment = changed_experiment(Experiment(**two_domains()), changes)
    assert (experiment.regime.steps, experiment.regime.target_batch) == (5, 8)
    assert experiment.target.split.options["labels"] == 32
    assert experiment.regime.pretraining.epochs == 2
    assert experiment.regime.epochs == 10
    none = changed_experiment(experiment, ["pretraining=null"])
    assert (none.regime.pretraining, none.pretraining()) == (None, None)
    assert changed_experiment(none, ["pretraining.epochs=2"]).regime.pretraining.epochs == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("step=5", "unknown key 'step': did you mean 'steps'?"),
        ("pretraining.epohs=2", "unknown key 'regime.pretraining.epohs': did you mean 'epochs'?"),
        ("pretraining.objectives=[]", "unknown key 'regime.pretraining.objectives': did you mean 'objective'?"),
        ("pretraining.steps=3", "unknown key 'regime.pretraining.steps'"),
        ("pretraining.epochs=0", "regime.pretraining.epochs: input should be greater than or equal to 1, not 0"),
        ("per_class=2", "unknown key 'per_class'"),
        ("regime.copies=2", "unknown key 'regime.copies'"),
        ("target.splt=2", "unknown key 'target.splt': did you mean 'split'?"),
        ("target=null", "key 'target' is missing: the regime transfer goes from data to a target"),
        ("freeze=[body]", "regime.freeze.0: input should be 'source', 'target', 'embedding' or 'head', not 'body'"),
        ("regime.name=supervised", "unknown key 'regime."),
    ],
)
def test_a_wrong_change_of_a_transfer_is_one_line(change: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        changed_experiment(Experiment(**two_domains()), [change])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("net", [{}, {"source_size": 24}, {"size": 40, "encoder": "resnet20"}])
def test_the_pretraining_is_that_of_the_branch(pictures: Path, net: dict[str, Any]) -> None:
    given = two_domains(pretraining={"objective": ["1.0*crossentropy@classifier"], "epochs": 2, "batch": 8})
    data = {"source": {"name": "folder", "root": str(pictures)}, "split": {"name": "stratified", "test": 0.25}}
    target = {"source": data["source"], "split": {"name": "few-label", "labels": 6}}
    experiment = Experiment(**(given | {"data": data, "target": target, "net": given["net"] | net, "seed": 3}))
    split, origin = experiment.splits()
    branch = experiment.chain(split, origin).branch("source")
    regime = Supervised(**experiment.regime.pretraining.model_dump(exclude={"objective"}))
    made = experiment.pretraining()
    assert made == runs.describe(branch, ["crossentropy@classifier"], origin, regime, 3)
    assert read_back(made) == made
    alone = made.chain(origin).state_dict()
    assert all(torch.equal(value, alone[name]) for name, value in branch.state_dict().items())


def test_two_domains_are_split_over_the_classes_of_the_source(pictures: Path) -> None:
    source = {"name": "folder", "root": str(pictures)}
    fewer = source | {"classes": {"dots": "dots", "stripes": "stripes"}}
    given = two_domains() | {"data": {"source": source, "split": {"name": "stratified"}}}
    experiment = Experiment(**(given | {"target": {"source": fewer, "split": {"name": "few-label", "labels": 4}}}))
    split, origin = experiment.splits()
    assert split.classes == origin.classes == ("checks", "dots", "stripes")
    assert set(split.test.facts["label"]) == {"dots", "stripes"}
    assert (experiment.chain(split, origin).bands, Experiment(**experiment_on(pictures).model_dump()).splits()[1]) == (
        1,
        None,
    )


# Few labels


def few_labels(**regime: Any) -> dict[str, Any]:
    source = values()["data"]["source"]
    split = {"name": "few-label", "labels": "4/class", "within": {"name": "stratified", "seed": 0}}
    objective = [
        "1.0*crossentropy()@classifier",
        "consistency(hard=False)@classifier",
        "0.5*supcon@embedding of unlabelled",
    ]
    return {
        "data": {"source": source, "split": split},
        "net": {"name": "projected", "encoder": {"name": "resnet18"}},
        "objective": objective,
        "regime": {"name": "semi-supervised", **regime},
    }


def test_few_labels_read_back_from_their_yaml() -> None:
    experiment = Experiment(**few_labels(mu=3, augmentation="radar", choose="test"))
    assert read_back(experiment) == experiment
    assert experiment.objective == [
        "crossentropy@classifier",
        "consistency@classifier",
        "0.5*supcon@embedding of unlabelled",
    ]
    assert (experiment.regime.mu, experiment.regime.choose) == (3, "test")
    assert experiment.data.split.options["labels"] == "4/class"
    assert experiment.pretraining() is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("treshold=0.5", "unknown key 'treshold': did you mean 'threshold'?"),
        ("regime.treshold=0.5", "unknown key 'regime.treshold': did you mean 'threshold'?"),
        ("target_batch=3", "unknown key 'target_batch'"),
        ("mu=2.5", "regime.mu: input should be a valid integer"),
    ],
)
def test_a_wrong_change_of_few_labels_is_one_line(change: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        changed_experiment(Experiment(**few_labels()), [change])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("regime", ["semi-supervised", "supervised"])
def test_a_target_is_for_a_transfer(regime: str) -> None:
    given = few_labels() | {"regime": {"name": regime}}
    with pytest.raises(InputError) as caught:
        Experiment(**given, target=given["data"])
    assert str(caught.value) == f"key 'target' is for the regime transfer, not for {regime}"
