// Attention of short sequences: scores and sums are float32, every sum over positions runs in an order of its own length.
#pragma once
#include "warp.cuh"

constexpr int EIGHT = 8;
constexpr int QUERIES = 4;
constexpr int ATTENTION_WARPS = 4;

template <class T> DEVICE float dot(const Pack<T, EIGHT>& one, const Pack<T, EIGHT>& other, float sum) {
#pragma unroll
  for (int i = 0; i < EIGHT; i++) sum = fmaf(to_float(one.values[i]), to_float(other.values[i]), sum);
  return sum;
}

// One block a word and head. qkv: [batch, length, 3 * HEADS * D]; bias: [HEADS, 2 * REACH - 1]; y: [batch, length,
// HEADS * D], zeros beyond a word's length. Shared memory: keys [length, D + 8] of T, then chances [warps, length, QUERIES].
template <class T, int HEADS, int D, int REACH>
DEVICE void encoder_attention(const T* qkv, const int* lengths, const float* bias, T* y, int64_t length) {
  SHARED_MEMORY;
  using Piece = Pack<T, EIGHT>;
  constexpr int STRIDE = D + EIGHT, GROUPS = (REACH + WARP - 1) / WARP, PAIRS = (D / 2 + WARP - 1) / WARP;
  const int64_t word = blockIdx.x / HEADS, head = blockIdx.x % HEADS;
  const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, seen = lengths[word];
  const T* queries = qkv + word * length * 3 * HEADS * D + head * D;
  const T* keys = queries + HEADS * D;
  const T* values = keys + HEADS * D;
  T* near = reinterpret_cast<T*>(shared);
  float* chances = reinterpret_cast<float*>(shared + length * STRIDE * sizeof(T)) + warp * length * QUERIES;
  T* out = y + word * length * HEADS * D + head * D;

  for (int i = threadIdx.x; i < seen * (D / EIGHT); i += ATTENTION_WARPS * WARP) {
    const int key = i / (D / EIGHT), d = i % (D / EIGHT) * EIGHT;
    *reinterpret_cast<Piece*>(near + key * STRIDE + d) = *reinterpret_cast<const Piece*>(keys + int64_t{key} * 3 * HEADS * D + d);
  }
  sync_block();

  for (int first = warp * QUERIES; first < seen; first += ATTENTION_WARPS * QUERIES) {
    float score[QUERIES][GROUPS];
    float total[QUERIES];
    for (int g = 0; g < GROUPS; g++) {
      const int key = g * WARP + lane;
#pragma unroll
      for (int n = 0; n < QUERIES; n++) score[n][g] = 0;
      if (key >= seen) continue;
      for (int d = 0; d < D; d += EIGHT) {
        const Piece k = *reinterpret_cast<const Piece*>(near + key * STRIDE + d);
#pragma unroll
        for (int n = 0; n < QUERIES; n++) {
          const int query = first + n < seen ? first + n : seen - 1;
          const Piece q = *reinterpret_cast<const Piece*>(queries + int64_t{query} * 3 * HEADS * D + d);
          score[n][g] = dot(q, k, score[n][g]);
        }
      }
    }
#pragma unroll
    for (int n = 0; n < QUERIES; n++) {
      float best = -INFINITY;
      for (int g = 0; g < GROUPS; g++) {
        const int key = g * WARP + lane;
        if (key >= seen) continue;
        const int query = first + n < seen ? first + n : seen - 1;
        score[n][g] += bias[head * (2 * REACH - 1) + REACH - 1 + key - query];
        best = fmaxf(best, score[n][g]);
      }
      best = max_lanes(best);
      float sum = 0;
      for (int g = 0; g < GROUPS; g++) {
        const int key = g * WARP + lane;
        if (key >= seen) continue;
        const float chance = expf(score[n][g] - best);
        chances[key * QUERIES + n] = chance;
        sum += chance;
      }
      total[n] = sum_lanes(sum);
    }
    sync_warp();
    float mixed[QUERIES][PAIRS][2] = {};
    for (int key = 0; key < seen; key++) {
      const Pack<float, QUERIES> chance = *reinterpret_cast<const Pack<float, QUERIES>*>(chances + key * QUERIES);
#pragma unroll
      for (int p = 0; p < PAIRS; p++) {
        const int d = (p * WARP + lane) * 2;
        if (d >= D) continue;
        const Pack<T, 2> value = *reinterpret_cast<const Pack<T, 2>*>(values + int64_t{key} * 3 * HEADS * D + d);
#pragma unroll
        for (int n = 0; n < QUERIES; n++) {
          mixed[n][p][0] = fmaf(chance.values[n], to_float(value.values[0]), mixed[n][p][0]);
          mixed[n][p][1] = fmaf(chance.values[n], to_float(value.values[1]), mixed[n][p][1]);
        }
      }
    }
    for (int n = 0; n < QUERIES && first + n < seen; n++)
      for (int p = 0; p < PAIRS; p++) {
        const int d = (p * WARP + lane) * 2;
        if (d < D)
          *reinterpret_cast<Pack<T, 2>*>(out + int64_t{first + n} * HEADS * D + d) = {
              from_float<T>(mixed[n][p][0] / total[n]), from_float<T>(mixed[n][p][1] / total[n])};
      }
    sync_warp();
  }
  for (int64_t i = seen + warp; i < length; i += ATTENTION_WARPS)
    for (int d = lane * 2; d < D; d += WARP * 2)
      *reinterpret_cast<Pack<T, 2>*>(out + i * HEADS * D + d) = {from_float<T>(0.0f), from_float<T>(0.0f)};
}

