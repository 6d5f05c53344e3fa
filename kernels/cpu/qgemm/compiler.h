// What differs between GCC and Clang.
#pragma once

#define DTS_INLINE __attribute__((always_inline)) inline
#define DTS_INLINE_LAMBDA __attribute__((always_inline))
#define DTS_PRAGMA(x) _Pragma(#x)

// DTS_UNROLL, before a loop of few, constant rounds: unrolled entirely, so that arrays indexed by its variable live in
// registers. With DTS_ROLLED, which sanitizers need to compile in reasonable time, it stays a loop.
#if defined(DTS_ROLLED)
#define DTS_UNROLL
#elif defined(__clang__)
#define DTS_UNROLL _Pragma("clang loop unroll(full)")
#else
#define DTS_UNROLL _Pragma("GCC unroll 16")
#endif

// DTS_OPAQUE(v): the compiler takes v for unknown from here on, so that it forms no induction variables from it.
#define DTS_OPAQUE(v) __asm__("" : "+r"(v))

// DTS_REGION(features) ... DTS_REGION_END: functions in between are compiled for these instruction sets.
#ifdef __clang__
#define DTS_REGION(features) DTS_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define DTS_REGION_END _Pragma("clang attribute pop")
#else
#define DTS_REGION(features) _Pragma("GCC push_options") DTS_PRAGMA(GCC target(features))
#define DTS_REGION_END _Pragma("GCC pop_options")
#endif
