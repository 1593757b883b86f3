#define _GNU_SOURCE

#include "include/CTransfer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

int martlet_wake_pipe(int ends[2]) {
    if (pipe(ends) != 0) return errno;
    for (int i = 0; i < 2; i++) {
        if (fcntl(ends[i], F_SETFD, FD_CLOEXEC) == -1 || fcntl(ends[i], F_SETFL, O_NONBLOCK) == -1) {
            int code = errno;
            close(ends[0]);
            close(ends[1]);
            return code;
        }
    }
    return 0;
}

typedef struct {
    void (*function)(void *);
    void *context;
} work;

static void *start(void *argument) {
    work mine = *(work *)argument;
    free(argument);
    mine.function(mine.context);
    return NULL;
}

int martlet_transfer_thread(void (*function)(void *), void *context) {
    work *mine = malloc(sizeof *mine);
    if (!mine) return ENOMEM;
    *mine = (work){function, context};
    // Signals are for the program's other threads. SIGPIPE too: a TLS library may write to a socket that the other side
    // has closed.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_t attributes;
    pthread_t thread;
    int code = pthread_attr_init(&attributes);
    if (code == 0) {
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        code = pthread_create(&thread, &attributes, start, mine);
        pthread_attr_destroy(&attributes);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code != 0) free(mine);
    return code;
}
