"""The transfer regime: from a domain with many labels to one with few, by a network of two branches."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from spacewise import runs
from spacewise.cache import Decoded, decoded, readable, skipped
from spacewise.errors import InputError, unknown
from spacewise.learn import state
from spacewise.learn.batches import mixed
from spacewise.learn.embed import fabric
from spacewise.learn.prepare import check_keep, fits, refuse_or_resume, some, training_images
from spacewise.learn.pretraining import check_pretraining, pretrain
from spacewise.learn.processes import check_shared, launch, share, together
from spacewise.learn.streams import Stream, Streams, View
from spacewise.learn.training import Logger
from spacewise.learn.transfer_training import TransferTraining
from spacewise.nets.chain import output_sizes, read_space
from spacewise.nets.y_shaped import YShaped, start_target_from_source
from spacewise.objective import Objective
from spacewise.regime import Transfer, settings_of
from spacewise.splits import Part, Split, leaks_across, restricted

if TYPE_CHECKING:
    from lightning_fabric import Fabric

# spaces whose gradients come to a part that both branches share
ABOVE = {"embedding": {"embedding", "classifier", "probability"}, "head": {"classifier", "probability"}}


def transfer(
    net: YShaped,
    objective: Objective,
    source: Split,
    target: Split,
    *,
    out: str | Path,
    seed: int = 0,
    resume: bool = False,
    pretrained: Path | None = None,
    logger: Logger | None = None,
    **settings: Any,
) -> runs.Run:
    """Trains a Y-shaped network across two domains and returns its run, which is the target's.

    Args:
        net: two branches; trained in place.
        objective: terms on its spaces, of the labelled samples of both domains.
        source: the domain with labels; its training part is learnt from.
        target: the domain with few: its training part has labels, its unlabelled part has none. Its classes are
            among the source's.
        out: the run's folder, which must not exist, unless `resume` continues it. The pretraining is a run of its
            own in `out/source`.
        seed: of streams, projections and dropout. The network has its weights already.
        pretrained: a finished run that is the very pretraining which `settings` ask for, so that several transfers
            share it.
        logger: called after every epoch.
        settings: see `Transfer`: `epochs=10, steps=100, alternate=["sliced_wasserstein@embedding"] …`.

    Raises:
        InputError: an unknown setting, space or part; classes of the target that the source does not have; a class
            without a label that nothing teaches; bands that do not fit a branch; a stream without samples; a run
            that exists; a pretraining other than asked for; an objective that is no longer finite.
        KeyboardInterrupt: after Ctrl-C or SIGTERM, once the state is saved.
    """
    chosen = settings_of(Transfer, settings)
    check_keep(chosen)
    out = Path(out)
    target = restricted(target, source.classes)
    objectives = _objectives(net, objective, chosen, target, seed)
    chosen = chosen.model_copy(update={"alternate": objectives[1].texts() if len(objectives) > 1 else []})
    _check(chosen, objectives, source, target)
    experiment = runs.describe(net, objective.texts(), target, chosen, seed, origin=source)
    chosen = cast(Transfer, experiment.regime)  # its terms in the one way to write them
    resume = refuse_or_resume(out, experiment, target, resume, origin=source)
    images = {"source": decoded(source.source, net.branch("source").size), "target": decoded(target.source, net.size)}
    fits(net.branch("source"), images["source"], source, option="source_bands")
    fits(net, images["target"], target)
    usable = replace(target, unlabelled=readable(target.unlabelled, images["target"]))
    lightning = fabric(chosen.precision, strategy=_strategy())
    launch(lightning, out, resume, experiment, [(source, images["source"]), (target, images["target"])])
    streams = _streams(images, source, usable, chosen, objectives, seed, lightning)
    begun = (out / state.FILE).is_file()
    if not begun:
        check_pretraining(net.branch("source"), chosen.pretraining, source, pretrained, seed, lightning)
    if not resume and lightning.is_global_zero:
        leaks = [f"of the source, {leak}" for leak in source.leaks(images["source"].digests)]
        across = leaks_across(source, target, (images["source"].digests, images["target"].digests))
        leaks = [*target.leaks(images["target"].digests), *leaks, *across]
        named, unused = skipped(target.source, images["target"]), len(target.unlabelled) - len(usable.unlabelled)
        runs.create(out, experiment, target, leaks, origin=source, skipped=named, unused=unused)
    check_shared(lightning, out)
    if not begun:
        _begin(net, chosen, source, usable, images, out, seed, pretrained, logger)
    with (
        together(lightning),
        torch.random.fork_rng(),
    ):  # dropout is seeded step by step: whoever draws next must not notice
        TransferTraining(net, objectives, usable, streams, out, experiment, lightning, logger).run()
    net.requires_grad_(True)  # what was frozen is so no longer
    run = runs.Run(out, experiment, net, target, origin=source)
    run.load("best")
    return run


def _objectives(net: YShaped, objective: Objective, settings: Transfer, target: Split, seed: int) -> list[Objective]:
    """What the steps of a batch minimise, bound to both branches."""
    objectives = [objective, *([Objective(*settings.alternate)] if settings.alternate else [])]
    names = [term.name for each in objectives for term in each.terms]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"'{name}' stands in the objective and in alternate; give each step terms of its own")
    for each in objectives:
        each.bind(net, len(target.classes), output_sizes(net), seed, domains=2)
        for size in {settings.target_batch, settings.batch} - {0}:
            each.check_batch(size)
    _check_dimensions(net, objectives)
    return objectives


def _check_dimensions(net: YShaped, objectives: list[Objective]) -> None:
    """Raises `InputError` where a term's space is of other dimension in the two branches, or missing in one."""
    found = {}
    for name in ("source", "target"):
        branch = net.branch(name)
        training = branch.training
        with torch.no_grad():
            found[name] = branch.eval()(torch.zeros(1, branch.bands, branch.size, branch.size))
        branch.train(training)
    for space in sorted({space for each in objectives for space in each.spaces}):
        if space.partition(":")[0] not in found["source"]:
            raise unknown("space of the source's branch", space.partition(":")[0], found["source"])
        one, other = (read_space(found[name], space).shape[1] for name in ("source", "target"))
        if one != other:
            raise InputError(
                f"space '{space}' has {one} dimensions in the source's branch and {other} in the target's; "
                "place the term on a space that both share, such as embedding"
            )


