"""SparseCSE: some weights of SimCSE do harm; those that contribute least are removed (An et al. 2023).

    L_i = -log softmax_j(c_ij / tau)_ii                               SimCSE's loss, the positive on the diagonal
    A = mean ||u_i - u_i+||^2,  U = log mean exp(-2 ||u_i - u_j||^2)   alignment, uniformity; u of unit length
    score_k = |theta_k dA/dtheta_k| / Z_A + |theta_k dU/dtheta_k| / Z_U   Z: the mean of the term over the matrix
    theta_k = 0 from half of the steps on, for the 2% of each matrix with the lowest scores

The abstract removes weights of *minimal* contribution, not those that point the wrong way: the score's size counts.
The mask is the protocol ``masked``, which ``--with masked`` puts around any other method. ``contrapose sparsify``
scores and masks a model that is trained already.

Reference: An et al. 2023, https://arxiv.org/abs/2311.03881.
"""

from __future__ import annotations

from contrapose.contract import Method
from contrapose.objectives.simcse import simcse

METHOD = Method(
    name="sparse-cse",
    idea="The weights that contribute least to alignment and uniformity are held at zero.",
    paper="An et al. 2023, Sparse Contrastive Learning of Sentence Embeddings",
    reference="https://arxiv.org/abs/2311.03881",
    objective=simcse,
    protocol="masked",
    departures=(
        "a reconstruction: the paper was read in its abstract only, and no code was published; the score is the "
        "first-order Taylor importance, |theta g|",
        "the paper's share of masked weights is not known to us: 2% is our choice, from the range of 1% to 5%",
        "with rewind, the learning rate goes on as scheduled; for a whole training from the pretrained weights under a "
        "mask, give mask_file what contrapose sparsify wrote",
        "repeats of the anchor's text are struck out of its negatives",
    ),
)
