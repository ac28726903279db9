"""Networks that return their spaces by name. `NETS` is the table that an experiment reads."""

from collections.abc import Callable

from spacewise.nets.aconvnet import aconvnet
from spacewise.nets.branch import branch
from spacewise.nets.caffenet import caffenet
from spacewise.nets.chain import Chain, output_sizes, parameter_count, read_space, wrap
from spacewise.nets.ding import ding
from spacewise.nets.embedding import netA, netB, netC, netD, netE, netF
from spacewise.nets.projected import projected
from spacewise.nets.resnet import resnet18, resnet20, resnet50, resnet56
from spacewise.nets.spp import spp
from spacewise.nets.vgg import vgg16
from spacewise.nets.vision import densenet121, mobilenet_v2
from spacewise.nets.wideresnet import wrn28_2, wrn28_10
from spacewise.nets.y_shaped import y_shaped

NETS: dict[str, Callable[..., Chain]] = {
    "aconvnet": aconvnet,
    "spp": spp,
    "ding": ding,
    "caffenet": caffenet,
    "vgg16": vgg16,
    "resnet18": resnet18,
    "resnet20": resnet20,
    "resnet50": resnet50,
    "resnet56": resnet56,
    "wrn28-2": wrn28_2,
    "wrn28-10": wrn28_10,
    "densenet121": densenet121,
    "mobilenet-v2": mobilenet_v2,
    "netA": netA,
    "netB": netB,
    "netC": netC,
    "netD": netD,
    "netE": netE,
    "netF": netF,
    "branch": branch,
    "y-shaped": y_shaped,
    "projected": projected,
}

__all__ = [
    "NETS",
    "Chain",
    "aconvnet",
    "branch",
    "caffenet",
    "densenet121",
    "ding",
    "mobilenet_v2",
    "netA",
    "netB",
    "netC",
    "netD",
    "netE",
    "netF",
    "output_sizes",
    "parameter_count",
    "projected",
    "read_space",
    "resnet18",
    "resnet20",
    "resnet50",
    "resnet56",
    "spp",
    "vgg16",
    "wrap",
    "wrn28_2",
    "wrn28_10",
    "y_shaped",
]
