#include <sys/stat.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "policy/ini.h"
#include "process/files.h"
#include "process/proc.h"
#include "process/store.h"
#include "process/vet.h"
#include "session/tls.h"

/* Bytes of a file; `room' was asked for and is to be cleansed. */
struct content {
	char	*data;
	size_t	 len, room;
	mode_t	 mode;
};

/* Not waiting for a pipe that stands in its place. */
static int
open_regular(const char *path, struct stat *st, const char **why)
{
	int	 fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	*why = NULL;
	if (fd == -1 || fstat(fd, st) == -1)
		*why = strerror(errno);
	else if (S_ISDIR(st->st_mode))
		*why = strerror(EISDIR);
	else if (!S_ISREG(st->st_mode))
		*why = "not a regular file";
	else if (st->st_size > FILES_BYTES_MAX)
		*why = "longer than 1 MiB";
	else if (st->st_size == 0)
		*why = "it is empty";
	if (*why != NULL && fd != -1) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/*
 * Into memory of the right size at once, because what is resized leaves
 * copies behind.
 */
static int
read_all(int fd, struct content *c)
{
	ssize_t	 n;

	c->data = mem_calloc(1, c->room);
	while (c->len < c->room) {
		n = read(fd, c->data + c->len, c->room - c->len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		if (n == 0)
			break;
		c->len += (size_t)n;
	}
	return 0;
}

static int
read_content(const char *path, struct content *c, const char **why)
{
	struct stat	 st;
	int		 fd = open_regular(path, &st, why), rc;

	if (fd == -1)
		return -1;
	c->room = (size_t)st.st_size;
	c->mode = st.st_mode & 07777;
	rc = read_all(fd, c);
	if (rc == -1)
		*why = strerror(errno);
	close(fd);
	return rc;
}

/* 0, or -1 with errno. */
static int
copy(const struct content *c, struct file_copy *to)
{
	if (EVP_Digest(c->data, c->len, to->hash, NULL, EVP_sha256(), NULL) !=
	    1) {
		errno = EIO;
		return -1;
	}
	to->fd = proc_memfd_copy("file", c->data, c->len);
	return to->fd == -1 ? -1 : 0;
}

/* What of portproxy's file is the password that is meant. */
static void
take_password(const struct conf_file *f, struct content *c)
{
	bool		 account = f->kind == CONF_FILE_ACCOUNT_PASSWORD;
	char		*text = ini_value(c->data, c->len, account ?
			    "onlineread" : "backend", account ? "pass" :
			    "dsn");
	struct ini_dsn	 dsn = { .user = NULL };
	const char	*password = text, *why;

	if (!account && text != NULL &&
	    ini_dsn_parse(text, &dsn, &why) == 0)
		password = dsn.password;
	OPENSSL_cleanse(c->data, c->len);
	c->len = password != NULL ? strlen(password) : 0;
	if (password != NULL)
		memcpy(c->data, password, c->len);
	ini_dsn_release(&dsn);
	if (text != NULL)
		OPENSSL_cleanse(text, strlen(text));
	free(text);
}

static void
load(struct vet *v, const struct conf_file *f, struct file_copy *to)
{
	struct content	 c = { .data = NULL };
	const char	*why;

	if (read_content(f->path, &c, &why) == -1)
		conf_complain(v->report, "%s: %s: \"%s\": %s", f->where,
		    f->key, f->path, why);
	else {
		if (conf_file_is_secret(f) && (c.mode & S_IROTH) != 0)
			conf_warn(v->report, "%s: %s: \"%s\": everybody can "
			    "read it, by its mode of %04o", f->where, f->key,
			    f->path, (unsigned)c.mode);
		if (v->conf->ini != NULL && strcmp(f->path, v->conf->ini) ==
		    0)
			take_password(f, &c);
		vet_file(v, f, c.data, c.len);
		if (copy(&c, to) == -1)
			conf_complain(v->report, "%s: %s: \"%s\": memory for "
			    "a copy: %s", f->where, f->key, f->path,
			    strerror(errno));
	}
	if (c.data != NULL)
		OPENSSL_cleanse(c.data, c.room);
	free(c.data);
}

int
files_load(struct files *files, const struct conf *conf,
    struct conf_report *report)
{
	struct vet	 v = { .conf = conf, .report = report };
	size_t		 had = report->nerrors;

	vet_words(conf, report);
	store_vet(conf, report);
	files->v = conf_files(conf, &files->n);
	files->copies = mem_calloc(files->n + 1, sizeof(*files->copies));
	for (size_t i = 0; i < files->n; i++) {
		if (strcmp(files->v[i].path, CONF_SYSTEM_CA) == 0)
			files->v[i].path = tls_system_ca();
		files->copies[i].fd = -1;
		load(&v, &files->v[i], &files->copies[i]);
	}
	vet_end(&v);
	if (report->nerrors == had)
		return 0;
	files_release(files);
	return -1;
}

void
files_release(struct files *files)
{
	for (size_t i = 0; i < files->n; i++)
		if (files->copies[i].fd != -1)
			close(files->copies[i].fd);
	free(files->copies);
	free(files->v);
	*files = (struct files){ .v = NULL };
}

/* The copy of a file that was there for the same, or NULL. */
static const struct file_copy *
find(const struct files *files, const struct conf_file *f)
{
	for (size_t i = 0; i < files->n; i++)
		if (files->v[i].kind == f->kind &&
		    strcmp(files->v[i].path, f->path) == 0)
			return &files->copies[i];
	return NULL;
}

/* "listener web: ", "backend db: "; the key of the table says it. */
static char *
owner_text(const struct conf *conf, const struct conf_file *f)
{
	if (f->kind == CONF_FILE_TABLE_PASSWORD ||
	    f->kind == CONF_FILE_OTP_PASSWORD)
		return mem_strdup("");
	if (f->kind == CONF_FILE_ACCOUNT_PASSWORD)
		return mem_printf("account %s: ",
		    conf->accounts.v[f->owner].account);
	if (f->kind < CONF_FILE_BACKEND_CA)
		return mem_printf("listener %s: ",
		    conf->listeners[f->owner].name);
	return mem_printf("backend %s: ", conf->backends[f->owner].name);
}

void
files_diff(const struct files *old, const struct files *now,
    const struct conf *conf, conf_diff_line *line, void *ctx)
{
	for (size_t i = 0; i < now->n; i++) {
		const struct conf_file	*f = &now->v[i];
		const struct file_copy	*was = find(old, f);
		char			*owner, *text;

		if (was == NULL ||
		    memcmp(was->hash, now->copies[i].hash, FILES_HASH) == 0)
			continue;
		owner = owner_text(conf, f);
		text = mem_printf("%s%s: \"%s\" has changed", owner, f->key,
		    f->path);
		line(ctx, text);
		free(owner);
		free(text);
	}
}
