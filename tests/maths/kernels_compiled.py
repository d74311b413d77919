"""Run by a test: the kernels as machine code of an H100, which Triton makes where there is none."""

from __future__ import annotations

from typing import Any

from contrapose.maths import softmax_kernel, softmax_triton

FLOATS, NUMBERS = "*fp32", "*i64"
BOTH = {
    "rows_at": FLOATS,
    "columns_at": FLOATS,
    "row_numbers_at": NUMBERS,
    "column_numbers_at": NUMBERS,
    "known_at": "*i8",
    "weight_at": FLOATS,
    **dict.fromkeys(("num_rows", "num_columns", "width", "first_row"), "i32"),
    **dict.fromkeys(("temperature", "margin", "own_weight"), "fp32"),
}
SUMS = {**dict.fromkeys(("log_sum_at", "cosine_at", "logit_at", "mean_at"), FLOATS), "count_at": "*i32"}
SLOPES = dict.fromkeys(("log_sum_at", "gradient_at", "found_at", "other_at"), FLOATS)


def main() -> None:
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile

    kernels: list[tuple[Any, dict[str, str], dict[str, Any]]] = [
        (softmax_triton.sums_kernel, SUMS, {}),
        (softmax_triton.slopes_kernel, SLOPES, {"of_columns": False}),
        (softmax_triton.slopes_kernel, SLOPES, {"of_columns": True}),
    ]
    compiled = 0
    sizes = dict(zip(("BLOCK_R", "BLOCK_C", "BLOCK_D"), softmax_kernel.TILE, strict=True))
    for focal in (False, True):
        said = dict.fromkeys(("has_kept", "has_known", "has_weight", "has_own_weight"), True)
        said |= {"focal": focal, "clamped": focal, "detached": False}
        for kernel, own, more in kernels:
            constants = {"num_pairs": 3, **said, **sizes, **more}
            signature = {**BOTH, **own, **dict.fromkeys(constants, "constexpr")}
            source = ASTSource(fn=kernel, signature=signature, constexprs=constants)
            compiled += "cubin" in compile(source, target=GPUTarget("cuda", 90, 32)).asm
    print(f"{compiled} kernels are compiled")


if __name__ == "__main__":
    main()
