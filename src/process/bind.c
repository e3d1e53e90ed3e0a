#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/net.h"
#include "process/bind.h"
#include "process/setup.h"

#define BACKLOG	4096	/* connections; the kernel may hold it lower */

static int
complain(const struct conf_listener *l, const char *text, const char *why)
{
	int	 error = errno;

	log_error("%s: listen: \"%s\": %s: %s", l->where, text, why,
	    strerror(error));
	if (error != EACCES && error != EPERM)
		return 1;
	if (geteuid() != 0)
		log_error("binding there takes root, or CAP_NET_BIND_SERVICE "
		    "for a port below 1024");
	return 77;
}

static int
bind_one(struct bound *b, const struct conf_listener *l,
    const struct conf_addr *a)
{
	static const struct net_listen	 options = {
		.tcp.nodelay = true, .backlog = BACKLOG, .v6only = true,
	};
	struct stat			 st;
	const char			*why;

	b->path = NULL;
	b->fd = net_listen(&a->spec, &options, &why);
	if (b->fd == -1)
		return complain(l, a->text, why);
	if (a->spec.kind == NET_ADDR && net_is_path(&a->spec.addr) &&
	    lstat(a->spec.addr.u.un.sun_path, &st) == 0) {
		b->path = mem_strdup(a->spec.addr.u.un.sun_path);
		b->ino = st.st_ino;
	}
	return 0;
}

int
bind_all(const struct conf *conf, struct bound **boundp, size_t *np)
{
	struct bound	*bound = NULL;
	size_t		 n = 0;
	int		 status = 0;

	for (size_t i = 0; i < conf->nlisteners && status == 0; i++) {
		const struct conf_listener	*l = &conf->listeners[i];

		for (size_t j = 0; j < l->listen.n && status == 0; j++) {
			if (n == SETUP_ADDRS_MAX) {
				log_error("%s: listen: more than %d addresses "
				    "in all", l->where, SETUP_ADDRS_MAX);
				status = 1;
				break;
			}
			bound = mem_resize(bound, n + 1, sizeof(*bound));
			bound[n].listener = i;
			status = bind_one(&bound[n], l, &l->listen.v[j]);
			if (status == 0)
				n++;
		}
	}
	if (status != 0) {
		bind_free(&bound, n);
		n = 0;
	}
	*boundp = bound;
	*np = n;
	return status;
}

void
bind_shut(const struct bound *bound, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)shutdown(bound[i].fd, SHUT_RDWR);
}

void
bind_free(struct bound **boundp, size_t n)
{
	struct bound	*bound = *boundp;
	struct stat	 st;

	for (size_t i = 0; i < n; i++) {
		/* Another daemon may have put its own there meanwhile. */
		if (bound[i].path != NULL &&
		    lstat(bound[i].path, &st) == 0 &&
		    st.st_ino == bound[i].ino)
			(void)unlink(bound[i].path);
		free(bound[i].path);
		close(bound[i].fd);
	}
	free(bound);
	*boundp = NULL;
}
