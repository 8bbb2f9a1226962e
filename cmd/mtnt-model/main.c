#include <mtnt.h>

int main(int argc, char **argv)
{
    return mtnt_command_main(argc, argv, NULL);
}
