# SPDX-License-Identifier: Apache-2.0
# Language level, warnings and sanitizers, as one interface library that every room links.

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})

set(JD_PRESET "custom" CACHE STRING "name of the preset, recorded in reports")
set(JD_SANITIZE "" CACHE STRING "value for -fsanitize=, empty for none")
option(JD_WERROR "treat warnings as errors" OFF)
option(JD_FUZZ "build the fuzz targets; wants clang" OFF)
option(JD_ASSERTIONS "keep assert() in optimised builds" OFF)

if(JD_ASSERTIONS)
  string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELWITHDEBINFO "${CMAKE_C_FLAGS_RELWITHDEBINFO}")
  string(REPLACE "-DNDEBUG" "" CMAKE_CXX_FLAGS_RELWITHDEBINFO "${CMAKE_CXX_FLAGS_RELWITHDEBINFO}")
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Debug")
  add_compile_options(-Og)
endif()

add_library(jd_flags INTERFACE)
target_compile_definitions(jd_flags INTERFACE _GNU_SOURCE)
target_compile_options(jd_flags INTERFACE
  $<$<COMPILE_LANGUAGE:C,CXX>:-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wvla -Wundef
  -Wcast-qual -Wformat=2>
  $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wmissing-prototypes>)
if(JD_WERROR)
  target_compile_options(jd_flags INTERFACE $<$<COMPILE_LANGUAGE:C,CXX>:-Werror>)
endif()
if(JD_SANITIZE)
  target_compile_options(jd_flags INTERFACE -fsanitize=${JD_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(jd_flags INTERFACE -fsanitize=${JD_SANITIZE})
endif()

# One library of a room: jd_room(<target> SOURCES ... [DEPENDS ...] [INCLUDES ...] [PUBLIC_INCLUDES ...])
# DEPENDS are PUBLIC: what a room's headers need, its users get; nothing else is on the include path.
function(jd_room name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;PRIVATE_DEPENDS;INCLUDES;PUBLIC_INCLUDES" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC jd_flags ${ARG_DEPENDS} PRIVATE ${ARG_PRIVATE_DEPENDS})
  target_include_directories(${name} PUBLIC ${ARG_PUBLIC_INCLUDES} PRIVATE ${ARG_INCLUDES})
endfunction()
