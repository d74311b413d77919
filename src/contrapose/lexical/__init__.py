"""Search by words: BM25, and its sum with the cosines of an encoder."""
