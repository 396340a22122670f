# SPDX-License-Identifier: Apache-2.0
# Writes the link graph of the configured tree for the layering test: one line per fact, tab
# separated, after every target exists. Facts: "target NAME FOLDER", "link NAME LIBRARY" (what NAME
# itself compiles and links with), "interface NAME LIBRARY" (what users of NAME get),
# "exposes NAME FOLDER" (include directories that users of NAME get; folders of the tree relative).

function(jd_write_link_graph file)
  set(pending "${PROJECT_SOURCE_DIR}")
  set(facts "")
  while(pending)
    list(POP_FRONT pending directory)
    get_property(children DIRECTORY "${directory}" PROPERTY SUBDIRECTORIES)
    list(APPEND pending ${children})
    get_property(targets DIRECTORY "${directory}" PROPERTY BUILDSYSTEM_TARGETS)
    file(RELATIVE_PATH relative "${PROJECT_SOURCE_DIR}" "${directory}")
    foreach(target IN LISTS targets)
      string(APPEND facts "target\t${target}\t${relative}\n")
      get_target_property(type ${target} TYPE)
      set(properties "interface:INTERFACE_LINK_LIBRARIES" "exposes:INTERFACE_INCLUDE_DIRECTORIES")
      if(NOT type STREQUAL "INTERFACE_LIBRARY")
        list(APPEND properties "link:LINK_LIBRARIES")
      endif()
      foreach(pair IN LISTS properties)
        string(REGEX REPLACE "(.*):(.*)" "\\1;\\2" pair "${pair}")
        list(GET pair 0 fact)
        list(GET pair 1 property)
        get_target_property(values ${target} ${property})
        if(values)
          foreach(value IN LISTS values)
            string(REPLACE "${PROJECT_SOURCE_DIR}/" "" value "${value}")
            string(APPEND facts "${fact}\t${target}\t${value}\n")
          endforeach()
        endif()
      endforeach()
    endforeach()
  endwhile()
  file(WRITE "${file}" "${facts}") # as it is: GENERATE would evaluate $<LINK_ONLY:...>
endfunction()
