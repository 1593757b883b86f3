#include "include/CTransfer.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>

// libcurl's types, as its documentation declares them.
typedef void CURL;
typedef void CURLM;
typedef struct {
    int kind; // 1: ended
    CURL *easy;
    union {
        void *whatever;
        int code;
    } data;
} curl_message;

enum { option_write_data = 10001, option_header_data = 10029, option_write_function = 20011,
       option_header_function = 20079, option_socket_function = 20148, option_multi_socket_function = 20001,
       option_multi_socket_data = 10002, option_multi_timer_function = 20004, option_multi_timer_data = 10005,
       message_ended = 1, global_default = 3 };

static struct {
    int (*global_init)(long flags);
    const char *(*version)(void);
    CURL *(*easy_init)(void);
    void (*easy_cleanup)(CURL *);
    int (*easy_setopt)(CURL *, int option, ...);
    int (*easy_getinfo)(CURL *, int information, ...);
    int (*easy_pause)(CURL *, int bits);
    const char *(*easy_strerror)(int code);
    void *(*slist_append)(void *list, const char *line);
    void (*slist_free_all)(void *list);
    CURLM *(*multi_init)(void);
    int (*multi_cleanup)(CURLM *);
    int (*multi_setopt)(CURLM *, int option, ...);
    int (*multi_add_handle)(CURLM *, CURL *);
    int (*multi_remove_handle)(CURLM *, CURL *);
    int (*multi_socket_action)(CURLM *, int socket, int events, int *running);
    curl_message *(*multi_info_read)(CURLM *, int *left);
} curl;

static char failure[512];

static const struct {
    const char *name;
    void *place;
} functions[] = {
    {"curl_global_init", &curl.global_init},
    {"curl_version", &curl.version},
    {"curl_easy_init", &curl.easy_init},
    {"curl_easy_cleanup", &curl.easy_cleanup},
    {"curl_easy_setopt", &curl.easy_setopt},
    {"curl_easy_getinfo", &curl.easy_getinfo},
    {"curl_easy_pause", &curl.easy_pause},
    {"curl_easy_strerror", &curl.easy_strerror},
    {"curl_slist_append", &curl.slist_append},
    {"curl_slist_free_all", &curl.slist_free_all},
    {"curl_multi_init", &curl.multi_init},
    {"curl_multi_cleanup", &curl.multi_cleanup},
    {"curl_multi_setopt", &curl.multi_setopt},
    {"curl_multi_add_handle", &curl.multi_add_handle},
    {"curl_multi_remove_handle", &curl.multi_remove_handle},
    {"curl_multi_socket_action", &curl.multi_socket_action},
    {"curl_multi_info_read", &curl.multi_info_read},
};

const char *martlet_curl_open(void) {
#ifdef __APPLE__
    static const char *const names[] = {"libcurl.4.dylib", "/usr/lib/libcurl.4.dylib", "libcurl.dylib"};
#else
    // Debian and Ubuntu have one for each TLS library; any will do.
    static const char *const names[] = {
        "libcurl.so.4", "libcurl-gnutls.so.4", "libcurl-nss.so.4", "libcurl.so"};
#endif
    void *library = NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && !library; i++) {
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
        // The first name's reason is the one to tell: the others are stand-ins.
        const char *reason = library ? NULL : dlerror();
        if (reason && i == 0) snprintf(failure, sizeof failure, "%s", reason);
    }
    if (!library) return failure;
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        void *function = dlsym(library, functions[i].name);
        if (!function) {
            snprintf(failure, sizeof failure, "the library has no function %s", functions[i].name);
            return failure;
        }
        *(void **)functions[i].place = function;
    }
    int code = curl.global_init(global_default);
    if (code == 0) return NULL;
    snprintf(failure, sizeof failure, "it cannot be initialised: %s", curl.easy_strerror(code));
    return failure;
}

const char *martlet_curl_version(void) { return curl.version(); }

void *martlet_curl_easy(void) { return curl.easy_init(); }
void martlet_curl_easy_free(void *easy) { curl.easy_cleanup(easy); }
int martlet_curl_set_number(void *easy, int option, long value) { return curl.easy_setopt(easy, option, value); }
int martlet_curl_set_size(void *easy, int option, int64_t value) { return curl.easy_setopt(easy, option, value); }
int martlet_curl_set_pointer(void *easy, int option, const void *value) {
    return curl.easy_setopt(easy, option, value);
}

static int close_on_exec(void *context, int socket, int purpose) {
    (void)context, (void)purpose;
    fcntl(socket, F_SETFD, FD_CLOEXEC);
    return 0;
}

int martlet_curl_set_receivers(void *easy, martlet_curl_receiver head, martlet_curl_receiver body, void *context) {
    int code = curl.easy_setopt(easy, option_header_function, head);
    if (code == 0) code = curl.easy_setopt(easy, option_header_data, context);
    if (code == 0) code = curl.easy_setopt(easy, option_write_function, body);
    if (code == 0) code = curl.easy_setopt(easy, option_write_data, context);
    if (code == 0) code = curl.easy_setopt(easy, option_socket_function, close_on_exec);
    return code;
}

long martlet_curl_number(void *easy, int information) {
    long value = 0;
    return curl.easy_getinfo(easy, information, &value) == 0 ? value : 0;
}

int martlet_curl_resume(void *easy) { return curl.easy_pause(easy, 0); }
const char *martlet_curl_error_text(int code) { return curl.easy_strerror(code); }

void *martlet_curl_line(void *list, const char *line) { return curl.slist_append(list, line); }
void martlet_curl_lines_free(void *list) { curl.slist_free_all(list); }

void *martlet_curl_multi(martlet_curl_watcher watcher, martlet_curl_timer timer, void *context) {
    CURLM *multi = curl.multi_init();
    if (!multi) return NULL;
    if (curl.multi_setopt(multi, option_multi_socket_function, watcher) == 0 &&
        curl.multi_setopt(multi, option_multi_socket_data, context) == 0 &&
        curl.multi_setopt(multi, option_multi_timer_function, timer) == 0 &&
        curl.multi_setopt(multi, option_multi_timer_data, context) == 0)
        return multi;
    curl.multi_cleanup(multi);
    return NULL;
}

void martlet_curl_multi_free(void *multi) { curl.multi_cleanup(multi); }
int martlet_curl_add(void *multi, void *easy) { return curl.multi_add_handle(multi, easy); }
int martlet_curl_remove(void *multi, void *easy) { return curl.multi_remove_handle(multi, easy); }

int martlet_curl_act(void *multi, int socket, int events) {
    int running;
    return curl.multi_socket_action(multi, socket, events, &running);
}

void *martlet_curl_ended(void *multi, int *code) {
    int left;
    for (curl_message *message; (message = curl.multi_info_read(multi, &left));) {
        if (message->kind != message_ended) continue;
        *code = message->data.code;
        return message->easy;
    }
    return NULL;
}
