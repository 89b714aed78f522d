/* Runs one query on the ClickHouse engine of libchdb.so, with the engine's own command line. */
#include <stdio.h>

struct result {
    char *bytes;
    size_t length;
    void *owner;
    double seconds;
    unsigned long rows_read;
    unsigned long bytes_read;
    char *error;
};

struct result *query_stable_v2(int argc, char **argv);

int main(int argc, char **argv) {
    struct result *answer = query_stable_v2(argc, argv);
    if (answer == NULL) {
        fputs("the engine gave no answer\n", stderr);
        return 2;
    }
    if (answer->error != NULL) {
        fprintf(stderr, "%s\n", answer->error);
        return 1;
    }
    return 0;
}
