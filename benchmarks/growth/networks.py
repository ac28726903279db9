"""What explains a network, and what prepares the views that it sees."""

from __future__ import annotations

from typing import Any

from benchmarks import explanation, views
from benchmarks.growth.operation import LIMIT, OURS, Call, Operation

NOTHING = float("nan")


def pictures(size: int) -> tuple[Any, Any, Any]:
    """A ResNet-18 with the stem for small images, images of smooth colours, and classes."""
    import torch

    from spacewise.nets import NETS

    torch.manual_seed(0)
    chain = NETS["resnet18"](classes=explanation.CLASSES, bands=3, size=explanation.SIDE, stem="small").eval()
    pixels = torch.randint(0, 255, (size, 3, 8, 8), dtype=torch.uint8).repeat_interleave(8, 2).repeat_interleave(8, 3)
    chain.preprocess.fit(pixels[:32], "intensity")
    return chain, pixels, torch.arange(size) % explanation.CLASSES


def explained(variant: str) -> Any:
    return lambda data: lambda: float(explanation.attributed(data[0], data[1], variant).mean())


def enlarged(maps: Any) -> float:
    import torch

    side = (explanation.SIDE, explanation.SIDE)
    return float(torch.nn.functional.interpolate(maps[:, None], side, mode="bilinear").mean())


def torchcam(data: tuple[Any, Any, Any]) -> Call:
    from torchcam.methods import GradCAM

    chain, pixels, classes = data
    model = explanation.Logits(chain)
    extractor = GradCAM(model, target_layer="chain.layer4")

    def call() -> float:
        return enlarged(extractor(classes.tolist(), model(pixels.float()), normalized=False)[0])

    return call


def pytorch_grad_cam(data: tuple[Any, Any, Any]) -> Call:
    """Its maps are scaled to 0 to 1: time and memory only."""
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    chain, pixels, classes = data
    extractor = GradCAM(explanation.Logits(chain), target_layers=[chain.layer4])
    targets = [ClassifierOutputTarget(each) for each in classes.tolist()]
    return lambda: float(extractor(input_tensor=pixels.float(), targets=targets).mean())


def forward(data: tuple[Any, Any, Any]) -> Call:
    import torch

    chain, ready = data[0].to(memory_format=torch.channels_last), data[0].preprocess(data[1])

    def call() -> float:
        with torch.inference_mode():
            chain.represent(ready)
        return NOTHING

    return call


def steps_of_views(side: str) -> Any:
    def ready(steps: int) -> Call:
        import numpy as np

        batches = getattr(views, side)(views.pictures(np.random.default_rng(0), views.STORED))

        def call() -> float:
            for make in [make for _ in range(steps) for make in batches.values()]:
                make()
            return NOTHING

        return call

    return ready


def gathered(steps: int) -> Call:
    """Pixels picked, made float and normalised, and nothing done to them."""
    import numpy as np
    import torch

    from spacewise.nets.preprocess import Preprocess

    arrays = torch.from_numpy(views.pictures(np.random.default_rng(0), views.STORED)).permute(0, 3, 1, 2)
    images, preprocess = arrays[:, :, 2:-2, 2:-2].contiguous(), Preprocess(3)

    def call() -> float:
        for _ in range(steps):
            for number in views.VIEWS.values():
                preprocess(images.index_select(0, torch.randperm(len(images))[:number]))
        return NOTHING

    return call


OPERATIONS = {
    "gradcam": Operation(
        title="Grad-CAM",
        words="One batch of 64 x 64 pixels through a ResNet-18 with the stem for small images, at its last feature "
        "maps, enlarged to the image.",
        unit="images",
        smallest=16,
        make=pictures,
        contenders={
            OURS: explained("spacewise"),
            "captum": explained("captum"),
            "torchcam": torchcam,
            "pytorch-grad-cam": pytorch_grad_cam,
            LIMIT: forward,
        },
        limit="the network forward, once",
        agree=(OURS, "captum", "torchcam"),
        tolerance=1e-3,
        needs={"torchcam": "torchcam", "pytorch-grad-cam": "pytorch_grad_cam"},
    ),
    "views": Operation(
        title="Views of a semi-supervised step",
        words="Weak and two strong views, 60 x 60 RGB, as in views.py; Pillow image by image in a DataLoader. One "
        "thread on every side.",
        unit="steps of 704 views",
        smallest=2,
        make=lambda size: size,
        contenders={OURS: steps_of_views("spacewise"), "Pillow": steps_of_views("pillow"), LIMIT: gathered},
        limit="pixels gathered, made float and normalised, and nothing done to them",
        threads=1,
    ),
}
