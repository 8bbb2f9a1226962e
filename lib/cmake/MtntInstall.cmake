# libmtnt (shared and static), libmtnt-command, the executable, and what others find them by.

include(CMakePackageConfigHelpers)

get_property(parts GLOBAL PROPERTY MTNT_LIBRARY_PARTS)
get_property(command_parts GLOBAL PROPERTY MTNT_COMMAND_PARTS)

# An executable in a prefix of its own finds its libraries beside itself.
if(NOT CMAKE_INSTALL_PREFIX STREQUAL "/usr")
    file(RELATIVE_PATH bin_to_lib "/${CMAKE_INSTALL_BINDIR}" "/${CMAKE_INSTALL_LIBDIR}")
    set(CMAKE_INSTALL_RPATH "$ORIGIN" "$ORIGIN/${bin_to_lib}")
endif()

set(targets)
if(parts)
    add_library(mtnt SHARED)
    mtnt_add_parts(mtnt MTNT_LIBRARY)
    mtnt_shared_library_options(mtnt)

    add_library(mtnt_static STATIC)
    mtnt_add_parts(mtnt_static MTNT_LIBRARY)
    set_target_properties(mtnt_static PROPERTIES OUTPUT_NAME mtnt)

    foreach(target mtnt mtnt_static)
        target_include_directories(${target} INTERFACE
            $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/lib/include>
            $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    endforeach()
    add_library(mtnt::mtnt ALIAS mtnt)
    list(APPEND targets mtnt mtnt_static)
endif()

if(command_parts)
    add_library(mtnt_command SHARED)
    mtnt_add_parts(mtnt_command MTNT_COMMAND)
    target_link_libraries(mtnt_command PUBLIC mtnt)
    mtnt_shared_library_options(mtnt_command)
    set_target_properties(mtnt_command PROPERTIES OUTPUT_NAME mtnt-command EXPORT_NAME command)
    add_library(mtnt::command ALIAS mtnt_command)
    list(APPEND targets mtnt_command)
endif()

if(MTNT_MODEL_MAIN)
    add_executable(mtnt-model ${MTNT_MODEL_MAIN})
    target_link_libraries(mtnt-model PRIVATE mtnt_command)
    install(TARGETS mtnt-model RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

if(targets)
    install(TARGETS ${targets} EXPORT mtntTargets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
    install(DIRECTORY lib/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")

    set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/mtnt)
    install(EXPORT mtntTargets NAMESPACE mtnt:: DESTINATION ${package_dir})
    configure_package_config_file(lib/cmake/mtntConfig.cmake.in mtntConfig.cmake INSTALL_DESTINATION ${package_dir})
    write_basic_package_version_file(mtntConfigVersion.cmake COMPATIBILITY SameMinorVersion)
    install(FILES
        ${PROJECT_BINARY_DIR}/mtntConfig.cmake
        ${PROJECT_BINARY_DIR}/mtntConfigVersion.cmake
        DESTINATION ${package_dir})

    # Found from where the .pc file is, so that the whole prefix can be moved.
    cmake_path(APPEND CMAKE_INSTALL_LIBDIR pkgconfig OUTPUT_VARIABLE pc_dir)
    file(RELATIVE_PATH pc_to_prefix "${CMAKE_INSTALL_PREFIX}/${pc_dir}" "${CMAKE_INSTALL_PREFIX}")
    string(REGEX REPLACE "/$" "" pc_to_prefix "${pc_to_prefix}")
    foreach(name mtnt mtnt-command)
        configure_file(lib/cmake/${name}.pc.in ${name}.pc @ONLY)
        install(FILES ${PROJECT_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
    endforeach()
endif()
