"""Numbers of 24 bits in three slices of eight on AMX, in LLVM IR.

A slice is a signed byte, the highest first. Products of slices belong to an order, the sum of their places: orders 0 to
3 are summed, each in a tile of its own and without rounding; what is left out, the products of the two lowest slices
among themselves, is below 2**-32 of the largest product. Then the orders become floats, unrounded as long as no more
than 256 values are summed, and are put together.
"""

from g2p_compile.kernels.cpu.amx import LINE, SHARES, TILE_BYTES, fetch, joined, load, unit

SLICES = 3
_STEP_BYTES = SLICES * 2 * TILE_BYTES
"""Bytes of the weight that a step takes."""
_LINES = _STEP_BYTES // LINE // SHARES // 4
"""What a quarter of the sums fetches in a step."""
_ROWS = ((0, 1, 2), (2, 0, 1), (1, 0))
"""Slices of rows that are multiplied by each slice of columns, so that no order is added to twice in a row."""

# The 32 x 32 sums are made in quarters, each of which has four tiles of orders.
_MULTIPLY = """
declare <16 x float> @llvm.fma.v16f32(<16 x float>, <16 x float>, <16 x float>)
declare <16 x float> @llvm.rint.v16f32(<16 x float>)
define linkonce_odr <16 x float> @g2p_add_order(<16 x float> %sum, ptr %tile, i64 %row, float %unit) alwaysinline {{
  %at = getelementptr <16 x i32>, ptr %tile, i64 %row
  %whole = load <16 x i32>, ptr %at, align 64
  %float = sitofp <16 x i32> %whole to <16 x float>
  %one = insertelement <16 x float> poison, float %unit, i32 0
  %units = shufflevector <16 x float> %one, <16 x float> poison, <16 x i32> zeroinitializer
  %r = call <16 x float> @llvm.fma.v16f32(<16 x float> %float, <16 x float> %units, <16 x float> %sum)
  ret <16 x float> %r
}}
define linkonce_odr i32 @{function}(
    ptr %sums, ptr %rows, ptr %weight, i64 %steps, i64 %reach, i64 %before, ptr %ahead) {{
enter:
  %order0 = alloca [4 x [16 x <16 x i32>]], align 64
  %order1 = getelementptr i8, ptr %order0, i64 1024
  %order2 = getelementptr i8, ptr %order0, i64 2048
  %order3 = getelementptr i8, ptr %order0, i64 3072
  %first = icmp eq i64 %before, 0
  br label %quarter
quarter:
  %n = phi i64 [ 0, %enter ], [ %n_next, %leave ]
  %below = lshr i64 %n, 1
  %beside = and i64 %n, 1
  %rows_at = mul i64 %below, %reach
  %columns_at = mul i64 %beside, 64
  %ahead_at = mul i64 %n, {ahead_bytes}
  %own_rows = getelementptr i8, ptr %rows, i64 %rows_at
  %own_columns = getelementptr i8, ptr %weight, i64 %columns_at
  %own_ahead = getelementptr i8, ptr %ahead, i64 %ahead_at
  call void @llvm.x86.tilezero(i8 0)
  call void @llvm.x86.tilezero(i8 1)
  call void @llvm.x86.tilezero(i8 2)
  call void @llvm.x86.tilezero(i8 3)
  br label %loop
loop:
  %step = phi i64 [ 0, %quarter ], [ %step_next, %loop ]
  %row_at = mul i64 %step, {row_bytes}
  %column_at = mul i64 %step, {step_bytes}
  %row = getelementptr i8, ptr %own_rows, i64 %row_at
  %column = getelementptr i8, ptr %own_columns, i64 %column_at
  %soon = getelementptr i8, ptr %own_ahead, i64 %column_at
{body}
  %step_next = add i64 %step, 1
  %more = icmp ult i64 %step_next, %steps
  br i1 %more, label %loop, label %store
store:
  call void @llvm.x86.tilestored64(i8 0, ptr %order0, i64 64)
  call void @llvm.x86.tilestored64(i8 1, ptr %order1, i64 64)
  call void @llvm.x86.tilestored64(i8 2, ptr %order2, i64 64)
  call void @llvm.x86.tilestored64(i8 3, ptr %order3, i64 64)
  %below_at = mul i64 %below, 2048
  %sums_at = add i64 %below_at, %columns_at
  %own_sums = getelementptr i8, ptr %sums, i64 %sums_at
  br label %total
total: ; an order counts 2**8 times as much as the next
  %i = phi i64 [ 0, %store ], [ %i_next, %total ]
  %from3 = call <16 x float> @g2p_add_order(<16 x float> zeroinitializer, ptr %order3, i64 %i, float 0x4070000000000000)
  %from2 = call <16 x float> @g2p_add_order(<16 x float> %from3, ptr %order2, i64 %i, float 0x40F0000000000000)
  %from1 = call <16 x float> @g2p_add_order(<16 x float> %from2, ptr %order1, i64 %i, float 0x4170000000000000)
  %from0 = call <16 x float> @g2p_add_order(<16 x float> %from1, ptr %order0, i64 %i, float 0x41F0000000000000)
  %sum_at = mul i64 %i, 128
  %sum = getelementptr i8, ptr %own_sums, i64 %sum_at
  %held = load <16 x float>, ptr %sum, align 64
  %old = select i1 %first, <16 x float> zeroinitializer, <16 x float> %held
  %new = fadd <16 x float> %old, %from0
  store <16 x float> %new, ptr %sum, align 64
  %i_next = add i64 %i, 1
  %another = icmp ult i64 %i_next, 16
  br i1 %another, label %total, label %leave
leave:
  %n_next = add i64 %n, 1
  %unfinished = icmp ult i64 %n_next, 4
  br i1 %unfinished, label %quarter, label %over
over:
  ret i32 0
}}
define linkonce_odr <16 x i32> @g2p_to_whole(<16 x float> %v) alwaysinline {{
  %n = call <16 x float> @llvm.rint.v16f32(<16 x float> %v)
  %r = fptosi <16 x float> %n to <16 x i32>
  ret <16 x i32> %r
}}
define linkonce_odr <4 x i32> @g2p_lowest_slice(<16 x i32> %v) alwaysinline {{
  %b = trunc <16 x i32> %v to <16 x i8>
  %r = bitcast <16 x i8> %b to <4 x i32>
  ret <4 x i32> %r
}}
define linkonce_odr <16 x i32> @g2p_higher_slices(<16 x i32> %v) alwaysinline {{
  %u = add <16 x i32> %v, splat (i32 128)
  %r = ashr <16 x i32> %u, splat (i32 8)
  ret <16 x i32> %r
}}
"""


def multiply_slices(function: str) -> str:
    """Return `BEGIN`, `END`, a function that multiplies slices, and those that make slices of floats, in LLVM IR.

    Registers 0 to 3 hold the sums of orders, 4 to 6 the slices of rows, 7 one of columns. The sums of the function
    `function` are floats, in units of the lowest slices.
    """
    body = [
        f"%{side}{n} = getelementptr i8, ptr %{side}, i64 {n * size}"
        for side, size in (("row", TILE_BYTES), ("column", 2 * TILE_BYTES))
        for n in range(SLICES)
    ]
    fetched = 0
    for column, rows in enumerate(_ROWS):
        body.append(load(7, f"column{column}", 128))
        for row in rows:
            if column == 0:
                body.append(load(4 + row, f"row{row}", 64))
            body.append(f"call void @llvm.x86.tdpbssd(i8 {row + column}, i8 {4 + row}, i8 7)")
            body += fetch(range(fetched, min(fetched + 2, _LINES)))
            fetched += 2
    return unit("tdpbssd") + _MULTIPLY.format(
        function=function,
        ahead_bytes=_LINES * LINE,
        row_bytes=SLICES * TILE_BYTES,
        step_bytes=_STEP_BYTES,
        body=joined(body),
    )
