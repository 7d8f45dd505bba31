/*
 * Records how much of each file survives a power cut. The library is preloaded into redis-server. At each fsync and
 * fdatasync it appends a line "<inode> <bytes>" to the file that CHAOS_FSYNC_LOG names: the length of the synced file
 * when the call began. Bytes that are written while the call runs are not counted, since fsync does not promise them.
 * Files are identified by inode, because Redis syncs a file before it renames it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void note(const struct stat *file) {
	const char *path = getenv("CHAOS_FSYNC_LOG");
	int log = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
	if (log < 0)
		return;
	char line[64];
	int length = snprintf(line, sizeof line, "%llu %lld\n", (unsigned long long)file->st_ino, (long long)file->st_size);
	if (write(log, line, length) != length)
		abort(); /* an incomplete log would prove nothing */
	close(log);
}

static int sync_and_note(const char *name, int fd) {
	int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
	struct stat file;
	int known = fstat(fd, &file) == 0 && S_ISREG(file.st_mode);
	int result = real(fd);
	if (result == 0 && known)
		note(&file);
	return result;
}

int fsync(int fd) { return sync_and_note("fsync", fd); }

int fdatasync(int fd) { return sync_and_note("fdatasync", fd); }
