"""The real parts of retrieval: documents, chunks, embeddings, an index of them, rerankers."""
