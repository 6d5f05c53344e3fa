// What the .inl files use, included before a target region: an inline function of the library compiled inside one may be
// the copy that an older CPU runs.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "compiler.h"
#include "layout.h"
#include "qgemm.h"
