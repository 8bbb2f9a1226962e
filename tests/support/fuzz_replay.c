/* Stands in for libFuzzer in an ordinary build: gives every file of a folder to the target, once. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *folder, const char *name)
{
    uint8_t data[65536];
    char path[4096];
    FILE *file;
    size_t size;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "rbe");
    if (!file) {
        perror(path);
        return -1;
    }
    size = fread(data, 1, sizeof(data), file);
    fclose(file);

    /* Of exactly its own size on the heap: a read beyond it is then seen by the sanitizer. */
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        return -1;
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    return 0;
}

int main(int argc, char **argv)
{
    struct dirent *entry;
    int files = 0, failed = 0;
    DIR *dir;

    if (argc != 2 || !(dir = opendir(argv[1]))) {
        fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
        return 2;
    }
    while ((entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        files++;
        if (replay_file(argv[1], entry->d_name))
            failed++;
    }
    closedir(dir);
    printf("replayed %d files, %d unreadable\n", files, failed);
    return files == 0 || failed ? 1 : 0;
}
