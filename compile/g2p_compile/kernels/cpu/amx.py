"""AMX in LLVM IR: what TIR has no words for.

Eight tile registers are 16 rows of 64 bytes each. A function that multiplies takes addresses of the sums [32, 32], of
the rows' tiles [2, steps in all, parts, 16, 64 bytes] and of the weight's [steps in all, parts, 16, 128 bytes]; how
many steps to take; the bytes from the upper tiles of rows to the lower; how many steps are in the sums already, none of
which makes it begin with zeros; and an address in another weight, of which a share of each step is fetched to the
second-level cache, a few lines after each product: all at once would keep the products waiting.
"""

TILE_ROWS, TILE_WORDS, TILE_BYTES = 16, 16, 1024
LINE, SHARES = 64, 2
"""Bytes of a line of memory; in how many calls a weight is fetched ahead."""
_LINES = 2 * TILE_BYTES // LINE // SHARES // 4
"""What a product of two tiles fetches."""
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
"""
_MULTIPLY = """
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
  %upper_at = mul i64 %step, 1024
  %lower_at = add i64 %upper_at, %reach
  %left_at = mul i64 %step, 2048
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


def multiply(function: str, instruction: str) -> str:
    """Return `BEGIN`, `END` and a function that multiplies values of one part, in LLVM IR.

    Registers 0 to 3 hold sums, 4 and 5 rows, 6 and 7 columns.

    Args:
        function: its name.
        instruction: LLVM's name of the product of two tiles.
    """
    body = [
        load(4, "upper", 64),
        load(5, "lower", 64),
        load(6, "left", 128),
        load(7, "right", 128),
    ]
    for product in range(4):
        row, column = divmod(product, 2)
        body.append(f"call void @llvm.x86.{instruction}(i8 {product}, i8 {4 + row}, i8 {6 + column})")
        body += fetch(range(_LINES * product, _LINES * (product + 1)))
    return unit(instruction) + _MULTIPLY.format(function=function, body=joined(body))


def unit(instruction: str) -> str:
    """Return `BEGIN`, `END` and what a function that multiplies calls."""
    # Palette 1; bytes of a row of each of 8 tiles as 16 bits, from byte 16 on; rows of each, from byte 48 on.
    shapes = bytes([1, *[0] * 15, *([64, 0] * 8), *[0] * 16, *([TILE_ROWS] * 8), *[0] * 8])
    return _UNIT.format(shapes="".join(f"\\{byte:02x}" for byte in shapes), instruction=instruction)


def load(register: int, name: str, stride: int) -> str:
    """Load a tile from an address, its rows `stride` bytes apart."""
    return f"call void @llvm.x86.tileloadd64(i8 {register}, ptr %{name}, i64 {stride})"


def fetch(lines: range) -> list[str]:
    """Fetch lines of the weight that comes next."""
    return [
        line
        for n in lines
        for line in (
            f"%line{n} = getelementptr i8, ptr %soon, i64 {LINE * n}",
            f"call void @llvm.prefetch.p0(ptr %line{n}, i32 0, i32 2, i32 1)",
        )
    ]


def joined(body: list[str]) -> str:
    """Return instructions as the body of a block."""
    return "\n".join(f"  {line}" for line in body)
