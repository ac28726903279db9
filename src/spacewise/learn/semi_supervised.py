"""The semi-supervised regime: a few labelled images, and many whose labels the network has to guess."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from spacewise import runs
from spacewise.augment import check_augmentation
from spacewise.cache import Decoded, decoded, readable, skipped
from spacewise.errors import InputError
from spacewise.learn import state
from spacewise.learn.batches import mixed
from spacewise.learn.embed import fabric, strategy
from spacewise.learn.prepare import check_keep, fits, refuse_or_resume, seen_images, some, training_images
from spacewise.learn.processes import check_shared, launch, share, together
from spacewise.learn.pseudo_labels import EMBEDDING
from spacewise.learn.semi_supervised_training import GIVEN, Pair, SemiSupervisedTraining
from spacewise.learn.streams import Stream, View
from spacewise.learn.training import Logger
from spacewise.losses import Agreement
from spacewise.nets.chain import Chain, output_sizes
from spacewise.objective import Objective
from spacewise.regime import SemiSupervised, settings_of
from spacewise.splits import Part, Split

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def semi_supervised(
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
    """Trains a chain on few labelled and many unlabelled images and returns its run.

    Args:
        net: the chain; trained in place. A memory needs its space `embedding`.
        objective: terms of labelled images, of unlabelled ones, and between views.
        split: its training part has labels, of every class; its unlabelled part has none: of those, images that cannot
            be read are skipped, and named in the run's record. Images of both parts are seen without their labels.
        out: the run's folder, which must not exist, unless `resume` continues it.
        seed: of batches, views and dropout. The network has its weights already.
        logger: called after every epoch.
        settings: see `SemiSupervised`: `epochs=10, steps=100, batch=32, mu=7 …`.

    Raises:
        InputError: an unknown setting or space; a class without a label; more unlabelled images a step than there
            are; an objective that asks for unlabelled images where mu is 0, or for none where it is not; an
            augmentation that does not fit the images; a run that exists; an objective that is no longer finite.
        KeyboardInterrupt: after Ctrl-C or SIGTERM, once the state is saved.
    """
    chosen = settings_of(SemiSupervised, settings)
    check_keep(chosen)
    out = Path(out)
    check(net, objective, chosen, split, seed)
    experiment = runs.describe(net, objective.texts(), split, chosen, seed)
    resume = refuse_or_resume(out, experiment, split, resume)
    images = decoded(split.source, net.size)
    usable = replace(split, unlabelled=apart(split, readable(split.unlabelled, images), images))
    check_images(chosen, usable)
    fits(net, images, split)
    check_augmentation(chosen.augmentation, images.images)
    if not chosen.normalise and (images.images.dtype != torch.uint8 or split.source.amplitude != "intensity"):
        raise InputError("normalise=False hands one view over as pixels from 0 to 1: it needs pictures of 8 bits")
    lightning = fabric(chosen.precision, strategy=strategy(net, [objective.spaces]))
    launch(lightning, out, resume, experiment, [(split, images)])
    batches = streams(images, usable, chosen, seed, lightning)
    if not resume and lightning.is_global_zero:
        unused = len(split.unlabelled) - len(usable.unlabelled)
        runs.create(
            out,
            experiment,
            split,
            usable.leaks(images.digests),
            skipped=passed_over(split, unused, images),
            unused=unused,
        )
    if not (out / state.FILE).is_file():
        net.preprocess.fit(some(images, seen_images(chosen, usable)), split.source.amplitude)
    check_shared(lightning, out)
    with (
        together(lightning),
        torch.random.fork_rng(),
    ):  # dropout is seeded step by step: whoever draws next must not notice
        SemiSupervisedTraining(net, objective, usable, batches, out, experiment, lightning, logger).run()
    run = runs.Run(out, experiment, net, split)
    run.load("best")
    return run


def apart(split: Split, unlabelled: Part, images: Decoded) -> Part:
    """Unlabelled images less copies of test and validation images, unless the split is transductive."""
    if split.transductive:
        return unlabelled
    held = np.concatenate([split.test.rows, split.validation.rows])
    new = ~np.isin(images.digests[unlabelled.rows], images.digests[held])
    return replace(unlabelled, rows=unlabelled.rows[new])


def passed_over(split: Split, unused: int, images: Decoded) -> str:
    """Which unlabelled images are not used, in one line; "" where all are."""
    same = unused - int(np.isin(split.unlabelled.rows, list(images.unreadable)).sum())
    one, more = "image is the same as a test or validation image", "images are the same as test or validation images"
    copies = f"{same:,} unlabelled {one} and is skipped" if same == 1 else f"{same:,} unlabelled {more} and are skipped"
    return "; ".join(filter(None, [skipped(split.source, images), copies if same else ""]))


def check(net: Chain, objective: Objective, settings: SemiSupervised, split: Split, seed: int) -> None:
    """Binds the objective; raises `InputError` for what does not go together."""
    sizes = output_sizes(net)
    if "classifier" not in sizes:
        raise InputError("the semi-supervised regime guesses classes: the network needs a space 'classifier'")
    if settings.mu and settings.memory and len(sizes.get(EMBEDDING, ())) != 1:
        raise InputError(
            f"memory={settings.memory} remembers vectors of the space '{EMBEDDING}', which the network does not have: "
            "take the net projected, or memory=0"
        )
    objective.bind(net, len(split.classes), sizes, seed, unlabelled=settings.mu > 0)
    check_batches(objective, settings)
    if settings.mu and not any(term.unlabelled for term in objective.terms):
        raise InputError(f"mu={settings.mu} takes unlabelled images, and no term looks at them: add one, or take mu=0")
    if all(term.unlabelled for term in objective.terms):
        raise InputError("no term looks at the labelled images: add crossentropy@classifier")
    check_images(settings, split)


def check_batches(objective: Objective, settings: SemiSupervised) -> None:
    """Raises `InputError` for settings that nothing uses, and for losses that cannot take their batches."""
    if settings.shift:
        raise InputError(f"shift={settings.shift}: the views are those of the augmentation; leave it out")
    if not settings.normalise and objective.strong_views < 2:
        raise InputError("normalise=False is of the second strong view, and no term looks at it")
    hard = [term for term in objective.terms if term.unlabelled and not isinstance(term.loss, Agreement)]
    if settings.confidence and not hard:
        raise InputError(f"confidence={settings.confidence:g} is for terms 'of unlabelled', and there is none")
    if settings.statistics == "copied" and not settings.average:
        raise InputError("statistics=copied is of the averaged network, and average=0 keeps none")
    for term in objective.terms:
        if isinstance(term.loss, Agreement):
            continue
        size = settings.mu * settings.batch if term.unlabelled else settings.batch
        term.loss.check_batch(size)
        if term.unlabelled and settings.confidence:
            term.loss.check_batch(size - 1)  # it sees as many as are confident, odd numbers among them


def check_images(settings: SemiSupervised, split: Split) -> None:
    """Raises `InputError` for a class without a label, and for more unlabelled images a step than there are."""
    missing = sorted(set(split.classes) - set(split.train.facts["label"]))
    if missing:
        more = f" (nor have {len(missing) - 1} more classes)" if len(missing) > 1 else ""
        raise InputError(f"class '{missing[0]}' has no labelled image{more}: give every class one, as labels=4/class")
    if settings.mu and len(split.unlabelled) == 0:
        raise InputError(f"mu={settings.mu} takes unlabelled images, and there are none: lower labels, or take mu=0")
    if split.transductive and not settings.mu:
        raise InputError(
            "the split is transductive, and mu=0 takes no image without its label: take transductive=False"
        )
    if settings.patience and not len(getattr(split, settings.choose)):
        raise InputError(f"patience={settings.patience} waits for a better {settings.choose} figure: hold images out")
    taken, there = settings.mu * settings.batch, len(training_images(split))
    if taken > there:
        fits_in = there // settings.batch
        advice = f"mu={fits_in} or less" if fits_in else f"a batch of {max(there // settings.mu, 1)} or less"
        raise InputError(
            f"mu={settings.mu} with batch={settings.batch} takes {taken} images without their labels a step, and there "
            f"are {there}: take {advice}"
        )


def streams(images: Decoded, split: Split, settings: SemiSupervised, seed: int, lightning: Fabric) -> Pair:
    """This process's share of both streams, of images as they are stored.

    As in FixMatch and CoMatch, the labelled images are among those that are taken without their labels.
    """

    def stream(name: str, part: Part, labels: np.ndarray, batch: int, number: int) -> Stream:
        rows, known, random = torch.from_numpy(part.rows), torch.tensor(labels), mixed(seed, number)
        return Stream(name, images.images, rows, known, batch=batch, view=View(), seed=random, share=share(lightning))

    labelled = stream("labelled images", split.train, split.train.labels, settings.batch, 0)
    if not settings.mu:
        return Pair(labelled, None, settings.steps)
    every = training_images(split)
    hidden = np.where(np.isin(every.rows, split.train.rows), GIVEN, every.labels)
    size = settings.mu * settings.batch
    return Pair(labelled, stream("unlabelled images", every, hidden, size, 1), settings.steps)
