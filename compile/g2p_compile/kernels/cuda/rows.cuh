// What goes over rows one at a time: embedding, the norm that stands alone, copies of beginnings, the state of words.
#pragma once
#include "warp.cuh"

constexpr int ROW_WARPS = 4;

template <class T, int INNER>
DEVICE void embed(const int* ids, const float* table, T* y, int64_t rows) {
  const int64_t row = int64_t{blockIdx.x} * ROW_WARPS + threadIdx.x / WARP;
  if (row >= rows) return;
  const float* from = table + int64_t{ids[row]} * INNER;
  for (int k = threadIdx.x % WARP; k < INNER; k += WARP) y[row * INNER + k] = from_float<T>(from[k]);
}

template <class T, int INNER>
DEVICE void rms_norm(const float* x, const float* gain, T* y, int64_t rows, float epsilon) {
  const int64_t row = int64_t{blockIdx.x} * ROW_WARPS + threadIdx.x / WARP;
  if (row >= rows) return;
  const int lane = threadIdx.x % WARP;
  const float* own = x + row * INNER;
  float squares = 0;
  for (int k = lane; k < INNER; k += WARP) squares = fmaf(own[k], own[k], squares);
  const float scale = 1.0f / sqrtf(sum_lanes(squares) / INNER + epsilon);
  for (int k = lane; k < INNER; k += WARP) y[row * INNER + k] = from_float<T>(own[k] * scale * gain[k]);
}

// Copy the first positions of slots: origin, target and count [forks], a block for each and for keys or values. cache:
// [2, slots, reach, POSITION]; no target is an origin, or a target twice.
template <class T, int POSITION>
DEVICE void fork(const int* origin, const int* target, const int* count, T* cache, int64_t slots, int64_t reach) {
  using Piece = Pack<T, 16 / sizeof(T)>;
  const int64_t own = blockIdx.x, kind = blockIdx.y * slots;
  const Piece* from = reinterpret_cast<const Piece*>(cache + (kind + origin[own]) * reach * POSITION);
  Piece* to = reinterpret_cast<Piece*>(cache + (kind + target[own]) * reach * POSITION);
  const int pieces = count[own] * int(POSITION * sizeof(T) / sizeof(Piece));
  for (int p = threadIdx.x; p < pieces; p += blockDim.x) to[p] = from[p];
}

// Rows of the decoder, each the word that has it: four arguments of a step [rows], and what has come of it,
// status [3, rows]: whether it is live, tokens said, and log-probability (float32).
struct DecoderRows {
  int *token, *position, *slot, *length, *status;
  int64_t rows;
  DEVICE int& live(int64_t row) const { return status[row]; }
  DEVICE int& count(int64_t row) const { return status[rows + row]; }
  DEVICE float& logprob(int64_t row) const { return reinterpret_cast<float*>(status + 2 * rows)[row]; }
  DEVICE void leave(int64_t row, int scratch) const {
    token[row] = 0, position[row] = 0, slot[row] = scratch, length[row] = 1, live(row) = 0;
  }
};
constexpr int START = 0;
constexpr int EOS = 1;

DEVICE int64_t own_thread() { return int64_t{blockIdx.x} * blockDim.x + threadIdx.x; }

// Make all rows inert.
DEVICE void clear(int* token, int* position, int* slot, int* length, int* status, int64_t rows, int scratch) {
  const DecoderRows decoder{token, position, slot, length, status, rows};
  if (own_thread() < rows) decoder.leave(own_thread(), scratch);
}

// Give rows to words: assignments [2, words] holds their rows and source lengths. A row's number is its word's slot.
DEVICE void assign_rows(const int* assignments, int* token, int* position, int* slot, int* length, int* status,
                        int64_t words, int64_t rows) {
  const int64_t i = own_thread();
  if (i >= words) return;
  const DecoderRows decoder{token, position, slot, length, status, rows};
  const int row = assignments[i];
  token[row] = START, position[row] = 0, slot[row] = row, length[row] = assignments[words + i];
  decoder.live(row) = 1, decoder.count(row) = 0, decoder.logprob(row) = 0.0f;
}

// Take in one step's tokens and their log-probabilities, of the first `stepped` rows: words that end become inert and
// keep what they said, outputs [rows, reach].
DEVICE void advance(const int* chosen, const float* gain, int* token, int* position, int* slot, int* length, int* status,
                    uint16_t* outputs, int64_t stepped, int64_t rows, int64_t reach, int scratch) {
  const int64_t row = own_thread();
  const DecoderRows decoder{token, position, slot, length, status, rows};
  if (row >= stepped || !decoder.live(row)) return;
  const int at = position[row], next = chosen[row];
  outputs[row * reach + at] = static_cast<uint16_t>(next);
  decoder.logprob(row) += gain[row];
  decoder.count(row) = at + 1;
  token[row] = next, position[row] = at + 1;
  if (next == EOS || at + 1 == reach) decoder.leave(row, scratch);
}
