// A CUDA runtime and driver that execute kernels on the CPU: what the compiled model's host side calls, and no more.
// Memory of the device is memory of the host that ends at a forbidden page, known to the host by marked addresses that it
// cannot follow; streams do everything at once.
#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "device.cuh"

#undef __shared__
#undef threadIdx
#undef blockIdx
#undef blockDim
#undef gridDim

namespace emulator {
Dim thread, block, block_size, grid;
unsigned char* shared;

namespace {
[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "emulator: block %u,%u thread %u: %s\n", block.x, block.y, thread.x, what);
  std::abort();
}

constexpr int WARP = 32;
constexpr size_t STACK_BYTES = 64 << 10;
constexpr unsigned char RUBBISH = 0xff, WALL = 0xa5;
constexpr size_t WALL_BYTES = 256;

struct Copy {
  void* to;
  const void* from;
  bool valid;
};

struct Meeting {
  unsigned present = 0, held = 0;
  std::vector<char> given[2];
};

struct Fibre {
  void* stack_pointer = nullptr;
  std::unique_ptr<char[]> stack{new char[STACK_BYTES]};
  bool done = true;
  std::vector<std::vector<Copy>> groups;
};

void* scheduler;
std::vector<Fibre> fibres;
std::vector<Meeting> warps;
Meeting whole;
unsigned running, left;
const Work* work;

// Saves what a call must keep on one stack and takes it up from another.
extern "C" void switch_stacks(void** from, void* to);
asm(R"(
.text
switch_stacks:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");

void yield() { switch_stacks(&fibres[running].stack_pointer, scheduler); }

void begin() {
  (*work)();
  if (!fibres[running].groups.empty()) finish_groups(0);
  fibres[running].done = true;
  left--;
  yield();
  fail("went on after its end");
}

void prepare(Fibre& fibre) {
  auto top = reinterpret_cast<uintptr_t>(fibre.stack.get() + STACK_BYTES) & ~uintptr_t{15};
  auto** stack = reinterpret_cast<void**>(top) - 8;
  for (int i = 0; i < 6; i++) stack[i] = nullptr;
  stack[6] = reinterpret_cast<void*>(begin);
  stack[7] = nullptr;
  fibre.stack_pointer = stack;
  fibre.done = false;
  fibre.groups.assign(1, {});
}

void wait_for(Meeting& meeting, unsigned expected) {
  const unsigned mine = meeting.held;
  if (++meeting.present == expected) {
    meeting.present = 0;
    meeting.held++;
    return;
  }
  while (meeting.held == mine) {
    yield();
    // Threads that have ended count as present.
    if (&meeting == &whole && meeting.held == mine && meeting.present == left) {
      meeting.present = 0;
      meeting.held++;
    }
  }
}

void run_block(unsigned threads) {
  if (fibres.size() < threads) fibres.resize(threads);
  warps.assign((threads + WARP - 1) / WARP, {});
  whole = {};
  for (unsigned i = 0; i < threads; i++) prepare(fibres[i]);
  left = threads;
  while (left) {
    unsigned moved = left, held = whole.held;
    for (auto& warp : warps) held += warp.held;
    for (unsigned i = 0; i < threads; i++) {
      if (fibres[i].done) continue;
      running = i;
      thread = {i, 0, 0};
      switch_stacks(&scheduler, fibres[i].stack_pointer);
    }
    moved -= left;
    unsigned after = whole.held;
    for (auto& warp : warps) after += warp.held;
    if (left && !moved && after == held) fail("waits for threads that never come");
  }
}
}  // namespace

void meet_block() { wait_for(whole, left); }

void* in_device(const void* address) {
  const auto marked = reinterpret_cast<uintptr_t>(address);
  if (marked && !(marked & DEVICE_MARK)) fail("was given an address of the host");
  return reinterpret_cast<void*>(marked & ~DEVICE_MARK);
}

const void* meet_warp(const void* own, int bytes) {
  Meeting& meeting = warps[running / WARP];
  std::vector<char>& given = meeting.given[meeting.held % 2];
  if (given.size() < static_cast<size_t>(bytes * WARP)) given.resize(64 * WARP);
  std::memcpy(given.data() + running % WARP * bytes, own, bytes);
  wait_for(meeting, WARP);
  return given.data();
}

void copy_later(void* to, const void* from, bool valid) { fibres[running].groups.back().push_back({to, from, valid}); }
void close_group() { fibres[running].groups.emplace_back(); }
void finish_groups(int pending) {
  auto& groups = fibres[running].groups;
  while (groups.size() > static_cast<size_t>(pending) + 1) {
    for (const Copy& copy : groups.front()) {
      if (copy.valid) std::memcpy(copy.to, copy.from, 16);
      else std::memset(copy.to, 0, 16);
    }
    groups.erase(groups.begin());
  }
}

extern "C" void emulate(Work* kernel, unsigned x, unsigned y, unsigned threads, unsigned shared_bytes) {
  std::vector<unsigned char> memory(shared_bytes + WALL_BYTES + 128);
  shared = memory.data() + (128 - reinterpret_cast<uintptr_t>(memory.data()) % 128);
  work = kernel;
  grid = {x, y, 1};
  block_size = {threads, 1, 1};
  for (block.y = 0; block.y < y; block.y++)
    for (block.x = 0; block.x < x; block.x++) {
      std::memset(shared, RUBBISH, shared_bytes);
      std::memset(shared + shared_bytes, WALL, WALL_BYTES);
      run_block(threads);
      for (size_t i = 0; i < WALL_BYTES; i++)
        if (shared[shared_bytes + i] != WALL) fail("wrote beyond its shared memory");
    }
}
}  // namespace emulator

