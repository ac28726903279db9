"""Archives: images without end in, embeddings on disk out, and the search among them."""

from spacewise.archive.embedding import embed_archive
from spacewise.archive.stored import Embeddings, open_embeddings

__all__ = ["Embeddings", "embed_archive", "open_embeddings"]
