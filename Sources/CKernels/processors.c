// The default number of threads.
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "include/martlet_pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__linux__)
#include <sched.h>

/// "quota period" of a version 2 control group, in whole processors rounded up; 0 if there is no limit.
static int quota_of(const char *folder) {
    char path[4200];
    snprintf(path, sizeof path, "%s/cpu.max", folder);
    FILE *file = fopen(path, "re");
    if (!file) return 0;
    long quota = 0, period = 0;
    int fields = fscanf(file, "%ld %ld", &quota, &period);  // "max 100000" reads no field
    fclose(file);
    if (fields != 2 || quota <= 0 || period <= 0) return 0;
    return (int)((quota + period - 1) / period);
}

static long number_in(const char *path) {
    FILE *file = fopen(path, "re");
    if (!file) return -1;
    long value = -1;
    if (fscanf(file, "%ld", &value) != 1) value = -1;
    fclose(file);
    return value;
}

/// The smallest quota from this process's control group up to the root; 0 if there is none.
static int control_group_quota(void) {
    char group[2048] = "", line[2048];
    FILE *file = fopen("/proc/self/cgroup", "re");
    while (file && fgets(line, sizeof line, file)) {
        if (!strncmp(line, "0::", 3)) {
            snprintf(group, sizeof group, "%s", line + 3);
            group[strcspn(group, "\n")] = 0;
        }
    }
    if (file) fclose(file);
    int smallest = 0;
    while (1) {
        char folder[4096];
        snprintf(folder, sizeof folder, "/sys/fs/cgroup%s", group);
        int quota = quota_of(folder);
        if (quota && (!smallest || quota < smallest)) smallest = quota;
        char *slash = strrchr(group, '/');
        if (!slash) break;
        *slash = 0;
    }
    long quota = number_in("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
    long period = number_in("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
    if (!smallest && quota > 0 && period > 0) smallest = (int)((quota + period - 1) / period);
    return smallest;
}
#endif

int martlet_available_processors(void) {
    long count = sysconf(_SC_NPROCESSORS_ONLN);
#if defined(__linux__)
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) count = CPU_COUNT(&set);
    int quota = control_group_quota();
    if (quota && quota < count) count = quota;
#endif
    return count < 1 ? 1 : (int)count;
}

int martlet_default_workers(void) {
    const char *wish = getenv("MARTLET_THREADS");
    if (wish) {
        char *end;
        long count = strtol(wish, &end, 10);
        if (end != wish && *end == 0 && count >= 1 && count <= 1024) return (int)count;
    }
    return martlet_available_processors();
}
