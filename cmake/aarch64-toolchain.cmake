# SPDX-License-Identifier: Apache-2.0
# Cross build for AArch64 with the distribution's compiler and arm64 libraries, run under qemu-user.
# scripts/setup-aarch64 makes the sysroot. Programs that the build runs are the host's.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)

get_filename_component(source_dir ${CMAKE_CURRENT_LIST_DIR} DIRECTORY)
set(JD_SYSROOT ${source_dir}/build/sysroot-aarch64 CACHE PATH "made by scripts/setup-aarch64")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES JD_SYSROOT)
if(NOT EXISTS ${JD_SYSROOT}/stamp)
  message(FATAL_ERROR "there is no ${JD_SYSROOT}: run scripts/setup-aarch64")
endif()
set(CMAKE_SYSROOT ${JD_SYSROOT})
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
# Branch targets and return addresses are protected as the distribution's own packages for AArch64
# may be, so that the trampolines are tested under the same rules.
set(CMAKE_C_FLAGS_INIT -mbranch-protection=standard)
set(CMAKE_CXX_FLAGS_INIT -mbranch-protection=standard)
set(CMAKE_ASM_FLAGS_INIT -mbranch-protection=standard)
set(CMAKE_CROSSCOMPILING_EMULATOR ${source_dir}/scripts/run-aarch64)

set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${JD_SYSROOT})
set(ENV{PKG_CONFIG_LIBDIR}
  ${JD_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${JD_SYSROOT}/usr/share/pkgconfig)
