# Turns text files into NUL-terminated C arrays. A script and the function that calls it:
#
#   mtnt_embed(TARGET OUT NAME [BASE folder] FILES file…)
#       makes OUT.c and OUT.h in the build folder and the static library TARGET, with OUT.h on its
#       include path. An array is named after the file's path below BASE (default: the caller's folder):
#           controller/sqlite/0001_initial.sql   →   mtnt__sql_controller_sqlite_0001_initial
#           tenants.schema.json                  →   mtnt__schema_tenants
#           anything/else.txt                    →   mtnt__text_anything_else_txt
#       sizeof(array) - 1 is the length of the text. A changed file is embedded again.

function(mtnt_embed_symbol ret_symbol file)
    if(file MATCHES "^(.*)\\.sql$")
        set(symbol "mtnt__sql_${CMAKE_MATCH_1}")
    elseif(file MATCHES "^(.*)\\.schema\\.json$")
        set(symbol "mtnt__schema_${CMAKE_MATCH_1}")
    else()
        set(symbol "mtnt__text_${file}")
    endif()
    string(REGEX REPLACE "[^A-Za-z0-9_]" "_" symbol "${symbol}")
    set(${ret_symbol} "${symbol}" PARENT_SCOPE)
endfunction()

if(CMAKE_SCRIPT_MODE_FILE)
    cmake_minimum_required(VERSION 3.25)

    # cmake -DOUT=… -DBASE=… -DFILES=a|b -P embed.cmake
    get_filename_component(header "${OUT}.h" NAME)
    string(TOUPPER "MTNT_EMBEDDED_${header}" guard)
    string(REGEX REPLACE "[^A-Z0-9_]" "_" guard "${guard}")
    set(h "/* Generated from the files named below. */\n#ifndef ${guard}\n#define ${guard}\n\n")
    set(c "/* Generated. */\n#include \"${header}\"\n")
    set(seen)
    string(REPLACE "|" ";" files "${FILES}")
    foreach(file IN LISTS files)
        mtnt_embed_symbol(symbol "${file}")
        if(symbol IN_LIST seen)
            message(FATAL_ERROR "${file}: another file is already called ${symbol}")
        endif()
        list(APPEND seen "${symbol}")
        file(READ "${BASE}/${file}" bytes HEX)
        string(LENGTH "${bytes}" digits)
        math(EXPR size "${digits} / 2 + 1")
        string(REGEX REPLACE "(..)" "\\\\x\\1" text "${bytes}")
        if(text MATCHES "\\\\x00")
            message(FATAL_ERROR "${file}: a NUL byte in a text")
        endif()
        # Eight bytes a line; a hexadecimal escape ends where the next backslash begins.
        string(REGEX REPLACE "((\\\\x..)(\\\\x..)?(\\\\x..)?(\\\\x..)?(\\\\x..)?(\\\\x..)?(\\\\x..)?(\\\\x..)?)"
               "\"\\1\"\n    " text "${text}")
        string(APPEND h "/* ${file} */\nextern const char ${symbol}[${size}];\n")
        string(APPEND c "\nconst char ${symbol}[${size}] =\n    ${text}\"\";\n")
    endforeach()
    string(APPEND h "\n#endif\n")
    file(WRITE "${OUT}.h" "${h}")
    file(WRITE "${OUT}.c" "${c}")
    return()
endif()

set(MTNT_EMBED_SCRIPT "${CMAKE_CURRENT_LIST_FILE}")

function(mtnt_embed target)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "OUT;BASE" "FILES")
    if(NOT arg_BASE)
        set(arg_BASE "${CMAKE_CURRENT_SOURCE_DIR}")
    endif()
    set(out "${CMAKE_CURRENT_BINARY_DIR}/${arg_OUT}")
    list(TRANSFORM arg_FILES PREPEND "${arg_BASE}/" OUTPUT_VARIABLE depends)
    list(JOIN arg_FILES "|" files)
    add_custom_command(
        OUTPUT "${out}.c" "${out}.h"
        COMMAND "${CMAKE_COMMAND}" "-DOUT=${out}" "-DBASE=${arg_BASE}" "-DFILES=${files}" -P "${MTNT_EMBED_SCRIPT}"
        DEPENDS ${depends} "${MTNT_EMBED_SCRIPT}" "${CMAKE_CURRENT_LIST_FILE}"
        COMMENT "Embedding ${arg_OUT}"
        VERBATIM)
    add_library(${target} STATIC "${out}.c" "${out}.h")
    target_include_directories(${target} PUBLIC "${CMAKE_CURRENT_BINARY_DIR}")
endfunction()
