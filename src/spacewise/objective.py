"""The sum of terms: `"1.0*contrastive(dissimilar_margin=1.0)@classifier"` and its meaning."""

from __future__ import annotations

import ast
import inspect
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from spacewise.errors import InputError, unknown
from spacewise.losses import AGREEMENTS, ALIGNMENTS, LOSSES
from spacewise.losses.agreement import Agreement, Views
from spacewise.losses.alignment import Alignment, Domains
from spacewise.losses.loss import Loss, Term
from spacewise.nets.chain import Chain, check_reading, read_space

FORM = re.compile(
    r"\s*(?:(?P<weight>[^*(@]+?)\s*\*)?\s*(?P<call>[A-Za-z_]\w*\s*(?:\(.*\))?)\s*@\s*(?P<space>[\w:.]+)"
    r"(?:\s+of\s+(?P<samples>\w+))?\s*"
)
EXAMPLE = '"1.0*contrastive(dissimilar_margin=1.0)@classifier"'


def parse_term(text: str) -> Term:
    """Reads `weight*loss(option=value)@space`; the weight is 1 where it is left out.

    With ` of unlabelled` behind it, the loss sees unlabelled samples under their pseudo-labels.

    Raises:
        InputError: the form is not this, the loss or an option is unknown, or a value is no literal.
    """
    match = FORM.fullmatch(text)
    if not match:
        raise InputError(f"term {text!r} is not of the form weight*loss(option=value)@space, like {EXAMPLE}")
    name, options = _call(match["call"], text)
    losses: Mapping[str, type[Loss]] = {**LOSSES, **ALIGNMENTS, **AGREEMENTS}
    if name not in losses:
        raise unknown("loss", name, losses)
    known = [option for option in inspect.signature(losses[name]).parameters if option != "options"]
    for option in options:
        if option not in known:
            raise unknown(f"option of loss {name}", option, known)
    loss = losses[name](**options)
    return Term(_weight(match["weight"], text), loss, match["space"], _samples(loss, match["samples"], text))


def _samples(loss: Loss, said: str | None, text: str) -> str:
    """Which samples a term sees; those of a loss that is made for some go unsaid."""
    if isinstance(loss, Alignment) and said:
        raise InputError(f"term {text!r}: {loss.name} compares two domains; leave ' of {said}' out")
    if isinstance(loss, Agreement) and said not in (None, "unlabelled"):
        raise InputError(f"term {text!r}: {loss.name} sees unlabelled images; leave ' of {said}' out")
    return said or "labelled"


def space_of(text: str) -> str:
    """The space that a term stands on, without its reading: `block3` of `"0.1*center@block3:max"`; of no term, ""."""
    match = FORM.fullmatch(text)
    return match["space"].partition(":")[0] if match else ""


def one_line(objective: Sequence[str], alternate: Sequence[str] = ()) -> str:
    """Terms as one line, those of the second step of every batch behind `then`."""
    return ", then ".join(" + ".join(terms) for terms in (objective, alternate) if terms)


def _weight(written: str | None, text: str) -> float:
    try:
        weight = 1.0 if written is None else float(written)
    except ValueError:
        weight = math.nan
    if not (math.isfinite(weight) and weight >= 0):
        raise InputError(f"term {text!r}: the weight must be a number, zero or more, not '{written}'")
    return weight


def _call(written: str, text: str) -> tuple[str, dict[str, Any]]:
    """Name and options of `loss(option=value)`. Values are literals; nothing is evaluated."""
    try:
        node = ast.parse(written.strip(), mode="eval").body
        if isinstance(node, ast.Name):
            return node.id, {}
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.args:
            options = {str(item.arg): ast.literal_eval(item.value) for item in node.keywords}
            if len(options) == len(node.keywords):
                return node.func.id, options
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        pass
    raise InputError(f"term {text!r}: options are written option=value with plain values, like {EXAMPLE}")


