/*
 * replay - give a fuzz target every file named, and of folders every file.
 *
 * Stands in for libFuzzer where there is none, so that what once was found
 * is tried by every build.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "fuzz.h"

#define FILE_MAX	(16 * 1024 * 1024)

static unsigned int	 count;

static void
replay_file(const char *path)
{
	int	 fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t	*exact;
	char	*data;
	size_t	 len;

	data = fd == -1 ? NULL : io_read_file(fd, FILE_MAX, &len);
	if (data == NULL) {
		perror(path);
		exit(1);
	}
	/* No byte more, so that a sanitizer sees the edge. */
	exact = mem_calloc(1, len);
	memcpy(exact, data, len);
	free(data);
	close(fd);
	(void)LLVMFuzzerTestOneInput(exact, len);
	free(exact);
	count++;
}

static void
replay(const char *path)
{
	struct stat	 st;
	struct dirent	*e;
	DIR		*d;
	char		*inner;

	if (stat(path, &st) == -1 || !S_ISDIR(st.st_mode)) {
		replay_file(path);
		return;
	}
	d = opendir(path);
	if (d == NULL) {
		perror(path);
		exit(1);
	}
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		inner = mem_printf("%s/%s", path, e->d_name);
		fprintf(stderr, "%s\n", inner);
		replay(inner);
		free(inner);
	}
	closedir(d);
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	printf("%u inputs\n", count);
	return count == 0;
}
