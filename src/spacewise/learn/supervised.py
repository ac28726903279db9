"""The supervised regime: labelled batches, one objective, one readable loop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from spacewise import runs
from spacewise.cache import Decoded, decoded
from spacewise.errors import InputError
from spacewise.learn import state
from spacewise.learn.batches import Batches
from spacewise.learn.embed import fabric, strategy
from spacewise.learn.prepare import check_keep, fits, refuse_or_resume, some
from spacewise.learn.processes import check_shared, launch, share, together
from spacewise.learn.supervised_training import SupervisedTraining
from spacewise.learn.training import Logger
from spacewise.nets.chain import Chain, output_sizes
from spacewise.objective import Objective
from spacewise.regime import Supervised, settings_of
from spacewise.splits import Split

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def supervised(
    net: Chain,
    objective: Objective,
    split: Split,
    *,
    out: str | Path,
    seed: int = 0,
    resume: bool = False,
    logger: Logger | None = None,
    **settings: Any,
) -> runs.Run:
    """Trains a chain and returns its run, with the weights that did best on validation.

    Args:
        net: the chain; trained in place.
        objective: terms on its spaces.
        split: what trains and what validates; without validation samples the last weights are kept.
        out: the run's folder, which must not exist, unless `resume` continues it.
        seed: of batches, shifts and dropout. The network has its weights already.
        logger: called after every epoch.
        settings: see `Supervised`: `epochs=30, batch=64, rate=1e-3, shift=16 …`.

    Raises:
        InputError: an unknown setting or space, a run that exists, bad data, or an objective that is no
            longer finite.
        KeyboardInterrupt: after Ctrl-C or SIGTERM, once the state is saved.
    """
    chosen = settings_of(Supervised, settings)
    check_keep(chosen)
    out = Path(out)
    turns = _turns(net, objective, chosen, split, seed)
    chosen = chosen.model_copy(update={"alternate": turns[1].texts() if len(turns) > 1 else []})
    experiment = runs.describe(net, objective.texts(), split, chosen, seed)
    resume = refuse_or_resume(out, experiment, split, resume)
    images = _images(net, turns, split, chosen)
    under = [terms.spaces for terms in turns] + ([[objective.terms[0].space]] if chosen.pretrain else [])
    lightning = fabric(chosen.precision, strategy=strategy(net, under))
    launch(lightning, out, resume, experiment, [(split, images)])
    batches = make_batches(images, split, chosen, seed, lightning)
    if not resume and lightning.is_global_zero:
        runs.create(out, experiment, split, split.leaks(images.digests))
    if not (out / state.FILE).is_file():
        net.preprocess.fit(some(images, split.train), split.source.amplitude)
    check_shared(lightning, out)
    with (
        together(lightning),
        torch.random.fork_rng(),
    ):  # dropout is seeded step by step: whoever draws next must not notice
        SupervisedTraining(net, turns, split, batches, out, experiment, lightning, logger).run()
    run = runs.Run(out, experiment, net, split)
    run.load("best")
    return run


def check_supervised(
    net: Chain, objective: Objective, split: Split, settings: Supervised, seed: int, lightning: Fabric
) -> None:
    """Raises `InputError` for all that `supervised` would refuse, but for the folder; writes nothing."""
    check_keep(settings)
    images = _images(net, _turns(net, objective, settings, split, seed), split, settings)
    make_batches(images, split, settings, seed, lightning)


def _images(net: Chain, turns: Sequence[Objective], split: Split, settings: Supervised) -> Decoded:
    """The images of the source, which suit the network in batches that suit the losses."""
    for terms in turns:
        terms.check_batch(settings.batch)
    images = decoded(split.source, net.size)
    fits(net, images, split)
    return images


def _turns(net: Chain, objective: Objective, settings: Supervised, split: Split, seed: int) -> list[Objective]:
    """What the steps of a batch minimise, bound to the network: the objective, and the terms of `alternate`."""
    turns = [objective, *([Objective(*settings.alternate)] if settings.alternate else [])]
    names = [term.name for terms in turns for term in terms.terms]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"'{name}' stands in the objective and in alternate; give each step terms of its own")
    sizes = output_sizes(net)
    for terms in turns:
        terms.bind(net, len(split.classes), sizes, seed)
    return turns


def make_batches(images: Decoded, split: Split, settings: Supervised, seed: int, lightning: Fabric) -> Batches:
    """This process's share of the training batches."""
    return Batches(
        images.images,
        split.train,
        batch=settings.batch,
        shift=settings.shift,
        copies=settings.copies,
        seed=seed,
        share=share(lightning),
        per_class=settings.per_class,
        flip=settings.flip,
        crop=settings.crop,
        views=settings.views,
    )