// One query, eight values a lane, against `count` keys and values of a cache that lie STRIDE apart; one warp.
// `bias`, if there is one, has an entry for each key counted backwards from the last. With longer unrolling float32 spills.
template <class T, int D, int STRIDE>
DEVICE void attend(const Pack<T, EIGHT> query, const T* keys, const T* values, int count, const float* bias, float* chances, T* y) {
  using Piece = Pack<T, EIGHT>;
  constexpr int LANES = D / EIGHT, AT_ONCE = WARP / LANES;
  const int lane = threadIdx.x % WARP, part = lane % LANES * EIGHT;
#pragma unroll 2
  for (int start = 0; start < count; start += AT_ONCE) {
    const int key = start + lane / LANES;
    float score = 0;
    if (key < count) {
      // A copy is loaded whole, what is only referred to a value at a time.
      const Piece own = *reinterpret_cast<const Piece*>(keys + int64_t{key} * STRIDE + part);
      score = dot(query, own, 0.0f);
    }
    score = sum_lanes<LANES>(score);
    if (key < count && part == 0) chances[key] = bias ? score + bias[count - 1 - key] : score;
  }
  sync_warp();
  float best = -INFINITY;
  for (int key = lane; key < count; key += WARP) best = fmaxf(best, chances[key]);
  best = max_lanes(best);
  float total = 0;
  for (int key = lane; key < count; key += WARP) {
    chances[key] = expf(chances[key] - best);
    total += chances[key];
  }
  total = sum_lanes(total);
  sync_warp();
  float mixed[EIGHT] = {};
#pragma unroll 2
  for (int key = lane / LANES; key < count; key += AT_ONCE) {
    const Piece value = *reinterpret_cast<const Piece*>(values + int64_t{key} * STRIDE + part);
#pragma unroll
    for (int i = 0; i < EIGHT; i++) mixed[i] = fmaf(chances[key], to_float(value.values[i]), mixed[i]);
  }
  Piece out;
#pragma unroll
  for (int i = 0; i < EIGHT; i++) {
    for (int distance = LANES; distance < WARP; distance *= 2) mixed[i] += exchange(mixed[i], distance);
    out.values[i] = from_float<T>(mixed[i] / total);
  }
  if (lane < LANES) *reinterpret_cast<Piece*>(y + part) = out;
}

// qkv: [rows, 3 * HEADS * D]; bias: [HEADS, REACH]; cache: [2, slots, reach, HEADS, D]. One warp a row and head.
template <class T, int HEADS, int D, int REACH>
DEVICE void self_attention(const T* qkv, const int* slot, const int* position, T* cache, const float* bias, T* y, int64_t rows,
                           int64_t slots, int64_t reach) {
  __shared__ float chances[ATTENTION_WARPS][REACH];
  using Piece = Pack<T, EIGHT>;
  constexpr int LANES = D / EIGHT, WIDTH = HEADS * D;
  const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, part = lane % LANES * EIGHT;
  const int64_t which = int64_t{blockIdx.x} * ATTENTION_WARPS + warp, row = which / HEADS, head = which % HEADS;
  if (row >= rows) return;
  const T* own = qkv + row * 3 * WIDTH + head * D + part;
  T* keys = cache + int64_t{slot[row]} * reach * WIDTH + head * D;
  T* values = keys + slots * reach * WIDTH;
  const int64_t place = int64_t{position[row]} * WIDTH + part;
  if (lane < LANES) {
    *reinterpret_cast<Piece*>(keys + place) = *reinterpret_cast<const Piece*>(own + WIDTH);
    *reinterpret_cast<Piece*>(values + place) = *reinterpret_cast<const Piece*>(own + 2 * WIDTH);
  }
  sync_warp();
  attend<T, D, WIDTH>(*reinterpret_cast<const Piece*>(own), keys, values, position[row] + 1, bias + head * REACH, chances[warp],
                      y + row * WIDTH + head * D);
}

// q: [rows, HEADS * D]; cache: [2, slots, reach, HEADS, D]; lengths: [rows], the source's.
template <class T, int HEADS, int D, int REACH>
DEVICE void cross_attention(const T* q, const int* slot, const int* lengths, const T* cache, T* y, int64_t rows, int64_t slots,
                            int64_t reach) {
  __shared__ float chances[ATTENTION_WARPS][REACH];
  using Piece = Pack<T, EIGHT>;
  constexpr int LANES = D / EIGHT, WIDTH = HEADS * D;
  const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, part = lane % LANES * EIGHT;
  const int64_t which = int64_t{blockIdx.x} * ATTENTION_WARPS + warp, row = which / HEADS, head = which % HEADS;
  if (row >= rows) return;
  const T* keys = cache + int64_t{slot[row]} * reach * WIDTH + head * D;
  attend<T, D, WIDTH>(*reinterpret_cast<const Piece*>(q + row * WIDTH + head * D + part), keys, keys + slots * reach * WIDTH,
                      lengths[row], nullptr, chances[warp], y + row * WIDTH + head * D);
}