class Objective(nn.Module):
    """The sum of terms placed on spaces. Each term is logged under its own name.

    Args:
        terms: texts (`"crossentropy@classifier"`) or terms (`Center() @ "feature"`), at least one.

    Raises:
        InputError: no term, a text that cannot be read, or the same loss twice on the same space.
    """

    def __init__(self, *terms: str | Term) -> None:
        super().__init__()
        if not terms:
            raise InputError(f"an objective needs at least one term, like {EXAMPLE}")
        self.terms = [parse_term(term) if isinstance(term, str) else _placed(term) for term in terms]
        names = [term.name for term in self.terms]
        for name in names:
            if names.count(name) > 1:
                raise InputError(f"'{name}' stands twice in the objective; add the weights instead")
        if len({id(term.loss) for term in self.terms}) < len(self.terms):
            raise InputError("one loss stands on two spaces; give each term a loss of its own, as each keeps its state")
        self.losses = nn.ModuleList(term.loss for term in self.terms)

    def bind(
        self,
        chain: Chain,
        classes: int,
        sizes: Mapping[str, tuple[int, ...]],
        seed: int = 0,
        *,
        domains: int = 1,
        unlabelled: bool = False,
    ) -> None:
        """Checks every space against the chain and makes room for the state of the losses.

        Args:
            chain: the network; an unknown space lists those that it has.
            classes: number of classes.
            sizes: shape of each space for one sample, as from `output_sizes`.
            seed: of state that starts at random.
            domains: of the regime: alignments need two.
            unlabelled: whether the regime has unlabelled samples, which some terms need.
        """
        for term in self.terms:
            if term.unlabelled and not unlabelled:
                raise InputError(
                    f"'{term.name}' needs views of unlabelled images: the regime semi-supervised with mu above 0"
                )
            if domains == 1 and isinstance(term.loss, Alignment):
                raise InputError(f"'{term.name}' compares two domains: give a target, as the regime transfer does")
            chain.check_space(term.space)
            space, _, reading = term.space.partition(":")
            shape = sizes[space]
            check_reading(space, reading, len(shape) + 1)
            pooled = len(shape) == 3 and reading != "flatten"
            term.loss.bind(classes, shape[0] if pooled else math.prod(shape), seed)

    def check_batch(self, size: int) -> None:
        """Raises `InputError` where a loss cannot use batches of `size` samples."""
        for term in self.terms:
            term.loss.check_batch(size)

    @property
    def spaces(self) -> list[str]:
        """The spaces that the objective reads, with their readings (`block3:max`)."""
        return sorted({term.space for term in self.terms})

    def forward(
        self, spaces: Mapping[str, Tensor], labels: Tensor, *, first: bool = False
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum, and each term's unweighted value (detached) by name.

        What a loss reports beside its value comes under both names: `prototype_conformity@feature pushed`.

        Args:
            first: the first term is the sum; the others are computed, and logged, as in evaluation.
        """
        values: dict[str, Tensor] = {}
        reported: dict[str, Tensor] = {}
        for number, term in enumerate(self.terms):
            waiting = first and number > 0
            training = term.loss.training
            term.loss.train(training and not waiting)  # nor do its centres move
            with torch.set_grad_enabled(torch.is_grad_enabled() and not waiting):
                values[term.name] = term.loss(read_space(spaces, term.space), labels)
            term.loss.train(training)
            reported |= {f"{term.name} {name}": value for name, value in term.loss.reported.items()}
        summed = self.terms[:1] if first else self.terms
        total = torch.stack([term.weight * values[term.name] for term in summed]).sum()
        return total, {name: value.detach() for name, value in values.items()} | reported

    @property
    def strong_views(self) -> int:
        """How many strong views of an unlabelled image the terms ask for: 0, 1 or 2."""
        return max(term.loss.views if isinstance(term.loss, Agreement) else int(term.unlabelled) for term in self.terms)

    def over_views(
        self, labelled: Mapping[str, Tensor], labels: Tensor, unlabelled: Unlabelled
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum over labelled and unlabelled samples, and each term's unweighted value (detached) by name.

        Args:
            labelled: spaces by name, of the labelled samples.
            labels: (sample,) of them.
            unlabelled: spaces of both strong views, and what they are taken for.
        """
        values: dict[str, Tensor] = {}
        reported: dict[str, Tensor] = {}
        for term in self.terms:
            values[term.name] = _over_views(term, labelled, labels, unlabelled)
            reported |= {f"{term.name} {name}": value for name, value in term.loss.reported.items()}
        total = torch.stack([term.weight * values[term.name] for term in self.terms]).sum()
        return total, {name: value.detach() for name, value in values.items()} | reported

    @property
    def aligns(self) -> bool:
        """Whether a term compares two domains."""
        return any(isinstance(term.loss, Alignment) for term in self.terms)

    def reseed(self, seed: int) -> None:
        """The draws of the next `across` follow from the seed."""
        for number, term in enumerate(self.terms):
            if isinstance(term.loss, Alignment):
                term.loss.reseed(seed + number)

    def across(
        self, source: Mapping[str, Tensor], target: Mapping[str, Tensor], labels: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum over two domains, and each term's unweighted value (detached) by name.

        An alignment compares the domains; any other loss is of the labelled samples of each, and logged as
        `crossentropy@classifier source` and `crossentropy@classifier target`.

        Args:
            source, target: spaces by name; of the source there may be no sample.
            labels: of the source's samples, and of the target's, -1 for a sample without a label.
        """
        total: list[Tensor] = []
        values: dict[str, Tensor] = {}
        for term in self.terms:
            for name, value in _across(term, source, target, labels).items():
                total.append(term.weight * value)
                values[name] = value.detach()
            values |= {f"{term.name} {name}": value for name, value in term.loss.reported.items()}
        return torch.stack(total).sum(), values

    def names_across(self, *, sources: bool) -> list[str]:
        """Names under which `across` logs the terms.

        Args:
            sources: whether there are samples of the source.
        """
        domains = ("source", "target") if sources else ("target",)
        return [
            name
            for term in self.terms
            for name in ([term.name] if isinstance(term.loss, Alignment) else [f"{term.name} {d}" for d in domains])
        ]

    def texts(self) -> list[str]:
        """The terms as texts that read back as the same terms."""
        return [str(term) for term in self.terms]

    def __str__(self) -> str:
        return one_line(self.texts())


def _across(
    term: Term, source: Mapping[str, Tensor], target: Mapping[str, Tensor], labels: tuple[Tensor, Tensor]
) -> dict[str, Tensor]:
    """What a term is over two domains, by the name under which it is logged."""
    of_source, of_target = labels
    ours = read_space(target, term.space)
    if isinstance(term.loss, Alignment):
        theirs = read_space(source, term.space)
        return {term.name: term.loss.align(Domains(theirs, ours, of_source, of_target, target["probability"].detach()))}
    known = of_target >= 0
    values = {f"{term.name} target": term.loss(ours[known], of_target[known])}
    if len(of_source):
        values = {f"{term.name} source": term.loss(read_space(source, term.space), of_source)} | values
    return values


@dataclass(frozen=True)
class Unlabelled:
    """Unlabelled samples of a step as the terms see them.

    Attributes:
        first, second: spaces by name of the two strong views; both empty where no term asks for them.
        targets: (sample, class) pseudo-labels, without gradient.
        confident: bool (sample,) whether the regime's threshold is reached.
        chosen: bool (sample,) whether losses that are not made for views see the sample.
    """

    first: Mapping[str, Tensor]
    second: Mapping[str, Tensor]
    targets: Tensor
    confident: Tensor
    chosen: Tensor


def _over_views(term: Term, labelled: Mapping[str, Tensor], labels: Tensor, unlabelled: Unlabelled) -> Tensor:
    """What a term is: of the labelled samples, of the views, or of the first view under hard pseudo-labels."""
    if isinstance(term.loss, Agreement):
        first = read_space(unlabelled.first, term.space)
        second = read_space(unlabelled.second, term.space) if term.loss.views == 2 else first
        return term.loss.agree(Views(first, second, unlabelled.targets, unlabelled.confident))
    if not term.unlabelled:
        return term.loss(read_space(labelled, term.space), labels)
    values, chosen = read_space(unlabelled.first, term.space), unlabelled.chosen
    if not chosen.any():
        return values.sum() * 0
    return term.loss(values[chosen], unlabelled.targets[chosen].argmax(dim=1))


def _placed(term: object) -> Term:
    if isinstance(term, Term):
        return term
    if isinstance(term, Loss):
        raise InputError(f"{term.name} is on no space: write {type(term).__name__}() @ 'classifier'")
    raise InputError(f"a term is a text like {EXAMPLE} or a loss @ space, not {type(term).__name__}")
