// Sums and maxima over the lanes of a warp, always in the same order.
#pragma once
#include "device.cuh"

constexpr int WARP = 32;

// Over each group of LANES lanes; every lane gets the result.
template <int LANES = WARP> DEVICE float sum_lanes(float value) {
  for (int distance = LANES / 2; distance > 0; distance /= 2) value += exchange(value, distance);
  return value;
}
template <int LANES = WARP> DEVICE float max_lanes(float value) {
  for (int distance = LANES / 2; distance > 0; distance /= 2) value = fmaxf(value, exchange(value, distance));
  return value;
}
DEVICE int min_lanes(int value) {
  for (int distance = WARP / 2; distance > 0; distance /= 2) {
    int other = exchange(value, distance);
    value = other < value ? other : value;
  }
  return value;
}

// COUNT values of T at once, 16 bytes or less.
template <class T, int COUNT> struct alignas(sizeof(T) * COUNT) Pack {
  T values[COUNT];
};
