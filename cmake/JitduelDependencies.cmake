# SPDX-License-Identifier: Apache-2.0
# Libraries from the distribution. LLVM is reached only through the two interface targets below.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(JD_FFI REQUIRED IMPORTED_TARGET libffi)
find_package(LLVM 19.1 REQUIRED CONFIG HINTS /usr/lib/llvm-19/lib/cmake/llvm)
if(NOT LLVM_VERSION_MAJOR EQUAL 19)
  message(FATAL_ERROR "jitduel needs LLVM 19, found ${LLVM_PACKAGE_VERSION} (install llvm-19-dev)")
endif()

# The C API, for engines and workload tools.
add_library(jd_llvm INTERFACE)
target_include_directories(jd_llvm SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS})
# Statically, a process starts some 12 ms sooner: nothing of 100 MB has to be mapped and relocated;
# and at a fixed address another 2 ms, that 99,000 relocations of LLVM's tables would take.
option(JD_LLVM_STATIC "link LLVM's static libraries" OFF)
if(JD_LLVM_STATIC)
  llvm_map_components_to_libnames(JD_LLVM_LIBRARIES
    native asmparser bitreader bitwriter irreader linker passes mcjit orcjit orcshared
    orctargetprocess interpreter)
  target_link_libraries(jd_llvm INTERFACE ${JD_LLVM_LIBRARIES})
  target_link_options(jd_llvm INTERFACE LINKER:--as-needed LINKER:--gc-sections -no-pie)
else()
  target_link_libraries(jd_llvm INTERFACE LLVM)
endif()
link_directories(${LLVM_LIBRARY_DIRS})

# The C++ API, for the shims only: LLVM's own flags (no RTTI, no exceptions).
add_library(jd_llvm_cxx INTERFACE)
target_link_libraries(jd_llvm_cxx INTERFACE jd_llvm)
target_compile_definitions(jd_llvm_cxx INTERFACE ${LLVM_DEFINITIONS_LIST})
target_compile_options(jd_llvm_cxx INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-fno-rtti -fno-exceptions -Wno-unused-parameter -Wno-redundant-move>)

find_program(JD_CLANG NAMES clang-19 HINTS /usr/lib/llvm-19/bin DOC "turns workloads into bitcode")
find_program(JD_CLANGXX NAMES clang++-19 HINTS /usr/lib/llvm-19/bin DOC "the same for C++")

# Tests only; BUILD_TESTING is on unless it was switched off.
if(NOT DEFINED BUILD_TESTING OR BUILD_TESTING)
  pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
endif()
