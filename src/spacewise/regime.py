"""How batches become steps: the settings of each regime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spacewise.errors import InputError, suggest


class Strict(BaseModel):
    """A part of an experiment: an unknown key is an error that says which was meant."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Settings(Strict):
    """What every regime has.

    Attributes:
        epochs: after each of which the network is validated, logged and saved.
        batch: labelled samples a step, over all processes.
        optimizer: `adamw`, or `sgd` with momentum.
        rate: the largest learning rate.
        momentum: of SGD.
        nesterov: SGD looks ahead by its momentum (Nesterov).
        weight_decay: R(W); on weights of layers, not on biases and normalisation.
        schedule: `onecycle` (up for a third, then down to nothing), `cosine`, `constant`, `steps`
            (times 0.9 at every twentieth of the training, as in the released solver of Wang et al.), `tenths`
            (a tenth after a third of the training, a hundredth after half, as Ito et al. train), or `sixteenths`
            (the first seven sixteenths of a cosine from 1 towards -1: down to a fifth, as FixMatch trains).
        shift: largest translation of a training image in pixels, each way; 0 for none.
        precision: `bf16`, `float32`, or `auto`: bf16 where the machine multiplies in it.
        patience: epochs without a better validation figure after which training stops; 0 for never.
        keep: epochs whose weights are kept, to be audited besides the last: 0 is the start.
    """

    epochs: int = Field(30, ge=1)
    batch: int = Field(64, ge=2)
    optimizer: Literal["adamw", "sgd"] = "adamw"
    rate: float = Field(1e-3, gt=0, allow_inf_nan=False)
    momentum: float = Field(0.9, ge=0, lt=1)
    nesterov: bool = False
    weight_decay: float = Field(0.01, ge=0, allow_inf_nan=False)
    schedule: Literal["onecycle", "cosine", "constant", "steps", "tenths", "sixteenths"] = "onecycle"
    shift: int = Field(0, ge=0)
    precision: Literal["auto", "bf16", "float32"] = "auto"
    patience: int = Field(0, ge=0)
    keep: list[int] = []


class Alternating(Settings):
    """Settings of regimes in which every batch may have a second step.

    Attributes:
        flip: half of the training images are mirrored left to right.
        crop: smallest side of a random square that is cut out and enlarged to the image, as a share of the
            image's side; 1 for none.
        alternate: terms of a second step in every batch, after another forward pass, by an optimizer of its own:
            `["complement_entropy@classifier"]` is complement objective training (Chen et al. 2019), alignments
            are the second step of a transfer.
        alternate_rate: the largest learning rate of that step; 0 for the regime's own: a tenth of `rate` in the
            supervised regime, as in Ito et al., and `rate` itself in a transfer.
    """

    SECOND: ClassVar[float] = 0.1  # rate of the second step, as a share of the first's

    flip: bool = False
    crop: float = Field(1.0, gt=0, le=1)
    alternate: list[str] = []
    alternate_rate: float = Field(0.0, ge=0, allow_inf_nan=False)

    @property
    def second_rate(self) -> float:
        """The largest learning rate of the second step."""
        return self.alternate_rate or self.rate * self.SECOND


class Supervised(Alternating):
    """Settings of the supervised regime: an epoch is a pass over the training samples.

    Attributes:
        copies: 0 for fresh shifts every epoch; n for n fixed translated copies beside each image.
        per_class: samples of each class in a batch, of batch / per_class classes drawn in proportion to their
            size; 0 for batches without regard to class.
        views: how often each sample stands in a batch, each time shifted, mirrored and cut out anew: 2 for the
            multiviewed batches of Khosla et al. (2020). The batch holds `batch` samples, and `views` times as many
            images.
        freeze: steps during which layers that started from given weights stay as they are: their rate is zero
            (their normalisation goes on following the batches).
        pretrain: share of the training at its start in which only the objective's first term trains.
    """

    name: Literal["supervised"] = "supervised"
    copies: int = Field(0, ge=0)
    per_class: int = Field(0, ge=0)
    views: int = Field(1, ge=1)
    freeze: int = Field(0, ge=0)
    pretrain: float = Field(0.0, ge=0, lt=1)


class Pretraining(Supervised):
    """How the source's branch is trained before a transfer: a supervised training of its own.

    Attributes:
        objective: its terms; `["crossentropy@classifier", "supcon@embedding"]` with two views shapes the embedding.
    """

    objective: list[str] = ["crossentropy@classifier"]


class Transfer(Alternating):
    """Settings of the transfer regime: from a labelled source to a target with few labels.

    Every step takes samples from three endless streams: the labelled source, the labelled target, and all of the
    target's training images without their labels. The objective's terms see the labelled ones of both domains;
    alignments (in `alternate`, or in the objective for one step together) compare the domains.

    Attributes:
        pretraining: of the source's branch, before the first step; none for a target that learns alone. The
            target's encoder then starts from the source's, as far as the shapes fit. It has settings of its own
            throughout, precision and shift included.
        steps: of an epoch.
        batch: labelled source samples a step; 0 for none, as in fine-tuning.
        target_batch: labelled target samples a step.
        unlabelled_batch: target samples a step without labels; taken where there is an alignment.
        freeze: parts of the network (source, target, embedding, head) that stay as the pretraining left them.
        freeze_alternate: parts that the second step does not move (their normalisation follows its batches).
    """

    SECOND: ClassVar[float] = 1.0

    name: Literal["transfer"] = "transfer"
    epochs: int = Field(10, ge=1)
    steps: int = Field(100, ge=1)
    batch: int = Field(64, ge=0)
    target_batch: int = Field(32, ge=1)
    unlabelled_batch: int = Field(64, ge=1)
    pretraining: Pretraining | None = None
    freeze: list[Literal["source", "target", "embedding", "head"]] = []
    freeze_alternate: list[Literal["source", "target", "embedding", "head"]] = []


