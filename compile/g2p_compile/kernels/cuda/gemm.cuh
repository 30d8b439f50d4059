// Matrix products: rows [M, K] times a weight [N, K] transposed, with what stands before and after them fused in.
//
// A block computes BM rows by BN columns at a time, each warp WARP_ROWS by WARP_COLUMNS of them, in the layout of
// mma.m16n8k16 whatever the number format. Every sum runs over K in order, in one lane, so a result depends neither on
// the rows beside it nor on how tiles are spread over blocks. Missing rows are zeros and are never stored.
//
// Tiles in shared memory have rows of 128 bytes. Piece c of row r, 16 bytes, lies at c ^ (r % 8): then eight rows' pieces
// of one column lie in different banks. The weight is packed in that order, tile after tile.
#pragma once
#include "warp.cuh"

constexpr int ROW_BYTES = 128;
constexpr int PIECE_BYTES = 16;
constexpr int PIECES = ROW_BYTES / PIECE_BYTES;

DEVICE unsigned char* piece(unsigned char* tile, int row, int place) {
  return tile + row * ROW_BYTES + (place ^ (row % PIECES)) * PIECE_BYTES;
}

// One product. NORMED: its rows are float32, normalised and kept in shared memory whole; else they are T, and come in
// tiles beside the weight's. PARTS: how many weights lie interleaved in it, eight rows of each in turn.
template <class T_, int INNER_, int OUTPUTS_, int BM_, int BN_, int WARPS_M_, int WARPS_N_, int STAGES_, bool NORMED_,
          int PARTS_>
struct Plan {
  using T = T_;
  static constexpr int INNER = INNER_, OUTPUTS = OUTPUTS_, BM = BM_, BN = BN_, STAGES = STAGES_, PARTS = PARTS_;
  static constexpr int WARPS_N = WARPS_N_, WARPS = WARPS_M_ * WARPS_N_, THREADS = WARPS * WARP;
  static constexpr bool NORMED = NORMED_;
  static constexpr int DEPTH = ROW_BYTES / sizeof(T);
  static constexpr int STEPS = (INNER + DEPTH - 1) / DEPTH;
  static constexpr int TILES = (OUTPUTS * PARTS + BN - 1) / BN;
  static constexpr int WARP_ROWS = BM / WARPS_M_, WARP_COLUMNS = BN / WARPS_N_;
  static constexpr int MI = WARP_ROWS / 16, NI = WARP_COLUMNS / 8;
  static constexpr int TILE_BYTES = BM * ROW_BYTES, WEIGHT_BYTES = BN * ROW_BYTES;
  static constexpr int PANEL_BYTES = NORMED ? STEPS * TILE_BYTES : 0;
  static constexpr int STAGE_BYTES = WEIGHT_BYTES + (NORMED ? 0 : TILE_BYTES);
  static constexpr int SHARED_BYTES = PANEL_BYTES + STAGES * STAGE_BYTES;
};

template <class T> struct Warp;

template <class T> struct TensorCores {
  template <class P>
  static DEVICE void multiply(float (&sums)[P::MI][P::NI][4], unsigned char* rows, unsigned char* weight, int row, int column) {
    const int lane = threadIdx.x % WARP;
#pragma unroll
    for (int k = 0; k < PIECES / 2; k++) {
      uint32_t a[P::MI][4];
#pragma unroll
      for (int i = 0; i < P::MI; i++) load_matrices(a[i], piece(rows, row + i * 16 + lane % 16, k * 2 + lane / 16));
#pragma unroll
      for (int j = 0; j < P::NI; j += 2) {
        uint32_t b[4];
        load_matrices(b, piece(weight, column + j * 8 + lane / 16 * 8 + lane % 8, k * 2 + lane / 8 % 2));
#pragma unroll
        for (int i = 0; i < P::MI; i++) {
          multiply_add<T>(sums[i][j], a[i], b[0], b[1]);
          multiply_add<T>(sums[i][j + 1], a[i], b[2], b[3]);
        }
      }
    }
  }
};
template <> struct Warp<float16> : TensorCores<float16> {};
template <> struct Warp<bfloat16> : TensorCores<bfloat16> {};

