// What Swift cannot ask of libcurl itself: functions that are found when the first transfer is made, and those that
// take a variable number of arguments. Numbers of options stand in Sources/Transfer/Curl.swift.
//
// The declarations follow libcurl's documentation (https://curl.se/libcurl/c/), whose binary interface has been the
// same since libcurl.so.4 of 2006 (https://curl.se/libcurl/abi.html); its headers are not needed.
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Receives bytes of the head or of the body; returns how many it took, or MARTLET_CURL_PAUSE.
typedef size_t (*martlet_curl_receiver)(
    char *_Nullable bytes, size_t size, size_t count, void *_Nullable context);
/// Told which events (1 read, 2 write, 3 both, 4 none any more) a socket is to be watched for.
typedef int (*martlet_curl_watcher)(
    void *_Nullable easy, int socket, int events, void *_Nullable context, void *_Nullable socket_context);
/// Told after how many milliseconds `martlet_curl_act` wants to be called without a socket; -1 for never.
typedef int (*martlet_curl_timer)(void *_Nullable multi, long milliseconds, void *_Nullable context);

/// What a receiver returns to be given the same bytes again after `martlet_curl_resume`.
#define MARTLET_CURL_PAUSE 0x10000001

/// Opens the library, finds its functions and initialises it. To be called once, before anything below.
/// Returns NULL, or why it cannot be used; the text lives as long as the process.
const char *_Nullable martlet_curl_open(void);
/// The version of the library and of what it is built on, as "libcurl/7.88.1 OpenSSL/3.0.19 …".
const char *_Nonnull martlet_curl_version(void);

// One transfer. Functions that return int give libcurl's code, 0 for success.
void *_Nullable martlet_curl_easy(void);
void martlet_curl_easy_free(void *_Nonnull easy);
int martlet_curl_set_number(void *_Nonnull easy, int option, long value);
int martlet_curl_set_size(void *_Nonnull easy, int option, int64_t value);
int martlet_curl_set_pointer(void *_Nonnull easy, int option, const void *_Nullable value);
/// What gets the head's lines and the body's bytes. Sockets are closed on exec.
int martlet_curl_set_receivers(
    void *_Nonnull easy, martlet_curl_receiver _Nonnull head, martlet_curl_receiver _Nonnull body,
    void *_Nonnull context);
long martlet_curl_number(void *_Nonnull easy, int information);
int martlet_curl_resume(void *_Nonnull easy);
const char *_Nonnull martlet_curl_error_text(int code);

/// A list of header lines with one more; NULL without memory, and the old list stays.
void *_Nullable martlet_curl_line(void *_Nullable list, const char *_Nonnull line);
void martlet_curl_lines_free(void *_Nullable list);

// Transfers that one thread drives.
void *_Nullable martlet_curl_multi(
    martlet_curl_watcher _Nonnull watcher, martlet_curl_timer _Nonnull timer, void *_Nonnull context);
void martlet_curl_multi_free(void *_Nonnull multi);
int martlet_curl_add(void *_Nonnull multi, void *_Nonnull easy);
int martlet_curl_remove(void *_Nonnull multi, void *_Nonnull easy);
/// Goes on with what waits for a socket (`events`: 1 can be read, 2 written, 4 in error), or with -1 for time.
int martlet_curl_act(void *_Nonnull multi, int socket, int events);
/// The next transfer that has ended, with its code; NULL when there is none.
void *_Nullable martlet_curl_ended(void *_Nonnull multi, int *_Nonnull code);

/// A pipe whose ends neither block nor survive exec; 0, or errno.
int martlet_wake_pipe(int ends[_Nonnull 2]);
/// Runs a function on a new thread that gets no signals; 0, or errno.
int martlet_transfer_thread(void (*_Nonnull function)(void *_Nonnull), void *_Nonnull context);

#ifdef __cplusplus
}
#endif