def _check(settings: Transfer, objectives: list[Objective], source: Split, target: Split) -> None:
    """Raises `InputError` for parts that are never reached, and classes that nothing teaches."""
    aligns = any(each.aligns for each in objectives)
    if aligns and not settings.batch:
        raise InputError("an alignment compares the target with the source, and batch=0 takes no source samples")
    if {*settings.freeze} == {"source", "target", "embedding", "head"}:
        raise InputError("freeze holds every part of the network: nothing is left to train")
    _check_moved(settings, objectives)
    if settings.batch or settings.pretraining:
        return
    if len(target.train) == 0:
        raise InputError("the target has no labelled training sample, and there is no source to learn from")
    missing = runs.untaught(target)
    if missing:
        raise InputError(
            f"the target's labels hold no '{missing[0]}'{_and_more(missing)}, and there is no source to learn it from: "
            f"take {len(target.classes)} labels or more, a pretraining, or a source (batch above 0)"
        )


def _check_moved(settings: Transfer, objectives: list[Objective]) -> None:
    """Raises `InputError` for a step of which no gradient comes to a part that it may move."""
    if settings.freeze_alternate and len(objectives) == 1:
        raise InputError("freeze_alternate holds parts in a second step, and alternate names no term for one")
    held = ({*settings.freeze}, {*settings.freeze, *settings.freeze_alternate})
    for which, objective, still in zip(("first", "second"), objectives, held):
        reached = {"target", *(["source"] if settings.batch else [])}
        reached |= {part for part, spaces in ABOVE.items() if spaces & {*objective.spaces}}
        if reached <= still:
            names = ", ".join(objective.spaces)
            raise InputError(f"the {which} step of a batch moves nothing: all that leads to {names} is frozen")


def _and_more(names: list[str]) -> str:
    return f" (nor {len(names) - 1} more of its classes)" if len(names) > 1 else ""


def _strategy() -> str:
    """Some parameters wait in every step: the other branch's, the head's under an alignment of the embedding."""
    return "ddp_find_unused_parameters_true" if "LOCAL_WORLD_SIZE" in os.environ else "auto"


def _streams(
    images: dict[str, Decoded],
    source: Split,
    target: Split,
    settings: Transfer,
    objectives: list[Objective],
    seed: int,
    lightning: Fabric,
) -> Streams:
    """This process's share of the three streams."""
    view = View(settings.shift, settings.flip, settings.crop)

    def stream(name: str, domain: str, part: Part, batch: int, number: int, *, labelled: bool = True) -> Stream:
        labels = torch.tensor(part.labels) if labelled else torch.full((len(part),), -1)
        rows = torch.from_numpy(part.rows)
        its = images[domain].images
        return Stream(name, its, rows, labels, batch=batch, view=view, seed=mixed(seed, number), share=share(lightning))

    everything = training_images(target)
    labelled = stream("labelled target samples", "target", target.train, settings.target_batch, 1)
    first = stream("labelled source samples", "source", source.train, settings.batch, 0) if settings.batch else None
    aligned = any(each.aligns for each in objectives)
    size = settings.unlabelled_batch
    rest = stream("unlabelled target samples", "target", everything, size, 2, labelled=False) if aligned else None
    return Streams(first, labelled, rest, settings.steps)


def _begin(
    net: YShaped,
    settings: Transfer,
    source: Split,
    target: Split,
    images: dict[str, Decoded],
    out: Path,
    seed: int,
    pretrained: Path | None,
    logger: Logger | None,
) -> None:
    """The network as the first step finds it: each branch's preprocessing, the pretraining, the target's encoder."""
    branch = net.branch("source")
    if settings.pretraining is None:
        branch.preprocess.fit(some(images["source"], source.train), source.source.amplitude)
    else:
        pretrain(branch, settings.pretraining, source, pretrained, out / "source", seed, logger)
        start_target_from_source(net)
    net.preprocess.fit(some(images["target"], training_images(target)), target.source.amplitude)
