"""Mixtures of two unit vectors, from tables of products: no mixture is built.

    m = s u_x + (1 - s) u_y
    cos(a, m) = (s c_x + (1 - s) c_y) / |m|        c_x = a . u_x,  c_y = a . u_y
    |m|^2     = s^2 |u_x|^2 + (1 - s)^2 |u_y|^2 + 2 s (1 - s) g        g = u_x . u_y

So a mixture costs three numbers that are looked up, and S mixtures of each of B rows cost O(B S) and not O(B S D).
"""

from __future__ import annotations

import torch
from torch import Tensor

from contrapose.maths.similarity import SMALLEST_NORM, take_rows

#: A mixture shorter than this has no direction: its parents point opposite ways. Its cosine is then 0.
SMALLEST_SQUARED_NORM = 1e-12
#: A number of the pool's product with itself takes about as long as so many gathered ones, forward and backward.
GATHERED_PER_PRODUCT = 10


def looked_up(table_BN: Tensor, cells_BT: Tensor) -> Tensor:
    """(B, T): from each row of a table the entries of these numbers, any of them several times.

    Their gradients add up in the same order in every run: on a processor a gather's backward pass goes through a row
    one by one, on another device :func:`take_rows` sorts them first.

    >>> looked_up(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[1, 1, 0], [0, 0, 0]]))
    tensor([[2., 2., 1.],
            [3., 3., 3.]])
    """
    if table_BN.device.type == "cpu":
        return table_BN.gather(1, cells_BT)
    row_B1 = torch.arange(len(table_BN), device=cells_BT.device)[:, None]
    return take_rows(table_BN.reshape(-1, 1), row_B1 * table_BN.shape[1] + cells_BT).squeeze(-1)


def products_of_pairs(pool_PD: Tensor, chosen_BK: Tensor, member_B2S: Tensor) -> Tensor:
    """(B, S): the product of each pair of a row's parents, which are the vectors ``chosen_BK`` of the pool.

    member_B2S: which two of the row's parents a pair is of, all firsts and then all seconds.

    One product of the pool with itself is P^2 numbers, the rows' own parents gathered are B K D: what takes less time
    is done. For a batch of a few hundred rows it is the first, for a large one or a long queue the second.

    >>> products_of_pairs(torch.tensor([[1.0, 0.0], [0.6, 0.8]]), torch.tensor([[1, 0]]), torch.tensor([[0, 1]]))
    tensor([[0.6000]])
    """
    (size, width), (rows, k) = pool_PD.shape, chosen_BK.shape
    if GATHERED_PER_PRODUCT * size * size <= rows * k * width:
        first_BS, second_BS = chosen_BK.gather(1, member_B2S).chunk(2, dim=1)
        cells_1N = (first_BS * size + second_BS).reshape(1, -1)
        return looked_up((pool_PD @ pool_PD.T).view(1, -1), cells_1N).view_as(first_BS)
    parents_BKD = take_rows(pool_PD, chosen_BK)
    gram_BKK = parents_BKD @ parents_BKD.transpose(1, 2)
    first_BS, second_BS = member_B2S.chunk(2, dim=1)
    return looked_up(gram_BKK.flatten(1), first_BS * k + second_BS)


def mixture_cosines(
    to_first: Tensor, to_second: Tensor, between: Tensor, share: Tensor, first: Tensor, second: Tensor
) -> tuple[Tensor, Tensor]:
    """The anchor's cosine with mixtures, and their squared lengths, from products of unit vectors; shapes broadcast.

    share: of the first parent. first, second: the parents' squared lengths: 1, or 0 where it has no direction.

    >>> one, none = torch.ones(()), torch.zeros(())
    >>> mixture_cosines(one, none, none, 0.5 * one, one, one)            # halfway to what is at a right angle
    (tensor(0.7071), tensor(0.5000))
    """
    other = 1 - share
    squared = share * share * first + other * other * second + (2 * share * other) * between
    length = squared.clamp_min(SMALLEST_SQUARED_NORM).sqrt()
    return torch.lerp(to_second, to_first, share) / length, squared


def share_of_unit_vectors(share: Tensor, own_length: Tensor, other_length: Tensor) -> Tensor:
    """Raw vectors mixed by ``share`` point where their unit vectors do, mixed by this share: length weighs.

    >>> share_of_unit_vectors(torch.tensor(0.5), torch.tensor(1.0), torch.tensor(3.0))
    tensor(0.7500)
    """
    own, other = (1 - share) * own_length, share * other_length
    return other / (own + other).clamp_min(SMALLEST_NORM)
