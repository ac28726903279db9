"""The complete, serialisable description from which a run follows."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spacewise import nets, sources, splits
from spacewise.describe import make_named, plain
from spacewise.errors import InputError, unknown
from spacewise.nets.chain import Chain
from spacewise.objective import Objective, parse_term
from spacewise.regime import REGIMES, SemiSupervised, Strict, Supervised, Transfer, first_complaint
from spacewise.sources.source import Source
from spacewise.splits import Split


class Named(BaseModel):
    """A function's name in its table, and the options that it is called with."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.__pydantic_extra__ or {})


class Data(Strict):
    """Where samples come from, and which of them do what."""

    source: Named
    split: Named


class Experiment(Strict):
    """Data, net, objective, regime, seed.

    Attributes:
        data: what is learnt from; in a transfer, the labelled source.
        target: of a transfer: where a few labels must do, and what is tested.
    """

    data: Data
    target: Data | None = None
    net: Named
    objective: list[str]
    regime: Annotated[Supervised | Transfer | SemiSupervised, Field(discriminator="name")] = Supervised()
    seed: int = Field(0, ge=0)

    def __init__(self, **values: Any) -> None:
        """Raises `InputError` for a wrong key or value, or a target that does not go with the regime."""
        try:
            super().__init__(**_canonical(values))
        except ValidationError as error:
            raise InputError(first_complaint(error, type(self))) from None
        if isinstance(self.regime, Transfer) and self.target is None:
            raise InputError("key 'target' is missing: the regime transfer goes from data to a target")
        if self.target is not None and not isinstance(self.regime, Transfer):
            raise InputError(f"key 'target' is for the regime transfer, not for {self.regime.name}")

    def yaml(self) -> str:
        """The experiment as YAML that reads back as the same experiment."""
        values = self.model_dump(exclude=None if self.target else {"target"})
        return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)

    def source(self) -> Source:
        """Opens the source. Raises `InputError` for an unknown name or option, or bad data."""
        return _call("source", sources.SOURCES, self.data.source)

    def split(self, source: Source) -> Split:
        """Splits the source."""
        return _call("split", splits.SPLITS, self.data.split, source)

    def splits(self) -> tuple[Split, Split | None]:
        """Opens and splits all data: what is learnt for and tested, and the labelled source of a transfer.

        Raises:
            InputError: also for a target with a class that the source does not have.
        """
        split = self.split(self.source())
        if self.target is None:
            return split, None
        target = _call("split", splits.SPLITS, self.target.split, _call("source", sources.SOURCES, self.target.source))
        return splits.restricted(target, split.classes), split

    def chain(self, split: Split, origin: Split | None = None, *, empty: bool = False) -> Chain:
        """Builds the network, its weights drawn from the seed or read from the file that the net names.

        Args:
            split, origin: as from `splits`.
            empty: without that file: the weights will be replaced by those of a run.
        """
        source_bands = origin.source.read(0).shape[0] if origin else None
        return self.build(len(split.classes), split.source.read(0).shape[0], source_bands, empty=empty)

    def build(self, classes: int, bands: int, source_bands: int | None = None, *, empty: bool = False) -> Chain:
        """The same from what it needs to know of the data: their classes and bands, in a transfer also the source's."""
        net = Named(name=self.net.name, **{k: v for k, v in self.net.options.items() if not (empty and k == "weights")})
        given = {"classes": classes, "bands": bands}
        if source_bands is not None and self.net.name in nets.NETS:
            branches = "source_bands" in inspect.signature(nets.NETS[self.net.name]).parameters
            given |= {"source_bands": source_bands} if branches else {}
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            return _call("net", nets.NETS, net, **given)

    def goal(self) -> Objective:
        """Reads the objective."""
        return Objective(*self.objective)

    def pretraining(self) -> Experiment | None:
        """The supervised training of the source's branch with which a transfer begins; None where there is none."""
        if not isinstance(self.regime, Transfer) or self.regime.pretraining is None:
            return None
        options = {key: self.net.options[key] for key in SHARED if key in self.net.options}
        size = self.net.options.get("source_size") or self.net.options["size"]
        regime = self.regime.pretraining.model_dump(exclude={"objective"})
        return Experiment(
            data=self.data,
            net={"name": "branch", **options, "size": size},
            objective=self.regime.pretraining.objective,
            regime=regime,
            seed=self.seed,
        )


SHARED = ("encoder", "dimension", "normalisation")  # options of a Y-shaped network that its branches have


def _canonical(values: Mapping[str, Any]) -> dict[str, Any]:
    """One way to write one experiment: terms without their defaults, folders from the root of the file system."""
    result = {k: plain(v.model_dump() if isinstance(v, BaseModel) else v) for k, v in values.items()}
    result |= _canonical_terms(result, "objective")
    if isinstance(result.get("net"), Mapping):
        result["net"] = _rooted(_canonical_named(result["net"], nets.NETS, keep="size"), "weights")
    if isinstance(result.get("regime"), Mapping):
        result["regime"] = _canonical_regime(result["regime"])
    for key in ("data", "target"):
        if isinstance(result.get(key), Mapping):
            result[key] = _canonical_data(result[key])
    return result


