"""The complete, serialisable description from which a run follows."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_type_hints

import torch
import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from spacewise import nets, sources, splits
from spacewise.describe import description, plain
from spacewise.errors import InputError, suggest, unknown
from spacewise.nets.chain import Chain
from spacewise.objective import Objective, parse_term
from spacewise.sources.source import Source
from spacewise.splits import Split


class Strict(BaseModel):
    """A part of an experiment: an unknown key is an error that says which was meant."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Named(BaseModel):
    """A function's name in its table, and the options that it is called with."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.__pydantic_extra__ or {})


class Supervised(Strict):
    """Settings of the supervised regime.

    Attributes:
        epochs: passes over the training samples (each with its fixed copies, where there are any).
        batch: samples a step, over all processes.
        optimizer: `adamw`, or `sgd` with momentum.
        rate: the largest learning rate.
        momentum: of SGD.
        weight_decay: R(W); on weights of layers, not on biases and normalisation.
        schedule: `onecycle` (up for a third, then down to nothing), `cosine`, `constant`, `steps`
            (times 0.9 at every twentieth of the training, as in the released solver of Wang et al.), or
            `tenths` (a tenth after a third of the training, a hundredth after half, as Ito et al. train).
        shift: largest translation of a training image in pixels, each way; 0 for none.
        copies: 0 for fresh shifts every epoch; n for n fixed translated copies beside each image.
        precision: `bf16`, `float32`, or `auto`: bf16 where the machine multiplies in it.
        patience: epochs without a better validation figure after which training stops; 0 for never.
        per_class: samples of each class in a batch, of batch / per_class classes drawn in proportion to their
            size; 0 for batches without regard to class.
        flip: half of the training images are mirrored left to right.
        crop: smallest side of a random square that is cut out and enlarged to the image, as a share of the
            image's side; 1 for none.
        freeze: steps during which layers that started from given weights stay as they are: their rate is zero
            (their normalisation goes on following the batches).
        keep: epochs whose weights are kept, to be audited besides the last: 0 is the start.
        alternate: terms of a second step in every batch, after another forward pass, by an optimizer of its own:
            `["complement_entropy@classifier"]` is complement objective training (Chen et al. 2019).
        alternate_rate: the largest learning rate of that step; 0 for a tenth of `rate`, as in Ito et al.
        pretrain: share of the training at its start in which only the objective's first term trains.
    """

    name: Literal["supervised"] = "supervised"
    epochs: int = Field(30, ge=1)
    batch: int = Field(64, ge=2)
    optimizer: Literal["adamw", "sgd"] = "adamw"
    rate: float = Field(1e-3, gt=0, allow_inf_nan=False)
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(0.01, ge=0, allow_inf_nan=False)
    schedule: Literal["onecycle", "cosine", "constant", "steps", "tenths"] = "onecycle"
    shift: int = Field(0, ge=0)
    copies: int = Field(0, ge=0)
    precision: Literal["auto", "bf16", "float32"] = "auto"
    patience: int = Field(0, ge=0)
    per_class: int = Field(0, ge=0)
    flip: bool = False
    crop: float = Field(1.0, gt=0, le=1)
    freeze: int = Field(0, ge=0)
    keep: list[int] = []
    alternate: list[str] = []
    alternate_rate: float = Field(0.0, ge=0, allow_inf_nan=False)
    pretrain: float = Field(0.0, ge=0, lt=1)


def supervised_settings(settings: Mapping[str, Any]) -> Supervised:
    """Raises `InputError` for a wrong key or value."""
    try:
        return Supervised(**settings)
    except ValidationError as error:
        raise InputError(_first(error, Supervised)) from None


class Data(Strict):
    """Where samples come from, and which of them do what."""

    source: Named
    split: Named


class Experiment(Strict):
    """Data, net, objective, regime, seed."""

    data: Data
    net: Named
    objective: list[str]
    regime: Supervised = Supervised()
    seed: int = Field(0, ge=0)

    def __init__(self, **values: Any) -> None:
        """Raises `InputError` for a wrong key or value, or an objective that cannot be read."""
        try:
            super().__init__(**_canonical(values))
        except ValidationError as error:
            raise InputError(_first(error, type(self))) from None

    def yaml(self) -> str:
        """The experiment as YAML that reads back as the same experiment."""
        return yaml.safe_dump(self.model_dump(), sort_keys=False, allow_unicode=True)

    def source(self) -> Source:
        """Opens the source. Raises `InputError` for an unknown name or option, or bad data."""
        return _call("source", sources.SOURCES, self.data.source)

    def split(self, source: Source) -> Split:
        """Splits the source."""
        return _call("split", splits.SPLITS, self.data.split, source)

    def chain(self, source: Source, classes: int, *, empty: bool = False) -> Chain:
        """Builds the network, its weights drawn from the seed or read from the file that the net names.

        Args:
            empty: without that file: the weights will be replaced by those of a run.
        """
        net = Named(name=self.net.name, **{k: v for k, v in self.net.options.items() if not (empty and k == "weights")})
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            return _call("net", nets.NETS, net, classes=classes, bands=source.read(0).shape[0])

    def goal(self) -> Objective:
        """Reads the objective."""
        return Objective(*self.objective)


def _canonical(values: Mapping[str, Any]) -> dict[str, Any]:
    """One way to write one experiment: terms without their defaults, folders from the root of the file system."""
    result: dict[str, Any] = {k: v if isinstance(v, BaseModel) else plain(v) for k, v in values.items()}
    terms = result.get("objective")
    if isinstance(terms, list | tuple) and all(isinstance(term, str) for term in terms):
        result["objective"] = [_canonical_term(term) for term in terms]
    if isinstance(result.get("net"), Mapping):
        result["net"] = _rooted(_canonical_named(result["net"], nets.NETS, keep="size"), "weights")
    regime = result.get("regime")
    if isinstance(regime, Mapping) and isinstance(regime.get("alternate"), list | tuple):
        result["regime"] = {**regime, "alternate": [_canonical_term(str(term)) for term in regime["alternate"]]}
    data = result.get("data")
    if isinstance(data, Mapping):
        source, split = data.get("source"), data.get("split")
        if isinstance(source, Mapping):
            source = _rooted(_canonical_named(source, sources.SOURCES), "root")
        if isinstance(split, Mapping):
            split = _canonical_named(split, splits.SPLITS)
        given = {"source": source, "split": split}
        result["data"] = {**data, **{key: value for key, value in given.items() if value is not None}}
    return result


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
    for change in changes:
        key, equals, written = change.partition("=")
        if not equals:
            raise InputError(f"--set takes key=value, such as epochs=30, not '{change}'")
        path = key.strip().split(".")
        if path[0] in Supervised.model_fields and path[0] != "name":
            path = ["regime", *path]
        if path[0] not in Experiment.model_fields:
            options = [*Experiment.model_fields, *(f for f in Supervised.model_fields if f != "name")]
            raise unknown("key", key, options)
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
    """Calls what the name stands for; unknown options are met here, with the nearest that there is."""
    if named.name == "custom":
        raise InputError(f"the {kind} of this experiment was made in Python; it cannot be made again by name")
    if named.name not in table:
        raise unknown(kind, named.name, table)
    function = table[named.name]
    known = [p for p in inspect.signature(function).parameters if p != "source" and p not in given]
    for option in named.options:
        if option not in known:
            raise unknown(f"option of {kind} {named.name}", option, known)
    hints = get_type_hints(function)
    options = {}
    for option, value in named.options.items():
        try:
            options[option] = TypeAdapter(hints[option]).validate_python(value)
        except ValidationError as error:
            said = error.errors()[0]["msg"]
            raise InputError(
                f"option {option} of {kind} {named.name}: {said[0].lower()}{said[1:]}, not {value!r}"
            ) from None
    try:
        return function(*args, **given, **options)
    except TypeError as error:
        raise InputError(f"{kind} {named.name}: {error}") from error


def _first(error: ValidationError, model: type[BaseModel]) -> str:
    """The first complaint of a validation, as one line with the nearest right key."""
    complaints = error.errors()
    # a misspelt key is also a missing one: the misspelling is what helps
    complaint = next((c for c in complaints if c["type"] == "extra_forbidden"), complaints[0])
    where = ".".join(str(key) for key in complaint["loc"])
    if complaint["type"] == "extra_forbidden":
        fields: Any = model.model_fields
        for key in complaint["loc"][:-1]:
            fields = getattr(fields[key].annotation, "model_fields", fields) if key in fields else fields
        return f"unknown key '{where}': {suggest(str(complaint['loc'][-1]), fields)}"
    if complaint["type"] == "missing":
        return f"key '{where}' is missing"
    return f"{where}: {complaint['msg'][0].lower()}{complaint['msg'][1:]}, not {complaint['input']!r}"


def from_flags(
    data: str, source: str, net: str, losses: Sequence[str], split: str, size: int | None, seed: int
) -> Experiment:
    """The experiment that command-line flags describe.

    Raises:
        InputError: no data, no loss, an unknown source or split.
    """
    if not losses:
        raise InputError("--loss is missing: at least one, such as --loss crossentropy@classifier")
    opened = sources.open_source(data, source)
    named: dict[str, Any] = {"name": net} | ({"size": size} if size else {})
    if opened.name == "simulated" and not size and net == "aconvnet":
        named |= {"size": opened.read(0).shape[1], "padding": "same"}  # its chips are smaller than MSTAR's
    return Experiment(
        data={"source": description(opened), "split": {"name": split or splits.default(opened)}},
        net=named,
        objective=list(losses),
        seed=seed,
    )


def split_by_name(source: Source, name: str) -> Split:
    """A split of the table with its own defaults; an unknown name raises `InputError`."""
    return _call("split", splits.SPLITS, Named(name=name), source)


def changed_experiment(experiment: Experiment, changes: Sequence[str]) -> Experiment:
    """An experiment with `key=value` changes applied, as `read` takes them."""
    return Experiment(**changed(experiment.model_dump(), changes))
