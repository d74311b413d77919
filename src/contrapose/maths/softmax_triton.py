"""The Triton source of maths/softmax_kernel.py, which imports it where a kernel is needed and nowhere else.

R rows, C columns, D of the width: sizes of a tile. Names of tensors end with "_at": the kernel gets their addresses.
"""

# Triton reads the annotations of constants as they stand: no future import of annotations here. And its own decorators
# have no types.
# mypy: ignore-errors

try:
    import triton
    import triton.language as tl
except ImportError:  # nothing here is called then, and tools that read every module can still read this one

    class _Absent:
        constexpr = float

        @staticmethod
        def jit(function):
            return function

    triton = tl = _Absent

LOWEST = tl.constexpr(-3.4028234663852886e38)


@triton.jit
def _cosines(rows_at, columns_at, row_R, column_C, num_rows, num_columns, width, BLOCK_D: tl.constexpr):
    """(R, C) products of vectors, in fp32 all the way."""
    cosine_RC = tl.zeros((row_R.shape[0], column_C.shape[0]), dtype=tl.float32)
    for start in range(0, width, BLOCK_D):
        number_D = start + tl.arange(0, BLOCK_D)
        rows_RD = tl.load(
            rows_at + row_R[:, None].to(tl.int64) * width + number_D[None, :],
            mask=(row_R[:, None] < num_rows) & (number_D[None, :] < width),
            other=0.0,
        )
        columns_DC = tl.load(
            columns_at + column_C[None, :].to(tl.int64) * width + number_D[:, None],
            mask=(column_C[None, :] < num_columns) & (number_D[:, None] < width),
            other=0.0,
        )
        cosine_RC += tl.dot(rows_RD, columns_DC, input_precision="ieee")
    return cosine_RC


@triton.jit
def _counts(
    row_numbers_at, column_numbers_at, known_at, row_R, column_C, num_rows, num_columns,
    num_pairs: tl.constexpr, has_kept: tl.constexpr, has_known: tl.constexpr,
):  # fmt: skip
    """(R, C): the column counts for the row."""
    there_RC = (row_R[:, None] < num_rows) & (column_C[None, :] < num_columns)
    struck_RC = there_RC & False
    for pair in tl.static_range(num_pairs):
        of_row_R = tl.load(row_numbers_at + pair * num_rows + row_R, mask=row_R < num_rows, other=0)
        of_column_C = tl.load(
            column_numbers_at + pair * num_columns + column_C, mask=column_C < num_columns, other=0
        )
        struck_RC = struck_RC | (of_row_R[:, None] == of_column_C[None, :])
    if has_known:
        known_C = tl.load(known_at + column_C, mask=column_C < num_columns, other=0)
        struck_RC = struck_RC & (known_C[None, :] != 0)
    if has_kept:
        kept_R = tl.load(row_numbers_at + num_pairs * num_rows + row_R, mask=row_R < num_rows, other=0)
        kept_C = tl.load(
            column_numbers_at + num_pairs * num_columns + column_C, mask=column_C < num_columns, other=0
        )
        struck_RC = struck_RC & (kept_R[:, None] != kept_C[None, :])
    return there_RC & (struck_RC == 0)


@triton.jit
def _logits(
    cosine_RC, weight_at, row_R, column_C, num_columns, first_row, temperature, margin, own_weight,
    has_weight: tl.constexpr, has_own_weight: tl.constexpr, focal: tl.constexpr, clamped: tl.constexpr,
):  # fmt: skip
    """(R, C), before anything is left out."""
    mapped_RC = cosine_RC
    if focal:
        if clamped:
            mapped_RC = tl.maximum(cosine_RC, -margin / 2)
        mapped_RC = mapped_RC * (mapped_RC + margin)
    logits_RC = mapped_RC / temperature
    if has_weight:
        weight_C = tl.load(weight_at + column_C, mask=column_C < num_columns, other=0.0)
        logits_RC += weight_C[None, :]
    if has_own_weight:
        logits_RC += tl.where((row_R + first_row)[:, None] == column_C[None, :], own_weight, 0.0)
    return logits_RC


