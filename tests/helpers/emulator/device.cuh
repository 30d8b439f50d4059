// The CUDA kernels' device header for a CPU: one block at a time, every thread a fibre, collectives are meeting points.
//
// Stricter than a GPU where that finds mistakes: asynchronous copies arrive only when they are waited for, shared memory
// begins as rubbish and is exactly as large as was asked for, lanes that miss a meeting are an error, and addresses of
// the device's memory mean nothing to the host, as the host's mean nothing to kernels.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>

#define KERNEL extern "C" void
#define DEVICE inline
#define SHARED_MEMORY unsigned char* const shared = emulator::shared
#define __shared__ static

using float16 = _Float16;
struct bfloat16 {
  uint16_t bits;
};

namespace emulator {
struct Dim {
  unsigned x, y, z;
};
using Work = std::function<void()>;
using Bind = Work* (*)(void** arguments);

extern Dim thread, block, block_size, grid;
extern unsigned char* shared;

void meet_block();
// Give `bytes` to the other lanes of the warp; returns those of lane 0, the others' behind it.
const void* meet_warp(const void* own, int bytes);
void copy_later(void* to, const void* from, bool valid);
void close_group();
void finish_groups(int pending);

// Set in every address of the device's memory that the host holds; what it then points to belongs to nobody.
constexpr uintptr_t DEVICE_MARK = uintptr_t{1} << 62;
// The place that such an address stands for; fails on one of the host.
void* in_device(const void* address);

template <class A> A as_kernel_sees(A argument) {
  if constexpr (std::is_pointer_v<A>) return static_cast<A>(in_device(argument));
  else return argument;
}
template <class... A, size_t... I> Work* hold(void (*kernel)(A...), void** arguments, std::index_sequence<I...>) {
  return new Work([=, values = std::make_tuple(as_kernel_sees(*static_cast<A*>(arguments[I]))...)] { std::apply(kernel, values); });
}
template <class... A> Work* hold(void (*kernel)(A...), void** arguments) {
  return hold(kernel, arguments, std::index_sequence_for<A...>{});
}
template <class T> T of_lane(const void* all, int lane) {
  T value;
  std::memcpy(&value, static_cast<const char*>(all) + lane * sizeof(T), sizeof(T));
  return value;
}
}  // namespace emulator

#define threadIdx emulator::thread
#define blockIdx emulator::block
#define blockDim emulator::block_size
#define gridDim emulator::grid

DEVICE float to_float(float value) { return value; }
DEVICE float to_float(float16 value) { return static_cast<float>(value); }
DEVICE float to_float(bfloat16 value) {
  const uint32_t bits = static_cast<uint32_t>(value.bits) << 16;
  float result;
  std::memcpy(&result, &bits, 4);
  return result;
}

template <class T> DEVICE T from_float(float value);
template <> DEVICE float from_float<float>(float value) { return value; }
template <> DEVICE float16 from_float<float16>(float value) { return static_cast<float16>(value); }
template <> DEVICE bfloat16 from_float<bfloat16>(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return {static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)};
}

DEVICE void copy_async(void* to, const void* from, bool valid) { emulator::copy_later(to, from, valid); }
DEVICE void commit_copies() { emulator::close_group(); }
template <int PENDING> DEVICE void wait_copies() { emulator::finish_groups(PENDING); }

DEVICE void load_matrices(uint32_t (&to)[4], const void* row) {
  const void* all = emulator::meet_warp(&row, sizeof row);
  const int lane = emulator::thread.x % 32;
  for (int i = 0; i < 4; i++)
    std::memcpy(&to[i], emulator::of_lane<const char*>(all, i * 8 + lane / 4) + lane % 4 * 4, 4);
}

template <class T> DEVICE void multiply_add(float (&sums)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  struct Own {
    uint32_t a[4], b[2];
  } own;
  std::memcpy(own.a, a, sizeof own.a);
  own.b[0] = b0, own.b[1] = b1;
  const void* all = emulator::meet_warp(&own, sizeof own);
  const int lane = emulator::thread.x % 32;
  auto value = [](uint32_t pair, int half) {
    const uint16_t bits = static_cast<uint16_t>(pair >> 16 * half);
    T result;
    std::memcpy(&result, &bits, 2);
    return to_float(result);
  };
  const Own* lanes = static_cast<const Own*>(all);
  for (int i = 0; i < 4; i++) {
    const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
    for (int k = 0; k < 16; k++)
      sums[i] += value(lanes[row % 8 * 4 + k % 8 / 2].a[(row >= 8) + 2 * (k >= 8)], k % 2) *
                 value(lanes[column * 4 + k % 8 / 2].b[k >= 8], k % 2);
  }
}

DEVICE void sync_block() { emulator::meet_block(); }
DEVICE void sync_warp() {
  const char nothing = 0;
  emulator::meet_warp(&nothing, 1);
}
template <class T> DEVICE T exchange(T value, int distance) {
  return emulator::of_lane<T>(emulator::meet_warp(&value, sizeof value), (emulator::thread.x % 32) ^ distance);
}
