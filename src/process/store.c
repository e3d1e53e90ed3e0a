#include <sys/stat.h>

#include <openssl/crypto.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "policy/people.h"
#include "process/store.h"

static const char *const	 keys[STORES] = {
	[STORE_PEOPLE] = "totp.file", [STORE_USED] = "totp.state",
};

static const char *
path_of(const struct conf *conf, int which)
{
	if (!conf->totp.wanted || (which == STORE_PEOPLE &&
	    conf->totp.secrets == CONF_SECRETS_TABLE))
		return "";
	return which == STORE_PEOPLE ? conf->totp.file : conf->totp.state;
}

static void
complain(const struct conf *conf, int which, const char *why,
    struct conf_report *report)
{
	conf_complain(report, "%s%s%s: \"%s\": %s",
	    conf->file != NULL ? conf->file : "",
	    conf->file != NULL ? ": " : "", keys[which],
	    path_of(conf, which), why);
}

/* What was made has not been used by anybody. */
static int
make(const char *path, int which)
{
	int	 fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC |
		    O_NOCTTY, 0600);

	if (fd == -1 || which != STORE_USED)
		return fd;
	if (write(fd, STORE_CLEAN, strlen(STORE_CLEAN)) ==
	    (ssize_t)strlen(STORE_CLEAN))
		return fd;
	close(fd);
	(void)unlink(path);
	errno = EIO;
	return -1;
}

static int
open_one(const char *path, int which)
{
	struct stat	 st;
	int		 fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY |
			    O_NONBLOCK);

	if (fd == -1 && errno == ENOENT)
		fd = make(path, which);
	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	errno = EINVAL;
	return -1;
}

int
store_open(const struct conf *conf, int fds[STORES],
    struct conf_report *report)
{
	for (int i = 0; i < STORES; i++)
		fds[i] = -1;
	for (int i = 0; i < STORES; i++) {
		const char	*path = path_of(conf, i);

		if (path[0] == '\0')
			continue;
		fds[i] = open_one(path, i);
		if (fds[i] != -1)
			continue;
		complain(conf, i, errno == EINVAL ? "not a regular file" :
		    strerror(errno), report);
		store_close(fds);
		return -1;
	}
	return 0;
}

void
store_close(int fds[STORES])
{
	for (int i = 0; i < STORES; i++) {
		if (fds[i] != -1)
			close(fds[i]);
		fds[i] = -1;
	}
}

bool
store_has_moved(const struct conf *conf, const int fds[STORES])
{
	struct stat	 is, was;

	for (int i = 0; i < STORES; i++) {
		const char	*path = path_of(conf, i);

		if (fds[i] == -1 || path[0] == '\0')
			continue;
		if (fstat(fds[i], &was) == -1 || stat(path, &is) == -1 ||
		    is.st_dev != was.st_dev || is.st_ino != was.st_ino)
			return true;
	}
	return false;
}

struct look {
	const struct conf	*conf;
	struct conf_report	*report;
};

static void
on_line(void *ctx, unsigned int line, const char *why)
{
	const struct look	*l = ctx;

	conf_warn(l->report, "%s:%u: %s; this line is left out",
	    l->conf->totp.file, line, why);
}

static void
look_at(struct look *l, int fd, size_t size)
{
	struct onetime_rule	 usual = conf_onetime_rule(l->conf);
	char			*text = mem_calloc(1, size + 1);
	ssize_t			 n = pread(fd, text, size, 0);
	struct people		*people;

	if (n == -1)
		complain(l->conf, STORE_PEOPLE, strerror(errno), l->report);
	else {
		people = people_parse(text, (size_t)n, &usual, on_line,
		    l);
		people_free(&people);
	}
	OPENSSL_cleanse(text, size);
	free(text);
}

void
store_vet(const struct conf *conf, struct conf_report *report)
{
	const char		*path = path_of(conf, STORE_PEOPLE);
	struct look		 l = { conf, report };
	struct stat		 st;
	int			 fd;

	if (path[0] == '\0')
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd == -1) {
		if (errno != ENOENT)
			complain(conf, STORE_PEOPLE, strerror(errno), report);
		return;
	}
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode))
		complain(conf, STORE_PEOPLE, "not a regular file", report);
	else if (st.st_size > PEOPLE_BYTES_MAX)
		complain(conf, STORE_PEOPLE, "longer than 1 MiB", report);
	else {
		if ((st.st_mode & (S_IROTH | S_IWOTH)) != 0)
			conf_warn(report, "%s: everybody can read it, by its "
			    "mode of %04o", path,
			    (unsigned)(st.st_mode & 07777));
		look_at(&l, fd, (size_t)st.st_size);
	}
	close(fd);
}