@triton.jit
def sums_kernel(
    rows_at, columns_at, row_numbers_at, column_numbers_at, known_at, weight_at,
    num_rows, num_columns, width, first_row, temperature, margin, own_weight,
    log_sum_at, cosine_at, logit_at, mean_at, count_at,
    num_pairs: tl.constexpr, has_kept: tl.constexpr, has_known: tl.constexpr, has_weight: tl.constexpr,
    has_own_weight: tl.constexpr, focal: tl.constexpr, clamped: tl.constexpr, detached: tl.constexpr,
    BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr, BLOCK_D: tl.constexpr,
):  # fmt: skip
    """What ``Sums`` of maths/tiled.py holds, of the rows of one program."""
    row_R = tl.program_id(0) * BLOCK_R + tl.arange(0, BLOCK_R)
    most_R = tl.full((BLOCK_R,), LOWEST, tl.float32)
    nearest_R = tl.full((BLOCK_R,), LOWEST, tl.float32)
    sum_R = tl.zeros((BLOCK_R,), dtype=tl.float32)
    weighted_R = tl.zeros((BLOCK_R,), dtype=tl.float32)
    count_R = tl.zeros((BLOCK_R,), dtype=tl.int32)
    for start in range(0, num_columns, BLOCK_C):
        column_C = start + tl.arange(0, BLOCK_C)
        cosine_RC = _cosines(rows_at, columns_at, row_R, column_C, num_rows, num_columns, width, BLOCK_D)
        counts_RC = _counts(
            row_numbers_at, column_numbers_at, known_at, row_R, column_C, num_rows, num_columns,
            num_pairs, has_kept, has_known,
        )  # fmt: skip
        logits_RC = _logits(
            cosine_RC, weight_at, row_R, column_C, num_columns, first_row, temperature, margin, own_weight,
            has_weight, has_own_weight, focal, clamped,
        )  # fmt: skip
        logits_RC = tl.where(counts_RC, logits_RC, LOWEST)
        nearest_R = tl.maximum(nearest_R, tl.max(tl.where(counts_RC, cosine_RC, LOWEST), axis=1))
        now_R = tl.maximum(most_R, tl.max(logits_RC, axis=1))
        base_R = tl.where(now_R == LOWEST, 0.0, now_R)
        above_RC = tl.where(counts_RC, logits_RC - base_R[:, None], 0.0)
        share_RC = tl.where(counts_RC, tl.exp(above_RC), 0.0)
        # Before anything counted the old maximum is the lowest number, of which the difference would overflow.
        less_R = tl.where(most_R == LOWEST, 0.0, most_R - base_R)
        scale_R = tl.exp(less_R)
        weighted_R = scale_R * (weighted_R + sum_R * less_R) + tl.sum(share_RC * above_RC, axis=1)
        sum_R = scale_R * sum_R + tl.sum(share_RC, axis=1)
        count_R += tl.sum(counts_RC.to(tl.int32), axis=1)
        most_R = now_R
    any_R = count_R > 0
    whole_R = tl.where(any_R, sum_R, 1.0)
    there_R = row_R < num_rows
    tl.store(log_sum_at + row_R, tl.where(any_R, tl.log(whole_R) + most_R, LOWEST), mask=there_R)
    tl.store(mean_at + row_R, tl.where(any_R, weighted_R / whole_R + most_R, LOWEST), mask=there_R)
    tl.store(cosine_at + row_R, nearest_R, mask=there_R)
    tl.store(logit_at + row_R, most_R, mask=there_R)
    tl.store(count_at + row_R, count_R, mask=there_R)


