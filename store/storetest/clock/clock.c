/*
 * Preloaded into redis-server, this adds an offset to the time of day. The offset is in microseconds,
 * in the file that REDIS_CLOCK names, and may change while the server runs. The monotonic clocks stay
 * as they are.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile const int64_t *offset;

static void attach(void) {
	const char *path = getenv("REDIS_CLOCK");
	int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *at = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
	if (at == MAP_FAILED)
		abort(); /* a server with the machine's time would prove nothing */
	offset = at;
	close(file);
}

int clock_gettime(clockid_t id, struct timespec *at) {
	int failed = (int)syscall(SYS_clock_gettime, id, at);
	if (failed || id != CLOCK_REALTIME)
		return failed;
	if (!offset)
		attach();
	int64_t micros = (int64_t)at->tv_sec * 1000000 + at->tv_nsec / 1000 + *offset;
	at->tv_sec = micros / 1000000;
	at->tv_nsec = micros % 1000000 * 1000;
	return 0;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
	(void)zone;
	struct timespec now;
	int failed = clock_gettime(CLOCK_REALTIME, &now);
	at->tv_sec = now.tv_sec;
	at->tv_usec = now.tv_nsec / 1000;
	return failed;
}

time_t time(time_t *at) {
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (at)
		*at = now.tv_sec;
	return now.tv_sec;
}