template <> struct Warp<float> {
  template <class P>
  static DEVICE void multiply(float (&sums)[P::MI][P::NI][4], unsigned char* rows, unsigned char* weight, int row, int column) {
    using Four = Pack<float, 4>;
    const int lane = threadIdx.x % WARP;
    for (int k = 0; k < PIECES; k++) {
      Four a[P::MI][2];
#pragma unroll
      for (int i = 0; i < P::MI * 2; i++)
        a[i / 2][i % 2] = *reinterpret_cast<Four*>(piece(rows, row + i * 8 + lane / 4, k));
#pragma unroll
      for (int j = 0; j < P::NI; j++) {
#pragma unroll
        for (int v = 0; v < 2; v++) {
          const Four b = *reinterpret_cast<Four*>(piece(weight, column + j * 8 + lane % 4 * 2 + v, k));
#pragma unroll
          for (int i = 0; i < P::MI * 2; i++) {
            float& sum = sums[i / 2][j][i % 2 * 2 + v];
#pragma unroll
            for (int n = 0; n < 4; n++) sum = fmaf(a[i / 2][i % 2].values[n], b.values[n], sum);
          }
        }
      }
    }
  }
};

// Normalise BM rows of x [M, INNER] into shared memory (Zhang and Sennrich 2019): one warp a row.
template <class P>
DEVICE void fill_panel(unsigned char* panel, const float* x, const float* gain, float epsilon, int64_t first, int64_t rows) {
  using T = typename P::T;
  using Four = Pack<float, 4>;
  constexpr int SPAN = WARP * 4, LOADS = (P::STEPS * P::DEPTH + SPAN - 1) / SPAN;
  const int lane = threadIdx.x % WARP;
  for (int r = threadIdx.x / WARP; r < P::BM; r += P::WARPS) {
    Four held[LOADS];
    float squares = 0;
#pragma unroll
    for (int i = 0; i < LOADS; i++) {
      const int k = i * SPAN + lane * 4;
      const bool real = first + r < rows && k < P::INNER;
      held[i] = real ? *reinterpret_cast<const Four*>(x + (first + r) * P::INNER + k) : Four{};
#pragma unroll
      for (int n = 0; n < 4; n++) squares = fmaf(held[i].values[n], held[i].values[n], squares);
    }
    const float scale = 1.0f / sqrtf(sum_lanes(squares) / P::INNER + epsilon);
#pragma unroll
    for (int i = 0; i < LOADS; i++) {
      const int k = i * SPAN + lane * 4, within = k % P::DEPTH * sizeof(T);
      if (k >= P::STEPS * P::DEPTH) continue;
      Pack<T, 4> normal;
#pragma unroll
      for (int n = 0; n < 4; n++)
        normal.values[n] = from_float<T>(k < P::INNER ? held[i].values[n] * scale * gain[k + n] : 0.0f);
      unsigned char* tile = panel + k / P::DEPTH * P::TILE_BYTES;
      *reinterpret_cast<Pack<T, 4>*>(piece(tile, r, within / PIECE_BYTES) + within % PIECE_BYTES) = normal;
    }
  }
}

