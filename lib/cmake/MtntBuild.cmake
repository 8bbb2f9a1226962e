# How every target is compiled, and how the folders become libraries.

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")

if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()

add_compile_definitions(_GNU_SOURCE)
add_compile_options(-Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes)
if(MTNT_WERROR)
    add_compile_options(-Werror)
endif()
add_link_options(-Wl,--as-needed)

if(MTNT_SANITIZE)
    add_compile_options(-fsanitize=${MTNT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${MTNT_SANITIZE})
endif()
if(MTNT_FUZZ)
    if(NOT CMAKE_C_COMPILER_ID STREQUAL "Clang")
        message(FATAL_ERROR "MTNT_FUZZ needs clang (libFuzzer): configure with CC=clang")
    endif()
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# A shared library may leave nothing undefined. clang keeps the runtime of its sanitizers in the
# executable only, so there the check has to be left to the ordinary build.
function(mtnt_shared_library_options target)
    target_link_options(${target} PRIVATE -Wl,-z,now -Wl,-z,relro)
    if(NOT ((MTNT_SANITIZE OR MTNT_FUZZ) AND CMAKE_C_COMPILER_ID STREQUAL "Clang"))
        target_link_options(${target} PRIVATE -Wl,--no-undefined)
    endif()
    set_target_properties(${target} PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION 0)
endfunction()

# mtnt_internal_library(NAME [SOURCES file…] [DEPENDS internal library…] [EXTERNAL target…]
#                       [INCLUDES folder…] [COMMAND | PUBLIC_HEADERS_ONLY])
#
# One folder, one static library: linked into the tests, where hidden functions can be reached, and
# its objects into libmtnt. With no sources it is an interface library, so that the rest configures.
#   DEPENDS              usage requirements go up: whoever links this links those
#   EXTERNAL             a dependency of this folder's own sources; its headers are seen by nobody else
#   PUBLIC_HEADERS_ONLY  sees lib/include and not lib/; DEPENDS are for the linker alone
#   COMMAND              part of libmtnt-command instead of libmtnt
function(mtnt_internal_library name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "COMMAND;PUBLIC_HEADERS_ONLY" "" "SOURCES;DEPENDS;EXTERNAL;INCLUDES")
    if(arg_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "mtnt_internal_library(${name}): unexpected ${arg_UNPARSED_ARGUMENTS}")
    endif()

    set(includes ${PROJECT_SOURCE_DIR}/lib/include ${arg_INCLUDES})
    set(depends ${arg_DEPENDS})
    if(arg_PUBLIC_HEADERS_ONLY)
        list(TRANSFORM depends PREPEND "$<LINK_ONLY:")
        list(TRANSFORM depends APPEND ">")
    else()
        list(APPEND includes ${PROJECT_SOURCE_DIR}/lib)
    endif()

    if(NOT arg_SOURCES)
        add_library(${name} INTERFACE)
        target_include_directories(${name} INTERFACE ${includes})
        target_link_libraries(${name} INTERFACE ${depends})
        return()
    endif()

    add_library(${name} STATIC ${arg_SOURCES})
    target_include_directories(${name} PUBLIC ${includes})
    target_link_libraries(${name} PRIVATE ${arg_EXTERNAL})
    if(arg_PUBLIC_HEADERS_ONLY)
        target_link_libraries(${name} INTERFACE ${depends})
    else()
        target_link_libraries(${name} PUBLIC ${depends})
    endif()

    if(arg_COMMAND)
        set(whole MTNT_COMMAND)
    else()
        set(whole MTNT_LIBRARY)
    endif()
    set_property(GLOBAL APPEND PROPERTY ${whole}_PARTS ${name})
    set_property(GLOBAL APPEND PROPERTY ${whole}_EXTERNAL ${arg_EXTERNAL})
endfunction()

# Gives the objects of all parts of a whole (MTNT_LIBRARY or MTNT_COMMAND) to a target, with what
# they need from outside.
function(mtnt_add_parts target whole)
    get_property(parts GLOBAL PROPERTY ${whole}_PARTS)
    get_property(external GLOBAL PROPERTY ${whole}_EXTERNAL)
    foreach(part IN LISTS parts)
        target_sources(${target} PRIVATE $<TARGET_OBJECTS:${part}>)
    endforeach()
    list(REMOVE_DUPLICATES external)
    target_link_libraries(${target} PRIVATE ${external})
endfunction()