def _canonical_terms(values: Mapping[str, Any], key: str) -> dict[str, list[str]]:
    """The terms under a key, each without its defaults; nothing where there are none."""
    terms = values.get(key)
    if not isinstance(terms, list | tuple) or not all(isinstance(term, str) for term in terms):
        return {}
    return {key: [_canonical_term(term) for term in terms]}


def _canonical_regime(regime: Mapping[str, Any]) -> dict[str, Any]:
    """With its name, which chooses between the regimes, and with its terms without their defaults."""
    result = {"name": "supervised", **regime} | _canonical_terms(regime, "alternate")
    first = regime.get("pretraining")
    if isinstance(first, Mapping):
        result["pretraining"] = {**first, **_canonical_terms(first, "objective")}
        result["pretraining"] |= _canonical_terms(first, "alternate")
    return result


def _canonical_data(data: Mapping[str, Any]) -> dict[str, Any]:
    source, split = data.get("source"), data.get("split")
    if isinstance(source, Mapping):
        source = _rooted(_canonical_named(source, sources.SOURCES), "root")
    if isinstance(split, Mapping):
        split = _canonical_named(split, splits.SPLITS)
    given = {"source": source, "split": split}
    return {**data, **{key: value for key, value in given.items() if value is not None}}


def _rooted(named: dict[str, Any], key: str) -> dict[str, Any]:
    """The same with a path from the root of the file system."""
    return named | ({key: os.path.abspath(Path(str(named[key])).expanduser())} if named.get(key) else {})


def _canonical_term(text: str) -> str:
    """A term without its defaults; what cannot be read (a loss of the user's own) stays, until it is asked for."""
    try:
        return str(parse_term(text))
    except InputError:
        return text


def _canonical_named(
    named: Mapping[str, Any], table: Mapping[str, Callable[..., Any]], keep: str = ""
) -> dict[str, Any]:
    """A name and its options without those at their defaults, but for one that is always said."""
    result = dict(named)
    if not isinstance(result.get("name"), str) or result["name"] not in table:
        return result
    parameters = inspect.signature(table[str(result["name"])]).parameters
    result = {
        key: value
        for key, value in result.items()
        if key in (keep, "name") or key not in parameters or value != parameters[key].default
    }
    if keep and keep not in result and keep in parameters:
        result[keep] = parameters[keep].default
    return result


def read(path: Path, changes: Sequence[str] = ()) -> Experiment:
    """Reads an experiment from YAML, with changes such as `epochs=30` or `net.pooling=average`.

    Raises:
        InputError: the file is missing or no mapping, or a key or value is wrong.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"experiment {path} does not exist") from error
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise InputError(f"{path} is no experiment: expected the keys {', '.join(Experiment.model_fields)}")
    try:
        return Experiment(**changed(values, changes))
    except RecursionError as error:
        raise InputError(f"{path} is no experiment: it refers to itself") from error


def changed(values: Mapping[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """Values with `key=value` changes applied; a key is a dotted path, or a name of the regime's."""
    result = dict(values)
    regime = result.get("regime")
    named = str(regime.get("name")) if isinstance(regime, Mapping) else ""
    settings = [field for field in REGIMES.get(named, Supervised).model_fields if field != "name"]
    for change in changes:
        key, equals, written = change.partition("=")
        if not equals:
            raise InputError(f"--set takes key=value, such as epochs=30, not '{change}'")
        path = key.strip().split(".")
        if path[0] in settings:
            path = ["regime", *path]
        if path[0] not in Experiment.model_fields:
            raise unknown("key", key, [*Experiment.model_fields, *settings])
        try:
            _place(result, path, yaml.safe_load(written))
        except (yaml.YAMLError, ValueError) as error:
            raise InputError(f"--set {change}: '{written}' is not a plain value") from error
    return result


def _place(values: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for key in path[:-1]:
        inner = values.get(key)
        values[key] = dict(inner) if isinstance(inner, Mapping) else {}
        values = values[key]
    values[path[-1]] = value


def _call(kind: str, table: Mapping[str, Callable[..., Any]], named: Named, *args: Any, **given: Any) -> Any:
    return make_named(kind, table, named.name, named.options, *args, **given)


def split_by_name(source: Source, name: str) -> Split:
    """A split of the table with its own defaults; an unknown name raises `InputError`."""
    return _call("split", splits.SPLITS, Named(name=name), source)


def changed_experiment(experiment: Experiment, changes: Sequence[str]) -> Experiment:
    """An experiment with `key=value` changes applied, as `read` takes them."""
    return Experiment(**changed(experiment.model_dump(), changes))
