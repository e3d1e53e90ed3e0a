#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "process/warm.h"

#define TIMEOUT_S	2

struct warm {
	struct loop		*loop;
	const struct dblib	*lib;
	struct watch		 watch;
	struct timer		 limit;		/* or to begin */
	MYSQL			*db;
	char			*password;
	warm_done		*done;		/* NULL: forgotten */
	void			*ctx;
	bool			 begun;
	/* What it needs to begin. */
	const char		*account;
	struct dblib_place	 at;
};

static size_t	 under_way;

static void
end(struct warm *w, const char *why)
{
	warm_done	*done = w->done;
	void		*ctx = w->ctx;
	char		 text[WARM_WHY_MAX];

	snprintf(text, sizeof(text), "%s", why);
	loop_unwatch(w->loop, &w->watch);
	loop_unset(w->loop, &w->limit);
	if (w->db != NULL)
		w->lib->close(w->db);
	explicit_bzero(w->password, strlen(w->password));
	free(w->password);
	free(w);
	under_way--;
	if (done != NULL)
		done(ctx, text);
}

static void
await(struct warm *w, int status)
{
	int	 fd = w->lib->get_socket(w->db);

	/* It may try one address after the other. */
	if (w->watch.on && w->watch.fd != fd)
		loop_unwatch(w->loop, &w->watch);
	w->watch.fd = fd;
	if (loop_watch(w->loop, &w->watch, dblib_events(status)) == -1)
		end(w, "its socket cannot be watched");
}

static void
go_on(struct warm *w, int status, MYSQL *db)
{
	if (status != 0)
		await(w, status);
	else
		end(w, db != NULL ? "" : w->lib->get_error(w->db));
}

static void
on_event(void *ctx, uint32_t events)
{
	struct warm	*w = ctx;
	MYSQL		*db = NULL;
	int		 status;

	status = w->lib->connect_cont(&db, w->db, dblib_status(events));
	go_on(w, status, db);
}

static void
on_limit(void *ctx)
{
	struct warm	*w = ctx;
	MYSQL		*db = NULL;
	int		 status;

	if (w->begun) {
		end(w, "it took too long");
		return;
	}
	w->begun = true;
	loop_set(w->loop, &w->limit, io_now_ms() + TIMEOUT_S * 1000);
	status = w->lib->connect_start(&db, w->db, w->at.host, w->account,
	    w->password, NULL, w->at.port, w->at.path, 0);
	go_on(w, status, db);
}

static void
set_options(const struct warm *w, const struct conf_backend *b)
{
	const char		 yes = 1;
	const char		 verify = b->tls.verify == CONF_VERIFY_FULL;

	dblib_options(w->lib, w->db, &w->at, TIMEOUT_S);
	if (w->at.path != NULL)
		return;
	w->lib->options(w->db, MYSQL_OPT_SSL_ENFORCE, &yes);
	/* Newer ones do so unless they are told not to. */
	w->lib->options(w->db, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
	if (b->tls.verify != CONF_VERIFY_NONE && b->tls.ca[0] != '\0')
		w->lib->options(w->db, MYSQL_OPT_SSL_CA, b->tls.ca);
}

/* What libmariadb cannot be told, or would do over a plain connection. */
static const char *
obstacle(const struct warm *w, const struct conf_backend *b)
{
	if (under_way == WARM_MAX)
		return "too many logins of that kind at once";
	if (w->at.path != NULL)
		return NULL;
	if (b->tls.mode == CONF_TLS_OFF)
		return "its backend has no tls";
	if (b->tls.verify == CONF_VERIFY_CA)
		return "with tls.verify \"ca\" in its backend that cannot be "
		    "done: want \"full\"";
	if (b->tls.verify == CONF_VERIFY_FULL && b->tls.server_name[0] !=
	    '\0' && strcmp(b->tls.server_name, w->at.host) != 0)
		return "with another tls.server_name than its address in its "
		    "backend that cannot be done";
	if (b->tls.certificate[0] != '\0')
		return "with a tls.certificate in its backend that cannot be "
		    "done";
	return NULL;
}

struct warm *
warm_begin(struct loop *loop, const struct dblib *lib,
    const struct conf_backend *backend, const struct conf_server *server,
    const char *account, const char *password, warm_done *done, void *ctx,
    char *why)
{
	struct warm	*w = mem_calloc(1, sizeof(*w));
	const char	*no;

	*w = (struct warm){
		.loop = loop, .lib = lib, .account = account, .done = done,
		.ctx = ctx, .watch = { .fd = -1, .run = on_event, .ctx = w },
		.limit = { .run = on_limit, .ctx = w },
	};
	dblib_find(&server->spec, server->text, &w->at);
	no = obstacle(w, backend);
	if (no == NULL && (w->db = lib->init(NULL)) == NULL)
		no = "no memory";
	if (no != NULL) {
		snprintf(why, WARM_WHY_MAX, "%s", no);
		free(w);
		return NULL;
	}
	w->password = mem_strdup(password);
	set_options(w, backend);
	under_way++;
	loop_set(loop, &w->limit, io_now_ms());
	return w;
}

void
warm_forget(struct warm *w)
{
	w->done = NULL;
}
