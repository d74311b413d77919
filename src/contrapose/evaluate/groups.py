"""The groups of tasks by name; a module without imports, so that help can name them."""

#: Group -> what it measures.
GROUPS = {
    "sts": "cosine against human scores: STS12-16, STS-B, SICK-R",
    "transfer": "a linear classifier on frozen vectors: MR, CR, SUBJ, MPQA, SST2, TREC, MRPC",
    "crosslingual": "STS across languages",
    "retrieval": "ranking documents for queries: nDCG@10, MRR@10, recall@100",
    "pairs": "scored pairs (Spearman), or duplicates (average precision)",
    "clustering": "k-means against the classes of texts: v-measure",
    "geometry": "how the vectors lie: alignment, uniformity, ...",
}
