"""Archives: images without end in, embeddings on disk out, and the search among them."""

from spacewise.archive.stored import Embeddings, open_embeddings

__all__ = ["Embeddings", "open_embeddings"]
