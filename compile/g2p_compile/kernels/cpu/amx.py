"""AMX in LLVM IR: what TIR has no words for.

Tile registers 0 to 3 hold sums, 4 and 5 rows, 6 and 7 columns; each is 16 rows of 64 bytes.
"""

TILE_ROWS, TILE_WORDS, TILE_BYTES = 16, 16, 1024
LINE, SHARES = 64, 4
"""Bytes of a line of memory; in how many calls a weight is fetched ahead."""
BEGIN, END = "g2p_tiles_begin", "g2p_tiles_end"
"""Functions around all use of tile registers: they shape them, and give them back, so that nobody saves them."""

# Every kernel brings a copy of these functions, hence `linkonce_odr`.
_UNIT = """
@g2p_tile_shapes = linkonce_odr constant [64 x i8] c"{shapes}", align 64
declare void @llvm.x86.ldtilecfg(ptr)
declare void @llvm.x86.tilerelease()
declare void @llvm.x86.tilezero(i8 immarg)
declare void @llvm.x86.tileloadd64(i8 immarg, ptr, i64)
declare void @llvm.x86.tilestored64(i8 immarg, ptr, i64)
declare void @llvm.x86.{instruction}(i8 immarg, i8 immarg, i8 immarg)
declare void @llvm.prefetch.p0(ptr, i32 immarg, i32 immarg, i32 immarg)
define linkonce_odr i32 @g2p_tiles_begin() {{
  call void @llvm.x86.ldtilecfg(ptr @g2p_tile_shapes)
  ret i32 0
}}
define linkonce_odr i32 @g2p_tiles_end() {{
  call void @llvm.x86.tilerelease()
  ret i32 0
}}
define linkonce_odr i32 @{function}(
    ptr %sums, ptr %rows, ptr %weight, i64 %steps, i64 %reach, i64 %before, ptr %ahead) {{
enter:
  %sums1 = getelementptr i8, ptr %sums, i64 64
  %sums2 = getelementptr i8, ptr %sums, i64 2048
  %sums3 = getelementptr i8, ptr %sums, i64 2112
  %first = icmp eq i64 %before, 0
  br i1 %first, label %zero, label %load
zero:
  call void @llvm.x86.tilezero(i8 0)
  call void @llvm.x86.tilezero(i8 1)
  call void @llvm.x86.tilezero(i8 2)
  call void @llvm.x86.tilezero(i8 3)
  br label %loop
load:
  call void @llvm.x86.tileloadd64(i8 0, ptr %sums, i64 128)
  call void @llvm.x86.tileloadd64(i8 1, ptr %sums1, i64 128)
  call void @llvm.x86.tileloadd64(i8 2, ptr %sums2, i64 128)
  call void @llvm.x86.tileloadd64(i8 3, ptr %sums3, i64 128)
  br label %loop
loop:
  %step = phi i64 [ 0, %zero ], [ 0, %load ], [ %next, %loop ]
  %upper_at = mul i64 %step, {row_bytes}
  %lower_at = add i64 %upper_at, %reach
  %left_at = mul i64 %step, {weight_bytes}
  %upper = getelementptr i8, ptr %rows, i64 %upper_at
  %lower = getelementptr i8, ptr %rows, i64 %lower_at
  %left = getelementptr i8, ptr %weight, i64 %left_at
  %right = getelementptr i8, ptr %left, i64 64
  %soon = getelementptr i8, ptr %ahead, i64 %left_at
{body}
  %next = add i64 %step, 1
  %more = icmp ult i64 %next, %steps
  br i1 %more, label %loop, label %leave
leave:
  call void @llvm.x86.tilestored64(i8 0, ptr %sums, i64 128)
  call void @llvm.x86.tilestored64(i8 1, ptr %sums1, i64 128)
  call void @llvm.x86.tilestored64(i8 2, ptr %sums2, i64 128)
  call void @llvm.x86.tilestored64(i8 3, ptr %sums3, i64 128)
  ret i32 0
}}
"""
AS_BFLOAT16 = """
declare <32 x bfloat> @llvm.x86.avx512bf16.cvtne2ps2bf16.512(<16 x float>, <16 x float>)
define linkonce_odr <16 x i32> @g2p_as_bfloat16(<16 x float> %a, <16 x float> %b) alwaysinline {
  %n = call <32 x bfloat> @llvm.x86.avx512bf16.cvtne2ps2bf16.512(<16 x float> %b, <16 x float> %a)
  %r = bitcast <32 x bfloat> %n to <16 x i32>
  ret <16 x i32> %r
}
define linkonce_odr <16 x float> @g2p_of_bfloat16(<8 x i32> %v) alwaysinline {
  %h = bitcast <8 x i32> %v to <16 x i16>
  %w = zext <16 x i16> %h to <16 x i32>
  %s = shl <16 x i32> %w, splat (i32 16)
  %r = bitcast <16 x i32> %s to <16 x float>
  ret <16 x float> %r
}
"""


def multiply(function: str, instruction: str, parts: int, products: tuple[tuple[int, int], ...]) -> str:
    """Return `begin`, `end` and a function that sums up 32 rows by 32 columns, in LLVM IR.

    The function takes addresses of the sums [32, 32], of the rows' tiles [2, steps in all, parts, 16, 64 bytes] and of
    the weight's [steps in all, parts, 16, 128 bytes]; how many steps to take; the bytes from the upper tiles of rows to
    the lower; how many steps are in the sums already, none of which makes it begin with zeros; and an address in
    another weight, of which a share of each step is fetched to the second-level cache, a line or two after each
    product: all at once would keep the products waiting.

    Args:
        function: its name.
        instruction: LLVM's name of the product of two tiles.
        parts: how many tiles a value is spread over.
        products: the parts of rows and of the weight that are multiplied with one another.
    """
    body: list[str] = []
    fetched, per_product = 0, parts * 2 * TILE_BYTES // LINE // SHARES // (4 * len(products))
    held: tuple[int | None, int | None] = (None, None)
    for product in products:
        sides = zip(product, held, (("upper", "lower"), ("left", "right")), (1, 2), strict=True)
        for side, (part, old, names, apart) in enumerate(sides):
            for half, name in enumerate(names) if part != old else ():
                at, register = f"%{name}{len(body)}", 4 + 2 * side + half
                body.append(f"{at} = getelementptr i8, ptr %{name}, i64 {part * apart * TILE_BYTES}")
                body.append(f"call void @llvm.x86.tileloadd64(i8 {register}, ptr {at}, i64 {64 * apart})")
        for row in range(2):
            for column in range(2):
                body.append(f"call void @llvm.x86.{instruction}(i8 {2 * row + column}, i8 {4 + row}, i8 {6 + column})")
                for _ in range(per_product):
                    line = f"%line{fetched}"
                    body.append(f"{line} = getelementptr i8, ptr %soon, i64 {LINE * fetched}")
                    body.append(f"call void @llvm.prefetch.p0(ptr {line}, i32 0, i32 2, i32 1)")
                    fetched += 1
        held = product
    # Palette 1; bytes of a row of each of 8 tiles as 16 bits, from byte 16 on; rows of each, from byte 48 on.
    shapes = bytes([1, *[0] * 15, *([64, 0] * 8), *[0] * 16, *([TILE_ROWS] * 8), *[0] * 8])
    return _UNIT.format(
        shapes="".join(f"\\{byte:02x}" for byte in shapes),
        instruction=instruction,
        function=function,
        row_bytes=parts * TILE_BYTES,
        weight_bytes=2 * parts * TILE_BYTES,
        body="\n".join(f"  {line}" for line in body),
    )
