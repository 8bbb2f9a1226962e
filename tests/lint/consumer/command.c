/* The whole command line in a binary of one's own. */
#include <mtnt.h>
#include <mtnt/command.h>

int main(int argc, char **argv)
{
    return mtnt_command_main(argc, argv, NULL);
}
