# SPDX-License-Identifier: Apache-2.0
# Writes build_info.h with what reports say about this build. Run as a script before every build
# (cmake -P), so that the revision is that of the build and not of the configuration; the file is
# rewritten only when it changed.
# Needs -D: SOURCE_DIR OUTPUT VERSION PRESET BUILD_TYPE SANITIZER COMPILER LINKER_PROGRAM LLVM_VERSION
# LLVM_STATIC
set(revision "unavailable")
set(dirty -1)
find_program(git NAMES git)
if(git)
  execute_process(COMMAND ${git} -C ${SOURCE_DIR} rev-parse HEAD
    OUTPUT_VARIABLE found ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE code)
  if(code EQUAL 0)
    set(revision ${found})
    execute_process(COMMAND ${git} -C ${SOURCE_DIR} status --porcelain --untracked-files=no
      OUTPUT_VARIABLE changes ERROR_QUIET RESULT_VARIABLE code)
    if(code EQUAL 0 AND changes STREQUAL "")
      set(dirty 0)
    elseif(code EQUAL 0)
      set(dirty 1)
    endif()
  endif()
endif()
set(linker "unavailable")
execute_process(COMMAND ${LINKER_PROGRAM} --version OUTPUT_VARIABLE found ERROR_QUIET RESULT_VARIABLE code)
if(code EQUAL 0)
  string(REGEX MATCH "^[^\n\"\\\\]+" linker "${found}")
endif()
if(LLVM_STATIC)
  set(llvm_static 1)
else()
  set(llvm_static 0)
endif()
set(text "/* Made by JitduelBuildInfo.cmake. */
#define JD_BUILD_GIT_REVISION \"${revision}\"
#define JD_BUILD_GIT_DIRTY ${dirty}
#define JD_BUILD_VERSION \"${VERSION}\"
#define JD_BUILD_PRESET \"${PRESET}\"
#define JD_BUILD_TYPE \"${BUILD_TYPE}\"
#define JD_BUILD_SANITIZER \"${SANITIZER}\"
#define JD_BUILD_COMPILER \"${COMPILER}\"
#define JD_BUILD_LINKER \"${linker}\"
#define JD_BUILD_LLVM_VERSION \"${LLVM_VERSION}\"
#define JD_BUILD_LLVM_STATIC ${llvm_static}
")
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "${text}" @ONLY)
