// Everything the kernels include, before a target's region starts: a shared inline function compiled inside a region could
// be the copy that an older CPU runs.
#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "../decode/iq_grids.h"
#include "../decode/number_formats.h"
#include "../dispatch.h"
#include "../scratch.h"
#include "../step.h"
