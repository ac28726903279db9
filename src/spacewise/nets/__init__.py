"""Networks that return their spaces by name. `NETS` is the table that an experiment reads."""

from collections.abc import Callable

from spacewise.nets.aconvnet import aconvnet
from spacewise.nets.caffenet import caffenet
from spacewise.nets.chain import Chain, output_sizes, parameter_count, read_space, wrap
from spacewise.nets.ding import ding
from spacewise.nets.embedding import netA, netB, netC, netD, netE, netF
from spacewise.nets.spp import spp
from spacewise.nets.vgg import vgg16

NETS: dict[str, Callable[..., Chain]] = {
    "aconvnet": aconvnet,
    "spp": spp,
    "ding": ding,
    "caffenet": caffenet,
    "vgg16": vgg16,
    "netA": netA,
    "netB": netB,
    "netC": netC,
    "netD": netD,
    "netE": netE,
    "netF": netF,
}

__all__ = [
    "NETS",
    "Chain",
    "aconvnet",
    "caffenet",
    "ding",
    "netA",
    "netB",
    "netC",
    "netD",
    "netE",
    "netF",
    "output_sizes",
    "parameter_count",
    "read_space",
    "spp",
    "vgg16",
    "wrap",
]
