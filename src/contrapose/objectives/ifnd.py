"""IFND: SimCSE, in which texts that a clustering of the corpus finds alike are no negatives of each other.

    eliminate   L_i = -log  exp(c_ii / t) / ( exp(c_ii / t) + sum_{j != i, j not in F(i)} exp(c_ij / t) )
    attract     L_i = - 1 / (1 + |F(i)|)  sum_{p in {i} u F(i)}  log ( exp(c_ip / t) / sum_j exp(c_ij / t) )

    F(i) = texts of row i's cluster, as far as both clusters are believed; more of them are as training goes on

The equation is SimCSE's. The part ``cluster-filter`` (filters/clusters.py) finds F(i), and any method can use it:
``false_negatives`` says whether F(i) is left out (the default) or attracted. With an accepted share of 0 nothing is
believed, and the loss is SimCSE's to the bit.

Chen, Hung, Tseng, Chien, Yang 2022, "Incremental False Negative Detection for Contrastive Learning", ICLR;
https://arxiv.org/abs/2106.03719

A reconstruction: from the abstract and reviews of a method for pictures, whose code could not be obtained.
"""

from __future__ import annotations

from contrapose.contract import Method
from contrapose.objectives.simcse import simcse

METHOD = Method(
    name="ifnd",
    idea="SimCSE without those negatives that lie in the anchor's cluster of the corpus; more of them as it trains.",
    paper="Chen, Hung, Tseng, Chien, Yang 2022, Incremental False Negative Detection for Contrastive Learning (ICLR)",
    reference="https://arxiv.org/abs/2106.03719",
    objective=simcse,
    parts=("cluster-filter",),
    departures=(
        "a reconstruction: the confidence, the growing share and both losses follow the abstract and reviews; "
        "the official code could not be obtained, and nothing was compared with it",
        "sentences in place of pictures; the negatives are the batch's, and a queue's or retrieved ones where their "
        "text is a row's",
        "clusters by spherical k-means on a sample of 100,000 rows at most, 4 sqrt(rows) in the finest of three "
        "clusterings, which must agree; the share grows with the steps, to 0.5",
        "attraction pulls towards texts of the batch; false negatives from elsewhere are left out with it, too",
        "repeats of the anchor's text are struck out of its negatives",
    ),
)
