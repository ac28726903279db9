"""The explorer: one page to look into the spaces of one or more runs."""

from spacewise.explorer.atlas import write_atlas
from spacewise.explorer.page import page_of, write_explorer

__all__ = ["page_of", "write_atlas", "write_explorer"]
