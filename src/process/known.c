#include <string.h>

#include "process/known.h"

bool
known_read(struct sb_pool *pool, size_t backend, struct mysql_known *known)
{
	struct sb_known	*k = &pool->known[backend];
	uint32_t	 version = atomic_load_explicit(&k->version,
			    memory_order_acquire);

	/* Zero: nobody has written; odd: somebody does. */
	if (version == 0 || version % 2 == 1)
		return false;
	*known = (struct mysql_known){
		.caps = k->caps, .mariadb_caps = k->mariadb_caps,
		.charset = k->charset,
	};
	memcpy(known->version, k->text, sizeof(known->version));
	known->version[sizeof(known->version) - 1] = '\0';
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&k->version, memory_order_relaxed) ==
	    version;
}

static bool
is_news(const struct mysql_known *now, const struct mysql_known *server)
{
	return (now->caps & ~server->caps) != 0 ||
	    (now->mariadb_caps & ~server->mariadb_caps) != 0;
}

void
known_learn(struct sb_pool *pool, size_t backend,
    const struct mysql_known *server)
{
	struct sb_known		*k = &pool->known[backend];
	struct mysql_known	 now;
	uint32_t		 version = atomic_load(&k->version);
	bool			 first = version == 0;

	if (!first && (!known_read(pool, backend, &now) ||
	    !is_news(&now, server)))
		return;
	/* Who comes second leaves it to the next. */
	if (version % 2 == 1 || !atomic_compare_exchange_strong(&k->version,
	    &version, version + 1))
		return;
	if (first) {
		k->caps = server->caps;
		k->mariadb_caps = server->mariadb_caps;
		k->charset = server->charset;
		memcpy(k->text, server->version, sizeof(k->text));
	} else {
		k->caps &= server->caps;
		k->mariadb_caps &= server->mariadb_caps;
	}
	atomic_store_explicit(&k->version, version + 2,
	    memory_order_release);
}