@triton.jit
def _slope(
    rows_at, columns_at, row_numbers_at, column_numbers_at, known_at, weight_at,
    num_rows, num_columns, width, first_row, temperature, margin, own_weight, log_sum_at, gradient_at,
    row_R, column_C,
    num_pairs: tl.constexpr, has_kept: tl.constexpr, has_known: tl.constexpr, has_weight: tl.constexpr,
    has_own_weight: tl.constexpr, focal: tl.constexpr, clamped: tl.constexpr, detached: tl.constexpr,
    BLOCK_D: tl.constexpr,
):  # fmt: skip
    """(R, C): what each cosine changes the loss by."""
    cosine_RC = _cosines(rows_at, columns_at, row_R, column_C, num_rows, num_columns, width, BLOCK_D)
    counts_RC = _counts(
        row_numbers_at, column_numbers_at, known_at, row_R, column_C, num_rows, num_columns,
        num_pairs, has_kept, has_known,
    )  # fmt: skip
    logits_RC = _logits(
        cosine_RC, weight_at, row_R, column_C, num_columns, first_row, temperature, margin, own_weight,
        has_weight, has_own_weight, focal, clamped,
    )  # fmt: skip
    log_sum_R = tl.load(log_sum_at + row_R, mask=row_R < num_rows, other=0.0)
    gradient_R = tl.load(gradient_at + row_R, mask=row_R < num_rows, other=0.0)
    above_RC = tl.where(counts_RC, logits_RC - log_sum_R[:, None], 0.0)
    slope_RC = tl.where(counts_RC, tl.exp(above_RC) * gradient_R[:, None], 0.0) / temperature
    if focal:
        factor_RC = cosine_RC + margin if detached else 2 * cosine_RC + margin
        if clamped:
            factor_RC = tl.where(cosine_RC >= -margin / 2, factor_RC, 0.0)
        slope_RC = slope_RC * factor_RC
    return slope_RC


@triton.jit
def slopes_kernel(
    rows_at, columns_at, row_numbers_at, column_numbers_at, known_at, weight_at,
    num_rows, num_columns, width, first_row, temperature, margin, own_weight, log_sum_at, gradient_at,
    found_at, other_at,
    num_pairs: tl.constexpr, has_kept: tl.constexpr, has_known: tl.constexpr, has_weight: tl.constexpr,
    has_own_weight: tl.constexpr, focal: tl.constexpr, clamped: tl.constexpr, detached: tl.constexpr,
    BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr, BLOCK_D: tl.constexpr, of_columns: tl.constexpr,
):  # fmt: skip
    """The gradient of the vectors that one program owns, rows or columns; other_at: the vectors of the other side."""
    if of_columns:
        num_own, num_other = num_columns, num_rows
    else:
        num_own, num_other = num_rows, num_columns
    own_R = tl.program_id(0) * BLOCK_R + tl.arange(0, BLOCK_R)
    for start in range(0, num_other, BLOCK_C):
        other_C = start + tl.arange(0, BLOCK_C)
        if of_columns:
            slope_RC = tl.trans(_slope(
                rows_at, columns_at, row_numbers_at, column_numbers_at, known_at, weight_at,
                num_rows, num_columns, width, first_row, temperature, margin, own_weight, log_sum_at,
                gradient_at, other_C, own_R,
                num_pairs, has_kept, has_known, has_weight, has_own_weight, focal, clamped, detached, BLOCK_D,
            ))  # fmt: skip
        else:
            slope_RC = _slope(
                rows_at, columns_at, row_numbers_at, column_numbers_at, known_at, weight_at,
                num_rows, num_columns, width, first_row, temperature, margin, own_weight, log_sum_at,
                gradient_at, own_R, other_C,
                num_pairs, has_kept, has_known, has_weight, has_own_weight, focal, clamped, detached, BLOCK_D,
            )  # fmt: skip
        # The gradient is as wide as a vector, too wide for registers: it is added to in memory, which no other
        # program touches.
        for first in range(0, width, BLOCK_D):
            number_D = first + tl.arange(0, BLOCK_D)
            others_CD = tl.load(
                other_at + other_C[:, None].to(tl.int64) * width + number_D[None, :],
                mask=(other_C[:, None] < num_other) & (number_D[None, :] < width),
                other=0.0,
            )
            at_RD = found_at + own_R[:, None].to(tl.int64) * width + number_D[None, :]
            there_RD = (own_R[:, None] < num_own) & (number_D[None, :] < width)
            so_far_RD = tl.load(at_RD, mask=there_RD, other=0.0)
            so_far_RD += tl.dot(slope_RC, others_CD, input_precision="ieee")
            tl.store(at_RD, so_far_RD, mask=there_RD)
