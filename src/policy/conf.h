/*
 * conf.h - the configuration: read, checked, complete, and printed again.
 *
 * conf_new() gives every key its default; files and command line flags
 * change some; conf_finish() resolves references and checks what no single
 * key can tell.  All mistakes of one run are collected, each with file, line
 * and key, so that a reader mends them in one go.
 *
 * What conf_print() writes is a whole configuration: read back, it gives
 * the same one.  It is also how the master hands the configuration to the
 * other processes.
 */
#ifndef POLICY_CONF_H
#define POLICY_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/net.h"

#define CONF_FILE_MAX		(1024 * 1024)	/* bytes of one file */
#define CONF_LISTENERS_MAX	256
#define CONF_ADDRS_MAX		64		/* of one listener or backend */
#define CONF_BACKENDS_MAX	512
#define CONF_NAME_MAX		32		/* characters of a name */
#define CONF_USER_PRESET	"_sallyport"	/* what a package makes */
#define CONF_NO_BOOK		SIZE_MAX

struct conf_addr {
	char		*text;		/* as it was written */
	struct net_spec	 spec;
	size_t		 book;		/* place in the address book, of a
					   name; else CONF_NO_BOOK */
};

struct conf_addrs {
	struct conf_addr	*v;
	size_t			 n;
};

enum conf_protocol {
	CONF_TCP,
};

enum conf_log_format {
	CONF_LOG_TEXT,
	CONF_LOG_JSON,
};

struct conf_backend {
	char			*where;		/* "file:line" */
	char			*name;
	struct conf_addrs	 servers;
	bool			 implicit;	/* made from a forward */
};

struct conf_listener {
	char			*where;
	char			*name;
	struct conf_addrs	 listen;
	int			 protocol;	/* enum conf_protocol */
	char			*forward;
	int64_t			 buffer;	/* bytes, each direction */
	size_t			 backend;	/* index, by conf_finish() */
	const char		*pool;		/* by conf_finish() */
};

struct conf {
	char		*user;
	char		*pid_file;		/* "" for none */
	struct {
		char	*to;
		int	 level;			/* enum logline_level */
		int	 format;		/* enum conf_log_format */
	} log;
	struct {
		int64_t	 spare;
		int64_t	 max;
		int64_t	 reuse;			/* sessions a worker serves */
	} workers;
	struct {				/* milliseconds */
		int64_t	 connect;
		int64_t	 handshake;
		int64_t	 idle;
		int64_t	 half_closed;
		int64_t	 session;		/* 0: no limit */
		int64_t	 drain;
	} timeouts;
	struct conf_backend	*backends;
	size_t			 nbackends;
	struct conf_listener	*listeners;
	size_t			 nlisteners;
	size_t			 nbook;		/* names to be looked up */
};

/* What is wrong: whole sentences, each beginning with its place. */
struct conf_report {
	char	**errors;
	size_t	  nerrors;
};

struct conf	*conf_new(void);
void		 conf_free(struct conf **conf);

/*
 * Read a file, or text of len bytes and a NUL that stands under `name' in
 * messages; @include is relative to the folder of that name.  Both add to
 * what the configuration holds and to the report.
 */
void	 conf_read_file(struct conf *conf, const char *path,
	    struct conf_report *report);
void	 conf_read_text(struct conf *conf, const char *name, const char *text,
	    size_t len, struct conf_report *report);

/*
 * Set one key from a flag: "log.to", or a key of the first listener as
 * "listener.listen", which is made where there is none.
 */
void	 conf_set(struct conf *conf, const char *flag, const char *key,
	    const char *value, struct conf_report *report);

/* Resolve and check the whole.  0, or -1 when the report holds errors. */
int	 conf_finish(struct conf *conf, struct conf_report *report);

/* Write all of it, defaults included, as a configuration file. */
void	 conf_print(const struct conf *conf, FILE *out);

void	 conf_report_free(struct conf_report *report);

/*
 * For those who read: add a backend or listener with every default; it is
 * valid until the next is added.  Add a line to the report; a hundred are
 * kept.
 */
struct conf_backend	*conf_add_backend(struct conf *conf,
			    const char *where);
struct conf_listener	*conf_add_listener(struct conf *conf,
			    const char *where);
void	 conf_complain(struct conf_report *report, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));

#endif
