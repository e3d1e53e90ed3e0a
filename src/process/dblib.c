#include <sys/epoll.h>

#include <dlfcn.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "process/dblib.h"

static bool
find(void *handle, void *to, const char *name)
{
	void	*p = dlsym(handle, name);

	/* POSIX has a data pointer hold a function's. */
	memcpy(to, &p, sizeof(p));
	return p != NULL;
}

const struct dblib *
dblib_load(const char **why)
{
	static const char *const	 names[] = {
		"libmariadb.so.3", "libmariadb.so",
	};
	static struct dblib		 lib;
	static void			*h;

	for (size_t i = 0; i < nitems(names) && h == NULL; i++)
		h = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
	if (h == NULL ||
	    !find(h, &lib.init, "mysql_init") ||
	    !find(h, &lib.options, "mysql_options") ||
	    !find(h, &lib.connect_start, "mysql_real_connect_start") ||
	    !find(h, &lib.connect_cont, "mysql_real_connect_cont") ||
	    !find(h, &lib.query_start, "mysql_real_query_start") ||
	    !find(h, &lib.query_cont, "mysql_real_query_cont") ||
	    !find(h, &lib.get_socket, "mysql_get_socket") ||
	    !find(h, &lib.get_timeout, "mysql_get_timeout_value_ms") ||
	    !find(h, &lib.get_errno, "mysql_errno") ||
	    !find(h, &lib.get_error, "mysql_error") ||
	    !find(h, &lib.close, "mysql_close")) {
		*why = dlerror();
		return NULL;
	}
	return &lib;
}

uint32_t
dblib_events(int status)
{
	uint32_t	 events = 0;

	if (status & MYSQL_WAIT_READ)
		events |= EPOLLIN;
	if (status & MYSQL_WAIT_WRITE)
		events |= EPOLLOUT;
	if (status & MYSQL_WAIT_EXCEPT)
		events |= EPOLLPRI;
	return events;
}

int
dblib_status(uint32_t events)
{
	int	 status = 0;

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		status |= MYSQL_WAIT_READ;
	if (events & EPOLLOUT)
		status |= MYSQL_WAIT_WRITE;
	if (events & EPOLLPRI)
		status |= MYSQL_WAIT_EXCEPT;
	return status;
}
