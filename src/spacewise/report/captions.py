"""What one sees in a run's figures: a title, and a sentence computed from the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spacewise.report import gallery, numbers, provenance, reading, retrieval, taught, transferred, verdict
from spacewise.report.numbers import percent

if TYPE_CHECKING:
    from spacewise.audits import Audit

TITLES = {
    "accuracy": "Accuracy by subset",
    "pseudo_labels": "Epoch by epoch",
    "domain_map": "Both domains in the space that they share",
    "domain_distances": "How far each class lies from itself in the other domain",
    "spaces": "What each space knows without the classifier",
    "confusion": "Which class is taken for which",
    "projection": "The two classes most often confused",
    "tsne": "Map of the classifier space",
    "representation": "Where unseen samples come to lie",
    "tsne_chips": "The same map, made of the images themselves",
    "roc": "Rejecting what was never trained on",
    "mistakes": "The most confident mistakes",
    "training": "Training",
}

LAYER_TITLES = {
    "layers": "Every space, on classes of training and of test",
    "train_test": "What fits the training classes, and what carries over",
    "layer_epochs": "The deepest spaces as training goes on",
    "gallery": "Where the spaces disagree",
}
"""Of a run whose test classes were never trained on."""


def caption(audit: Audit, name: str) -> str:
    """One or two sentences below a figure."""
    return {
        "accuracy": _accuracy,
        "pseudo_labels": taught.over_epochs,
        "domain_map": _domain_map,
        "domain_distances": transferred.by_class,
        "spaces": _spaces,
        "confusion": _confusion,
        "projection": _projection,
        "tsne": _tsne,
        "representation": _representation,
        "tsne_chips": _chips,
        "roc": _roc,
        "mistakes": _mistakes,
        "training": _training,
        "layers": _layers,
        "train_test": _train_test,
        "layer_epochs": _layer_epochs,
        "gallery": _gallery,
    }[name](audit)


def _accuracy(audit: Audit) -> str:
    table = reading.accuracy(audit, reading.main_view(audit))
    subsets = table[table["n"] > 0]["accuracy"].drop("overall")
    if subsets.empty:
        return "The test set has no subsets of its own."
    text = f"Lowest of {len(subsets)} subsets: {subsets.idxmin()} with {percent(subsets.min())}; "
    return f"{text}highest: {subsets.idxmax()} with {percent(subsets.max())}. Subsets overlap."


def _domain_map(audit: Audit) -> str:
    return (
        f"{transferred.told_apart(audit)} Where circles and crosses of one colour lie together, what the head learns "
        "of the source holds for the target, too."
    )


def _spaces(audit: Audit) -> str:
    subset = reading.main_subsets(audit)[-1]
    table = audit.table("spaces")
    nearest = table[table["subset"] == subset].set_index("space")["nearest"]
    own = reading.accuracy(audit, reading.STORED).loc[subset, "accuracy"]
    best = nearest.drop("pixels").idxmax()
    return (
        f"Accuracy {'' if subset == 'overall' else f'({subset}) '}of a nearest-neighbour classifier in each space, in "
        f"the order in which an image passes them. Highest in {best}: {percent(nearest[best])}; the network itself "
        f"decides right in {percent(own)}, raw pixels in {percent(nearest['pixels'])}."
    )


def _confusion(audit: Audit) -> str:
    table = reading.counts(audit)
    values = table.to_numpy().copy()
    np.fill_diagonal(values, 0)
    if not values.any():
        return "No test image is misclassified."
    row, column = np.unravel_index(values.argmax(), values.shape)
    total = int(table.iloc[row].sum())
    return (
        f"Blue: right; orange: wrong. Most often {table.index[row]} is taken for {table.columns[column]}: "
        f"{values[row, column]} of {numbers.count(total)} images."
    )


def _projection(audit: Audit) -> str:
    first, second = reading.most_confused(audit)
    return (
        f"{first} and {second}, seen along their own axes of the classifier space. Well separated classes lie in two "
        "corners, far from the line; where test dots stray from their training crosses, training does not carry over."
    )


def _tsne(audit: Audit) -> str:
    samples = reading.test_samples(audit)
    wrong = int((~samples["correct"]).sum())
    return (
        f"Each point is an image, coloured by its true class. Rings: the {numbers.count(wrong)} misclassified of "
        f"{numbers.count(len(samples))} test images. Tight, separate clusters are easy to classify; rings inside a "
        "foreign cluster are confident mistakes."
    )


def _representation(audit: Audit) -> str:
    table = audit.table("spaces")
    rows = table[(table["space"] == "classifier") & table["subset"].isin(["seen", "unseen"])].set_index("subset")
    seen = f", of seen ones {percent(rows.loc['seen', 'own_side'])}" if rows.loc["seen", "n"] else ""
    return (
        "Classes with unseen test samples, in the same map; all other classes in grey. Unseen samples (orange, blue …) "
        "should lie among the green training crosses. In the classifier space itself, "
        f"{percent(rows.loc['unseen', 'own_side'])} of unseen images are nearest to their own class's training mean"
        f"{seen}."
    )


def _chips(_: Audit) -> str:
    return (
        "Neighbouring images are what the network holds to be alike: look for clusters that follow orientation, "
        "position or background where they should follow the class."
    )


def _roc(audit: Audit) -> str:
    sentence = verdict.rejected(audit)
    return f"{sentence} Up and to the left is better; the diagonal would be chance."


def _mistakes(audit: Audit) -> str:
    samples = reading.test_samples(audit)
    wrong = samples[~samples["correct"]]
    sure = int((wrong["confidence"] > 0.9).sum())
    start = f"Of {numbers.count(len(wrong))} misclassified test images, "
    if wrong.empty:
        return "No test image is misclassified."
    if sure == 0:
        return f"{start}none has a posterior above 90 %: a threshold there would turn them all away."
    have = "has" if sure == 1 else "have"
    return f"{start}{numbers.count(sure)} {have} a posterior above 90 %: a threshold there would let them pass."


def _training(audit: Audit) -> str:
    training = audit.facts["training"]
    took = f", {numbers.duration(training['seconds'])}" if "seconds" in training else ""
    log, first = audit.table("log"), provenance.pretraining(audit)
    after = f", after a pretraining of {first}" if first else ""
    text, weights = f"{len(log)} epochs{took}{after}.", audit.facts["weights"]
    held = not {"test_accuracy", "validation_accuracy"}.isdisjoint(log)
    if weights not in ("best", "last") or (weights == "last" and held):
        return f"{text} Audited are the {weights} weights."
    if "test_accuracy" in log:
        return f"{text} The weights of epoch {training['best_epoch']} were chosen by their accuracy on the test set."
    if "validation_accuracy" not in log or not training.get("best_epoch"):
        return f"{text} Nothing was held out to choose by: the last weights were kept."
    return f"{text} The weights of epoch {training['best_epoch']} were chosen by their accuracy on validation samples."


def _layers(audit: Audit) -> str:
    tested, trained = (retrieval.chosen(audit, part)[retrieval.FIRST] for part in ("test", "train"))
    names = retrieval.spaces(audit)
    best, fitted = retrieval.best(audit), str(trained[names].idxmax())
    text = f"Highest on test classes: {best} with {percent(tested[best])}; on training classes: {fitted} with "
    return f"{text}{percent(trained[fitted])}. Spaces stand in the order in which an image passes them."


def _train_test(audit: Audit) -> str:
    tested, trained = (retrieval.chosen(audit, part)[retrieval.FIRST] for part in ("test", "train"))
    lost = 100 * (trained - tested)[retrieval.spaces(audit)]
    return (
        "On the diagonal nothing is lost from training to test classes; the farther below it, the more a space is made "
        f"to the training classes. {lost.idxmax()} loses most: {numbers.number(float(lost.max()))} points. Where the "
        "line turns down while it still goes right, fitting better means generalising worse."
    )


def _layer_epochs(audit: Audit) -> str:
    table = 100 * retrieval.over_epochs(audit, "test")
    under = retrieval.under(audit)
    if under not in table:
        return "Left: how well training classes are told apart. Right: classes of test."
    top, last = table[under].idxmax(), table[under].iloc[-1]
    if top == table.index[-1]:
        return f"On test classes {under}, {retrieval.under_words(audit)}, stands highest after the last epoch."
    return (
        f"On test classes {under}, {retrieval.under_words(audit)}, stands highest after epoch {top} with "
        f"{numbers.number(float(table.loc[top, under]))} %, and at {numbers.number(float(last))} % after epoch "
        f"{table.index[-1]}."
    )


def _gallery(audit: Audit) -> str:
    first, last = gallery.compared(audit)
    samples = reading.test_samples(audit)
    ways = [numbers.count(len(rows)) for rows in gallery.differing(samples, first, last)]
    asked = int((samples[f"first_hit@{first}"] >= 0).sum())
    return (
        f"Of {numbers.count(asked)} test images, {ways[0]} have a nearest neighbour of their class in {first} "
        f"only, and {ways[1]} in {last} only."
    )