// The loops. `a` is float32 [M, INNER] if NORMED, else T. Blocks share rows by x and tiles of columns by y.
// The epilogue gets a row, a column and two neighbouring sums there, of each part.
template <class P, class Epilogue>
DEVICE void product(unsigned char* shared, const void* a, const float* gain, float epsilon, const typename P::T* weight,
                    int64_t rows, const Epilogue& epilogue) {
  using T = typename P::T;
  constexpr int PIECE_VALUES = PIECE_BYTES / sizeof(T);
  unsigned char* ring = shared + P::PANEL_BYTES;
  const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
  const int row = warp / P::WARPS_N * P::WARP_ROWS, column = warp % P::WARPS_N * P::WARP_COLUMNS;
  const int64_t first = int64_t{blockIdx.x} * P::BM;
  const int count = (P::TILES - int(blockIdx.y) + int(gridDim.y) - 1) / int(gridDim.y) * P::STEPS;

  auto fetch = [&](int i) {
    unsigned char* stage = ring + i % P::STAGES * P::STAGE_BYTES;
    const int tile = blockIdx.y + i / P::STEPS * gridDim.y, step = i % P::STEPS;
    const T* from = weight + int64_t{tile * P::STEPS + step} * P::BN * P::DEPTH;
    for (int p = threadIdx.x; p < P::BN * PIECES; p += P::THREADS)
      copy_async(stage + p * PIECE_BYTES, from + p * PIECE_VALUES, true);
    if constexpr (!P::NORMED) {
      for (int p = threadIdx.x; p < P::BM * PIECES; p += P::THREADS) {
        const int r = p / PIECES, k = step * P::DEPTH + p % PIECES * PIECE_VALUES;
        const bool real = first + r < rows && k < P::INNER;
        const T* x = static_cast<const T*>(a) + (real ? (first + r) * P::INNER + k : 0);
        copy_async(piece(stage + P::WEIGHT_BYTES, r, p % PIECES), x, real);
      }
    }
  };

  for (int i = 0; i < P::STAGES - 1; i++) {
    if (i < count) fetch(i);
    commit_copies();
  }
  if constexpr (P::NORMED) fill_panel<P>(shared, static_cast<const float*>(a), gain, epsilon, first, rows);

  float sums[P::MI][P::NI][4] = {};
  for (int i = 0; i < count; i++) {
    wait_copies<P::STAGES - 2>();
    sync_block();
    if (i + P::STAGES - 1 < count) fetch(i + P::STAGES - 1);
    commit_copies();
    unsigned char* stage = ring + i % P::STAGES * P::STAGE_BYTES;
    const int step = i % P::STEPS;
    unsigned char* own = P::NORMED ? shared + step * P::TILE_BYTES : stage + P::WEIGHT_BYTES;
    Warp<T>::template multiply<P>(sums, own, stage, row, column);
    if (step < P::STEPS - 1) continue;
    const int tile = blockIdx.y + i / P::STEPS * gridDim.y;
#pragma unroll
    for (int m = 0; m < P::MI * 2; m++) {
      const int64_t r = first + row + m * 8 + lane / 4;
      if (r >= rows) continue;
#pragma unroll
      for (int n = 0; n < P::NI; n += P::PARTS) {
        const int c = (tile * P::BN + column + n * 8) / P::PARTS + lane % 4 * 2;
        if (c >= P::OUTPUTS) continue;
        const float* one = &sums[m / 2][n][m % 2 * 2];
        const float* other = &sums[m / 2][n + P::PARTS - 1][m % 2 * 2];
        if constexpr (P::PARTS == 1) epilogue(r, c, one[0], one[1]);
        else epilogue(r, c, one[0], one[1], other[0], other[1]);
      }
    }
#pragma unroll
    for (int n = 0; n < P::MI * P::NI * 4; n++) (&sums[0][0][0])[n] = 0;
  }
}

template <class T> DEVICE void store_pair(T* to, float left, float right) {
  *reinterpret_cast<Pack<T, 2>*>(to) = {from_float<T>(left), from_float<T>(right)};
}

template <class P>
DEVICE void norm_linear(const float* x, const float* gain, const typename P::T* weight, typename P::T* y, int64_t rows,
                        float epsilon) {
  SHARED_MEMORY;
  product<P>(shared, x, gain, epsilon, weight, rows, [=](int64_t row, int column, float left, float right) {
    store_pair(y + row * P::OUTPUTS + column, left, right);
  });
}

template <class P>
DEVICE void norm_relu(const float* x, const float* gain, const typename P::T* weight, typename P::T* y, int64_t rows,
                      float epsilon) {
  SHARED_MEMORY;
  product<P>(shared, x, gain, epsilon, weight, rows, [=](int64_t row, int column, float left, float right) {
    store_pair(y + row * P::OUTPUTS + column, fmaxf(left, 0.0f), fmaxf(right, 0.0f));
  });
}

// Hendrycks and Gimpel 2016, the tanh form: (1 + tanh(u)) / 2 is 1 / (1 + exp(-2 u)).
DEVICE float gelu(float x) { return x / (1.0f + expf(-1.5957691216057308f * (x + 0.044715f * x * x * x))); }

template <class P>
DEVICE void norm_gated_gelu(const float* x, const float* gain, const typename P::T* weight, typename P::T* y, int64_t rows,
                            float epsilon) {
  SHARED_MEMORY;
  product<P>(shared, x, gain, epsilon, weight, rows,
             [=](int64_t row, int column, float gate, float gate_right, float up, float up_right) {
               store_pair(y + row * P::OUTPUTS + column, gelu(gate) * up, gelu(gate_right) * up_right);
             });
}

template <class P>
DEVICE void linear_residual(const typename P::T* x, const float* residual, const typename P::T* weight, float* y, int64_t rows) {
  SHARED_MEMORY;
  product<P>(shared, x, nullptr, 0.0f, weight, rows, [=](int64_t row, int column, float left, float right) {
    const int64_t place = row * P::OUTPUTS + column;
    const Pack<float, 2> kept = *reinterpret_cast<const Pack<float, 2>*>(residual + place);
    store_pair(y + place, kept.values[0] + left, kept.values[1] + right);
  });
}

