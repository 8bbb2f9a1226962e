#ifndef MTNT_TESTS_TICKING_H
#define MTNT_TESTS_TICKING_H

#include <stdbool.h>
#include <stdint.h>

void ticking_stop(bool stop);
int64_t ticking_look(void);

#endif
