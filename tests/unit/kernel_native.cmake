# SPDX-License-Identifier: Apache-2.0
# Runs a natively compiled kernel and compares what it prints, and its exit code, with what its
# descriptor expects. cmake -DPROGRAM=... -DDESCRIPTOR=... [-DEMULATOR=...] -P kernel_native.cmake
file(STRINGS "${DESCRIPTOR}" lines REGEX "^(expected|exit_code) *=")
set(exit_code 0)
foreach(line IN LISTS lines)
  string(REGEX MATCH "^([a-z_]+) *= *(.*)$" matched "${line}")
  set(${CMAKE_MATCH_1} "${CMAKE_MATCH_2}")
endforeach()
cmake_path(GET DESCRIPTOR PARENT_PATH folder)
file(READ "${folder}/${expected}" wanted)
execute_process(COMMAND ${EMULATOR} "${PROGRAM}" INPUT_FILE /dev/null OUTPUT_VARIABLE printed
  RESULT_VARIABLE code)
if(NOT code STREQUAL exit_code)
  message(FATAL_ERROR "exit code ${code}, expected ${exit_code}")
endif()
if(NOT printed STREQUAL wanted)
  message(FATAL_ERROR "printed:\n${printed}\nexpected:\n${wanted}")
endif()
