// What the kernels ask of the hardware: number formats, tensor-core products, copies to shared memory, warps.
// The emulator of the tests has a header of the same name and the same functions, and none of this inline assembly.
#pragma once
#include <cstdint>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#define KERNEL extern "C" __global__ __launch_bounds__(128) void
#define DEVICE __device__ __forceinline__
#define SHARED_MEMORY extern __shared__ __align__(128) unsigned char shared[]

using float16 = __half;
using bfloat16 = __nv_bfloat16;

DEVICE float to_float(float value) { return value; }
DEVICE float to_float(float16 value) { return __half2float(value); }
DEVICE float to_float(bfloat16 value) { return __bfloat162float(value); }

template <class T> DEVICE T from_float(float value);
template <> DEVICE float from_float<float>(float value) { return value; }
template <> DEVICE float16 from_float<float16>(float value) { return __float2half_rn(value); }
template <> DEVICE bfloat16 from_float<bfloat16>(float value) { return __float2bfloat16_rn(value); }

DEVICE uint32_t shared_address(const void* pointer) { return static_cast<uint32_t>(__cvta_generic_to_shared(pointer)); }

// Copy 16 bytes from global to shared memory behind the caller's back, or fill them with zeros.
DEVICE void copy_async(void* to, const void* from, bool valid) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from), "r"(valid ? 16 : 0));
}
DEVICE void commit_copies() { asm volatile("cp.async.commit_group;"); }
template <int PENDING> DEVICE void wait_copies() { asm volatile("cp.async.wait_group %0;" ::"n"(PENDING)); }

// Four 8x8 matrices of 16-bit values; lane l names the row l % 8 of matrix l / 8.
DEVICE void load_matrices(uint32_t (&to)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(shared_address(row)));
}

// sums [16, 8] += a [16, 16] b [16, 8] in the lanes' layout of PTX's mma.m16n8k16.
template <class T> DEVICE void multiply_add(float (&sums)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1);
#define MULTIPLY_ADD(TYPE, NAME)                                                                                 \
  template <>                                                                                                    \
  DEVICE void multiply_add<TYPE>(float (&sums)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {           \
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." NAME "." NAME ".f32 {%0, %1, %2, %3}, "                \
                 "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"                                                 \
                 : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])                                    \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));                                \
  }
MULTIPLY_ADD(float16, "f16")
MULTIPLY_ADD(bfloat16, "bf16")

DEVICE void sync_block() { __syncthreads(); }
DEVICE void sync_warp() { __syncwarp(); }
template <class T> DEVICE T exchange(T value, int distance) { return __shfl_xor_sync(0xffffffffu, value, distance); }
