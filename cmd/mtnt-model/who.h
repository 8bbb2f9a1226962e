/* Who runs this, for audit rows. */
#ifndef MTNT_COMMAND_WHO_H
#define MTNT_COMMAND_WHO_H

/* "ann@db-7" */
#define MTNT__WHO_SIZE 256
void mtnt__who(char ret_who[MTNT__WHO_SIZE]);

#endif
