/* Points at which a process can die: before each system call that changes a file or talks to a server. The functions of libc that make them
 * are replaced in the test's executable, which sqlite3 and libpq then use too; the library itself knows nothing of it. */
#ifndef MTNT_TESTS_POINTS_H
#define MTNT_TESTS_POINTS_H

/* From now on points are counted; the process kills itself (SIGKILL) at the at-th, 0 = never. */
void points_arm(int at);
/* The same, but it is stopped there (SIGSTOP), and goes on when it is woken. */
void points_arm_stop(int at);
/* How many there have been since. */
int points_passed(void);

#endif
