# How tests are declared. Every test knows where the built command and its own folders are:
#   MTNT_BIN                 the mtnt-model executable
#   MTNT_TEST_SOURCE_DIR     the top of the source tree
#   MTNT_TEST_BUILD_DIR      the top of the build tree
#   MTNT_TEST_PG             (from the caller, see run.sh) how to reach the private PostgreSQL server

pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka>=1.1.5)

set(MTNT_TEST_ENVIRONMENT
    MTNT_BIN=${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/mtnt-model
    MTNT_TEST_SOURCE_DIR=${PROJECT_SOURCE_DIR}
    MTNT_TEST_BUILD_DIR=${PROJECT_BINARY_DIR}
    ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
    LSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/support/lsan.supp:print_suppressions=0
    UBSAN_OPTIONS=print_stacktrace=1
    TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:suppressions=${PROJECT_SOURCE_DIR}/tests/support/tsan.supp)

# A sanitizer makes everything slower, on a busy machine by much.
set(MTNT_TEST_TIMEOUT 120)
if(MTNT_SANITIZE)
    set(MTNT_TEST_TIMEOUT 600)
endif()

function(mtnt_register_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "NEEDS_POSTGRES" "TIMEOUT;CONFIGURATION" "COMMAND;LABELS")
    set(command ${arg_COMMAND})
    if(arg_NEEDS_POSTGRES)
        list(PREPEND command sh ${PROJECT_SOURCE_DIR}/tests/needs-postgres.sh)
        list(APPEND arg_LABELS postgres)
    endif()
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT ${MTNT_TEST_TIMEOUT})
    endif()
    set(configuration)
    if(arg_CONFIGURATION)
        set(configuration CONFIGURATIONS ${arg_CONFIGURATION})
    endif()
    add_test(NAME ${name} COMMAND ${command} ${configuration})
    set_tests_properties(${name} PROPERTIES
        LABELS "${arg_LABELS}"
        TIMEOUT ${arg_TIMEOUT}
        ENVIRONMENT "${MTNT_TEST_ENVIRONMENT}")
endfunction()

# mtnt_test(NAME SOURCES file… [LINK library…] LABELS label… [TIMEOUT s] [NEEDS_POSTGRES] [VALGRIND])
# A cmocka executable, linked with the internal static libraries that LINK names, so that hidden
# functions can be tested. VALGRIND: the same again under valgrind as valgrind.NAME, run by
# `ctest -C valgrind -L valgrind`.
function(mtnt_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "NEEDS_POSTGRES;VALGRIND" "TIMEOUT" "SOURCES;LINK;LABELS")
    if(arg_UNPARSED_ARGUMENTS OR NOT arg_SOURCES OR NOT arg_LABELS)
        message(FATAL_ERROR "mtnt_test(${name}): needs SOURCES and LABELS; unexpected: ${arg_UNPARSED_ARGUMENTS}")
    endif()
    add_executable(${name} ${arg_SOURCES})
    target_link_libraries(${name} PRIVATE ${arg_LINK} mtnt_test_support PkgConfig::CMOCKA)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)

    set(how LABELS ${arg_LABELS} TIMEOUT ${arg_TIMEOUT})
    set(needs)
    if(arg_NEEDS_POSTGRES)
        set(needs NEEDS_POSTGRES)
    endif()
    mtnt_register_test(${name} COMMAND $<TARGET_FILE:${name}> ${how} ${needs})
    if(arg_VALGRIND)
        mtnt_register_test(valgrind.${name} COMMAND ${MTNT_VALGRIND} $<TARGET_FILE:${name}> ${needs}
            CONFIGURATION valgrind LABELS valgrind TIMEOUT 600)
    endif()
endfunction()

set(MTNT_VALGRIND valgrind --quiet --leak-check=full --show-leak-kinds=definite,possible --error-exitcode=99
    --trace-children=yes --suppressions=${PROJECT_SOURCE_DIR}/tests/support/valgrind.supp)

# mtnt_script_test(NAME SCRIPT file.sh [ARGS word…] LABELS label… [TIMEOUT s] [NEEDS_POSTGRES] [VALGRIND])
# A shell script as a test: exit 0 is success. Under VALGRIND it runs again with MTNT_VALGRIND set to
# the words to put before the command.
function(mtnt_script_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "NEEDS_POSTGRES;VALGRIND" "SCRIPT;TIMEOUT" "ARGS;LABELS")
    if(arg_UNPARSED_ARGUMENTS OR NOT arg_SCRIPT OR NOT arg_LABELS)
        message(FATAL_ERROR "mtnt_script_test(${name}): needs SCRIPT and LABELS; unexpected: ${arg_UNPARSED_ARGUMENTS}")
    endif()
    cmake_path(ABSOLUTE_PATH arg_SCRIPT)
    set(needs)
    if(arg_NEEDS_POSTGRES)
        set(needs NEEDS_POSTGRES)
    endif()
    mtnt_register_test(${name} COMMAND sh ${arg_SCRIPT} ${arg_ARGS} LABELS ${arg_LABELS} TIMEOUT ${arg_TIMEOUT} ${needs})
    if(arg_VALGRIND)
        mtnt_register_test(valgrind.${name} COMMAND sh ${arg_SCRIPT} ${arg_ARGS} ${needs}
            CONFIGURATION valgrind LABELS valgrind TIMEOUT 600)
        list(JOIN MTNT_VALGRIND " " words)
        set_property(TEST valgrind.${name} APPEND PROPERTY ENVIRONMENT "MTNT_VALGRIND=${words}")
    endif()
endfunction()

# mtnt_fuzz(NAME SOURCES file… [LINK library…] [CORPUS folder])
# SOURCES define LLVMFuzzerTestOneInput. In the fuzz preset a libFuzzer run of MTNT_FUZZ_SECONDS
# (label fuzz) that starts from CORPUS; elsewhere every file of CORPUS is replayed once (label unit).
add_custom_target(fuzz_targets)
set(MTNT_FUZZ_SECONDS 10 CACHE STRING "How long each fuzz target runs as a test")
function(mtnt_fuzz name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "CORPUS" "SOURCES;LINK")
    if(arg_UNPARSED_ARGUMENTS OR NOT arg_SOURCES OR NOT arg_CORPUS)
        message(FATAL_ERROR "mtnt_fuzz(${name}): needs SOURCES and CORPUS; unexpected: ${arg_UNPARSED_ARGUMENTS}")
    endif()
    cmake_path(ABSOLUTE_PATH arg_CORPUS)
    add_executable(${name} ${arg_SOURCES})
    target_link_libraries(${name} PRIVATE ${arg_LINK})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
    add_dependencies(fuzz_targets ${name})
    if(MTNT_FUZZ)
        target_link_options(${name} PRIVATE -fsanitize=fuzzer)
        set(found ${CMAKE_CURRENT_BINARY_DIR}/${name}.corpus)
        file(MAKE_DIRECTORY ${found})
        mtnt_register_test(${name} LABELS fuzz TIMEOUT 300
            COMMAND $<TARGET_FILE:${name}> -max_total_time=${MTNT_FUZZ_SECONDS} -timeout=10 -max_len=65536
                    -verbosity=0 -print_final_stats=1 -artifact_prefix=${CMAKE_CURRENT_BINARY_DIR}/${name}. ${found} ${arg_CORPUS})
    else()
        target_sources(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/support/fuzz_replay.c)
        mtnt_register_test(${name} LABELS unit COMMAND $<TARGET_FILE:${name}> ${arg_CORPUS})
    endif()
endfunction()