class SemiSupervised(Settings):
    """Settings of the semi-supervised regime: a few labelled images, and many without labels.

    Every step takes `batch` labelled and `mu * batch` unlabelled images. Of an unlabelled image the network sees a
    weak view, from which it makes a pseudo-label, and strong views, which are taught by it (Li et al., CoMatch, 2021).
    Terms of the objective see the labelled images; `… of unlabelled`, and the losses between views, the others.

    Attributes:
        steps: of an epoch.
        mu: images taken without their labels a step for each labelled one, from all training images, as in FixMatch;
            0 for none: the floor that labels alone reach.
        augmentation: how images are varied: `optical` (RGB of 8 bits), `bands` (any number of bands), `radar` (no
            colours: speckle, amplitude, shift, small rotation).
        threshold: tau: probability of a pseudo-label's class from which on it is confident.
        alignment: batches over whose mean probabilities the pseudo-labels are aligned with even classes; 0 for none.
        memory: batches whose embeddings and pseudo-labels are remembered; 0 for none.
        smoothing: share of the network's own word in a pseudo-label; the rest is that of the remembered neighbours.
        temperature: of the similarity between an embedding and the remembered ones.
        confidence: terms `of unlabelled` see the images whose pseudo-label reaches this probability; 0 for all.
        average: decay of the averaged weights by step; 0 for none.
        choose: the part whose accuracy chooses the best epoch. `test` is the fault of a released code: it is there
            to measure what it is worth.
        statistics: of the averaged network's normalisation: `estimated` on training images, or `copied` from the
            trained one, which is a fault as well.
        normalise: whether all views are normalised alike; false for a second strong view that is not, a third fault.
    """

    alternate: ClassVar[tuple[str, ...]] = ()  # one step a batch
    second_rate: ClassVar[float] = 0.0

    name: Literal["semi-supervised"] = "semi-supervised"
    epochs: int = Field(10, ge=1)
    steps: int = Field(100, ge=1)
    batch: int = Field(32, ge=2)
    mu: int = Field(7, ge=0)
    optimizer: Literal["adamw", "sgd"] = "sgd"
    rate: float = Field(0.03, gt=0, allow_inf_nan=False)
    nesterov: bool = True
    weight_decay: float = Field(5e-4, ge=0, allow_inf_nan=False)
    schedule: Literal["onecycle", "cosine", "constant", "steps", "tenths", "sixteenths"] = "sixteenths"
    augmentation: Literal["optical", "bands", "radar"] = "optical"
    threshold: float = Field(0.95, ge=0, le=1)
    alignment: int = Field(32, ge=0)
    memory: int = Field(5, ge=0)
    smoothing: float = Field(0.9, ge=0, le=1)
    temperature: float = Field(0.2, gt=0, allow_inf_nan=False)
    confidence: float = Field(0.0, ge=0, le=1)
    average: float = Field(0.999, ge=0, lt=1)
    choose: Literal["validation", "test"] = "validation"
    statistics: Literal["estimated", "copied"] = "estimated"
    normalise: bool = True


Regime = Supervised | Transfer | SemiSupervised
REGIMES: dict[str, type[Regime]] = {
    "supervised": Supervised,
    "transfer": Transfer,
    "semi-supervised": SemiSupervised,
}


Kind = TypeVar("Kind", bound=Settings)


def settings_of(kind: type[Kind], settings: Mapping[str, Any]) -> Kind:
    """The settings of one regime. Raises `InputError` for a wrong key or value."""
    try:
        return kind(**settings)
    except ValidationError as error:
        raise InputError(first_complaint(error, kind)) from None


def first_complaint(error: ValidationError, model: type[BaseModel]) -> str:
    """The first complaint of a validation, as one line with the nearest right key."""
    complaints = error.errors()
    # a misspelt key is also a missing one: the misspelling is what helps
    complaint = next((c for c in complaints if c["type"] == "extra_forbidden"), complaints[0])
    path = [key for key in complaint["loc"] if key not in REGIMES]  # pydantic names the regime that it chose
    where = ".".join(str(key) for key in path)
    if complaint["type"] == "extra_forbidden":
        return f"unknown key '{where}': {suggest(str(path[-1]), _fields(complaint['loc'][:-1], model))}"
    if complaint["type"] == "missing":
        return f"key '{where}' is missing"
    return f"{where}: {complaint['msg'][0].lower()}{complaint['msg'][1:]}, not {complaint['input']!r}"


def _fields(path: tuple[int | str, ...], model: type[BaseModel]) -> list[str]:
    """Names of the fields of the model at the end of a path."""
    for key in path:
        if key in REGIMES:
            model = REGIMES[str(key)]
        elif key in model.model_fields:
            found = model.model_fields[str(key)].annotation
            inner = [kind for kind in (found, *getattr(found, "__args__", ())) if hasattr(kind, "model_fields")]
            model = inner[0] if inner else model
    return list(model.model_fields)