// x: [words, length, INNER]; cache: [2, slots, reach, OUTPUTS / 2], keys first, as the weight's rows.
template <class P>
DEVICE void cache_source(const typename P::T* x, const int* slot, typename P::T* cache, const typename P::T* weight,
                         int64_t words, int64_t length, int64_t slots, int64_t reach) {
  SHARED_MEMORY;
  constexpr int WIDTH = P::OUTPUTS / 2;
  product<P>(shared, x, nullptr, 0.0f, weight, words * length, [=](int64_t row, int column, float left, float right) {
    const int64_t kind = column / WIDTH, own = (kind * slots + slot[row / length]) * reach + row % length;
    store_pair(cache + own * WIDTH + column % WIDTH, left, right);
  });
}

// One block has all columns of its rows: the logits stay in shared memory, behind what the product needs. A warp for each
// row gets it, and its logits.
template <class P, class Choose>
DEVICE void choose_by_logits(unsigned char* shared, const float* x, const float* gain, const typename P::T* weight,
                             int64_t rows, float epsilon, float scale, const Choose& choose) {
  float* logits = reinterpret_cast<float*>(shared + P::SHARED_BYTES);
  const int64_t first = int64_t{blockIdx.x} * P::BM;
  product<P>(shared, x, gain, epsilon, weight, rows, [=](int64_t row, int column, float left, float right) {
    store_pair(logits + (row - first) * P::OUTPUTS + column, left * scale, right * scale);
  });
  sync_block();
  for (int r = threadIdx.x / WARP; r < P::BM && first + r < rows; r += P::WARPS)
    choose(first + r, logits + r * P::OUTPUTS);
}

// The best of a row's logits: its token, TOKENS where none is a number, and the logarithm of the sum of e**(logit - best).
struct Best {
  float logit;
  int token;
  float normal;
};
template <int TOKENS> DEVICE Best best_of(const float* logits) {
  const int lane = threadIdx.x % WARP;
  float best = logits[lane % TOKENS];
  for (int c = lane; c < TOKENS; c += WARP) best = fmaxf(best, logits[c]);
  best = max_lanes(best);
  float total = 0;
  int choice = TOKENS;
  for (int c = TOKENS - 1 - lane; c >= 0; c -= WARP) {
    total += expf(logits[c] - best);
    if (logits[c] == best) choice = c;  // downwards: the lowest id among equals stays
  }
  total = sum_lanes(total);
  return {best, min_lanes(choice), logf(total)};
}

// Logits that are no numbers choose a token that there is.
template <int TOKENS> DEVICE int existing(int token) { return token < TOKENS ? token : 0; }

template <class P>
DEVICE void greedy_head(const float* x, const float* gain, const typename P::T* weight, int* token, float* logprob,
                        int64_t rows, float epsilon, float scale) {
  SHARED_MEMORY;
  choose_by_logits<P>(shared, x, gain, weight, rows, epsilon, scale, [=](int64_t row, const float* logits) {
    const Best best = best_of<P::OUTPUTS>(logits);
    if (threadIdx.x % WARP != 0) return;
    token[row] = existing<P::OUTPUTS>(best.token);
    logprob[row] = -best.normal;
  });
}

// token and logprob: [rows, CHOICES]. Each choice is the best of what comes behind the one before it.
template <class P, int CHOICES>
DEVICE void variants_head(const float* x, const float* gain, const typename P::T* weight, int* token, float* logprob,
                          int64_t rows, float epsilon, float scale) {
  SHARED_MEMORY;
  choose_by_logits<P>(shared, x, gain, weight, rows, epsilon, scale, [=](int64_t row, const float* logits) {
    const int lane = threadIdx.x % WARP;
    const Best best = best_of<P::OUTPUTS>(logits);
    float last = best.logit;
    int choice = best.token;
    for (int k = 0;; k++) {
      if (lane == 0) {
        token[row * CHOICES + k] = existing<P::OUTPUTS>(choice);
        logprob[row * CHOICES + k] = -(best.normal - (last - best.logit));  // of the first, the bits of greedy_head
      }
      if (k == CHOICES - 1) return;
      float next = -INFINITY;
      int own = P::OUTPUTS;
      for (int c = lane; c < P::OUTPUTS; c += WARP) {
        const bool behind = logits[c] < last || (logits[c] == last && c > choice);
        if (behind && (own == P::OUTPUTS || logits[c] > next)) next = logits[c], own = c;
      }
      last = max_lanes(next);
      choice = min_lanes(next == last ? own : P::OUTPUTS);
    }
  });
}