namespace {
constexpr int cudaSuccess = 0, cudaErrorMemoryAllocation = 2, cudaErrorInvalidDevicePointer = 17;
constexpr int cudaErrorInvalidDevice = 101, cudaErrorLaunchFailure = 719, cudaErrorStreamCaptureUnsupported = 900;

struct Launch {
  std::unique_ptr<emulator::Work> work;
  unsigned x, y, threads, shared_bytes;
  void run() const { emulator::emulate(work.get(), x, y, threads, shared_bytes); }
};
using Graph = std::vector<Launch>;

bool capturing;
std::unique_ptr<Graph> captured;
std::map<void*, std::pair<void*, size_t>> areas;
std::map<std::string, size_t> counts;
std::map<void*, unsigned> allowed;
constexpr size_t ALIGNMENT = 64, MEMORY_BYTES = size_t{1} << 30;
constexpr unsigned EASY_SHARED_BYTES = 48 << 10;

void count(const char* what) { counts[what]++; }

int allocate(void** pointer, size_t bytes) {
  if (capturing) return cudaErrorStreamCaptureUnsupported;
  if (bytes > MEMORY_BYTES) return cudaErrorMemoryAllocation;
  const size_t page = sysconf(_SC_PAGESIZE), used = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  const size_t pages = (used + page - 1) / page * page;
  auto* area = static_cast<char*>(mmap(nullptr, pages + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (area == MAP_FAILED) return cudaErrorMemoryAllocation;
  mprotect(area + pages, page, PROT_NONE);
  std::memset(area, 0xff, pages);
  *pointer = area + pages - used;
  areas[*pointer] = {area, pages + page};
  return cudaSuccess;
}

void* marked(void* pointer) { return reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(pointer) | emulator::DEVICE_MARK); }

int release(void* pointer) {
  if (!pointer) return cudaSuccess;
  const auto found = areas.find(pointer);
  if (found == areas.end()) return cudaErrorInvalidDevicePointer;
  munmap(found->second.first, found->second.second);
  areas.erase(found);
  return cudaSuccess;
}
}  // namespace

// Types and numbers of CUDA's headers, as far as they are used.
using CUresult = int;
using cudaError_t = int;
using CUmodule = void*;
using CUfunction = void*;
using cudaStream_t = void*;
using cudaEvent_t = void*;
using cudaGraph_t = Graph*;
using cudaGraphExec_t = Graph*;
struct CUlaunchConfig {
  unsigned gridDimX, gridDimY, gridDimZ, blockDimX, blockDimY, blockDimZ, sharedMemBytes;
  void* stream;
};
constexpr int CUDA_SUCCESS = 0, CUDA_ERROR_INVALID_VALUE = 1, CUDA_ERROR_INVALID_IMAGE = 200, CUDA_ERROR_NOT_FOUND = 500;
constexpr int CUDA_ERROR_NOT_SUPPORTED = 801, MAX_DYNAMIC_SHARED_SIZE_BYTES = 8;

extern "C" {
// For the tests: how often something was done, or how many areas of memory there are.
size_t emulator_count(const char* what) { return what == std::string("areas") ? areas.size() : counts[what]; }

CUresult cuGetErrorName(CUresult, const char** name) { return *name = "EMULATED", CUDA_SUCCESS; }
CUresult cuGetErrorString(CUresult, const char** text) { return *text = "emulated", CUDA_SUCCESS; }
CUresult cuDeviceGetName(char* name, int size, int) { return std::snprintf(name, size, "emulated"), CUDA_SUCCESS; }
CUresult cuFuncSetAttribute(CUfunction function, int attribute, int value) {
  if (attribute == MAX_DYNAMIC_SHARED_SIZE_BYTES) allowed[function] = value;
  return CUDA_SUCCESS;
}
CUresult cuModuleLoadData(CUmodule* module, const void* image) {
  // The path of a library with the kernels, behind the four bytes by which a fat binary begins.
  void* library = dlopen(static_cast<const char*>(image) + 4, RTLD_NOW | RTLD_LOCAL);
  if (!library) std::fprintf(stderr, "emulator: %s\n", dlerror());
  *module = library;
  return library ? CUDA_SUCCESS : CUDA_ERROR_INVALID_IMAGE;
}
CUresult cuModuleUnload(CUmodule) { return CUDA_SUCCESS; }
CUresult cuModuleGetFunction(CUfunction* function, CUmodule library, const char* name) {
  *function = (dlsym(library, (std::string("bind_") + name).c_str()));
  return *function ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}
CUresult cuLaunchKernelEx(const CUlaunchConfig* config, CUfunction function, void** arguments, void**) {
  if (config->sharedMemBytes > std::max(EASY_SHARED_BYTES, allowed[function])) return CUDA_ERROR_INVALID_VALUE;
  auto* bind = reinterpret_cast<emulator::Bind>(function);
  Launch launch{std::unique_ptr<emulator::Work>(bind(arguments)), config->gridDimX, config->gridDimY, config->blockDimX, config->sharedMemBytes};
  if (capturing) captured->push_back(std::move(launch));
  else count("launches"), launch.run();
  return CUDA_SUCCESS;
}
CUresult cuTensorMapEncodeTiled() { return CUDA_ERROR_NOT_SUPPORTED; }

cudaError_t cudaGetDeviceCount(int* devices) {
  // EMULATED_DRIVER: the error that a driver gives which finds no GPU.
  if (const char* error = std::getenv("EMULATED_DRIVER")) return std::atoi(error);
  const char* shown = std::getenv("CUDA_VISIBLE_DEVICES");
  *devices = shown ? 1 + std::count(shown, shown + std::strlen(shown), ',') : 2;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) { return *device = 0, cudaSuccess; }
cudaError_t cudaSetDevice(int device) { return device < 2 ? cudaSuccess : cudaErrorInvalidDevice; }
cudaError_t cudaDeviceGetAttribute(int* value, int attribute, int) {
  // Warp, threads of a block, compute capability, shared memory of a block and with leave, multiprocessors.
  const std::map<int, int> known{{10, 32}, {1, 1024}, {75, 9}, {76, 0}, {8, 48 << 10}, {97, 227 << 10}, {16, 132}};
  const auto found = known.find(attribute);
  return *value = found == known.end() ? 0 : found->second, cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(char* name, int) {
  return std::strcpy(name, "emulated"), cudaSuccess;
}
const char* cudaGetErrorName(cudaError_t) { return "emulated"; }
const char* cudaGetErrorString(cudaError_t error) { return error == cudaErrorMemoryAllocation ? "out of memory" : "emulated"; }
cudaError_t cudaGetLastError() { return cudaSuccess; }
cudaError_t cudaPeekAtLastError() { return cudaSuccess; }
cudaError_t cudaMalloc(void** pointer, size_t bytes) {
  const int error = allocate(pointer, bytes);
  if (!error) *pointer = marked(*pointer);
  return error;
}
cudaError_t cudaFree(void* pointer) { return release(emulator::in_device(pointer)); }
cudaError_t cudaMallocHost(void** pointer, size_t bytes) { return allocate(pointer, bytes); }
cudaError_t cudaFreeHost(void* pointer) { return release(pointer); }
cudaError_t cudaMemGetInfo(size_t* available, size_t* total) { return *available = *total = MEMORY_BYTES, cudaSuccess; }
// `kind` is 1 to the device, 2 from it, 3 within it.
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, int kind, cudaStream_t) {
  if (capturing) return cudaErrorStreamCaptureUnsupported;
  count("copies");
  if (kind & 1) to = emulator::in_device(to);
  if (kind & 2) from = emulator::in_device(from);
  return std::memmove(to, from, bytes), cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t) {
  if (capturing) return cudaErrorStreamCaptureUnsupported;
  return std::memset(emulator::in_device(to), value, bytes), cudaSuccess;
}
cudaError_t cudaMemcpyPeerAsync(void* to, int, const void* from, int, size_t bytes, cudaStream_t) {
  return std::memmove(emulator::in_device(to), emulator::in_device(from), bytes), cudaSuccess;
}
cudaError_t cudaStreamCreate(cudaStream_t* stream) { return *stream = reinterpret_cast<void*>(0x10), cudaSuccess; }
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) { return cudaStreamCreate(stream); }
cudaError_t cudaStreamDestroy(cudaStream_t) { return cudaSuccess; }
cudaError_t cudaStreamSynchronize(cudaStream_t) { return capturing ? cudaErrorStreamCaptureUnsupported : cudaSuccess; }
cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned) { return cudaSuccess; }
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, int) {
  if (!stream || capturing) return cudaErrorStreamCaptureUnsupported;
  capturing = true;
  return captured = std::make_unique<Graph>(), cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t* graph) {
  capturing = false;
  return *graph = captured.release(), cudaSuccess;
}
// An executable graph is the graph that it was made of.
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) { return *executable = graph, cudaSuccess; }
cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t) {
  count("graphs");
  // EMULATED_FAULT=1: the GPU of that number dies of its first graph.
  const char *fault = std::getenv("EMULATED_FAULT"), *own = std::getenv("CUDA_VISIBLE_DEVICES");
  if (fault && own && std::string(fault) == own) return cudaErrorLaunchFailure;
  for (const Launch& launch : *graph) launch.run();
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t) { return cudaSuccess; }
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) { return delete graph, cudaSuccess; }
cudaError_t cudaEventCreate(cudaEvent_t* event) { return *event = reinterpret_cast<void*>(0x20), cudaSuccess; }
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) { return cudaEventCreate(event); }
cudaError_t cudaEventDestroy(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) { return cudaSuccess; }
cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t, cudaEvent_t) { return *milliseconds = 0, cudaSuccess; }
}
