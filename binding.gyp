{
  "targets": [
    {
      "target_name": "deepts",
      "sources": [
        "kernels/bind/napi/addon.cpp",
        "kernels/bind/napi/host.cpp",
        "kernels/cpu/dispatch.cpp",
        "kernels/cpu/encode/encode.cpp",
        "kernels/cpu/encode/target_scalar.cpp",
        "kernels/cpu/encode/target_avx2.cpp",
        "kernels/cpu/executor.cpp",
        "kernels/cpu/late_packing.cpp",
        "kernels/bind/napi/mapping.cpp",
        "kernels/cpu/machine_speed.cpp",
        "kernels/cpu/plan_reader.cpp",
        "kernels/cpu/pool.cpp",
        "kernels/cpu/weight.cpp",
        "kernels/cpu/targets/scalar.cpp",
        "kernels/cpu/targets/avx2.cpp",
        "kernels/cpu/targets/avx512.cpp",
        "kernels/cpu/targets/neon.cpp",
        "kernels/cpu/qgemm/target_scalar.cpp",
        "kernels/cpu/qgemm/target_avx2.cpp",
        "kernels/cpu/qgemm/target_avxvnni.cpp",
        "kernels/cpu/qgemm/target_avx512vnni.cpp",
        "kernels/cpu/qgemm/target_neondot.cpp",
        "kernels/cpu/qgemm/target_neoni8mm.cpp"
      ],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=8", "NODE_ADDON_API_CPP_EXCEPTIONS_ALL", "NAPI_CPP_EXCEPTIONS", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
      "cflags!": ["-fno-exceptions", "-fno-omit-frame-pointer"],
      "cflags_cc!": ["-fno-exceptions", "-std=gnu++17", "-std=gnu++1y", "-fno-rtti"],
      "cflags_cc": ["-std=c++20", "-O3", "-fexceptions", "-ffp-contract=off", "-fno-math-errno", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-parentheses", "-Wno-uninitialized", "-Wno-maybe-uninitialized"],
      "xcode_settings": {
        "GCC_ENABLE_CPP_EXCEPTIONS": "YES",
        "CLANG_CXX_LANGUAGE_STANDARD": "c++20",
        "CLANG_CXX_LIBRARY": "libc++",
        "GCC_OPTIMIZATION_LEVEL": "3",
        "MACOSX_DEPLOYMENT_TARGET": "11.0",
        "OTHER_CPLUSPLUSFLAGS": ["-ffp-contract=off", "-fno-math-errno"]
      },
      "msvs_settings": {
        "VCCLCompilerTool": { "ExceptionHandling": 1, "AdditionalOptions": ["/std:c++20", "/fp:precise"] }
      }
    }
  ]
}
