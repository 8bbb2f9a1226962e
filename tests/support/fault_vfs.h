/* SQLite on a fault_disk: the default VFS of the process, on top of "unix". It promises what that one promises: the folder is synced with
 * the first sync of a journal, log or super-journal that was opened to be made (and whether that succeeds nobody is told), and by a deletion
 * that asks for it, after the file has gone. Nothing is really synced, so tests are fast. */
#ifndef MTNT_TESTS_FAULT_VFS_H
#define MTNT_TESTS_FAULT_VFS_H

void fault_vfs_install(void);

#endif
