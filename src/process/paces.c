#include <sys/mman.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "policy/conf_tunnel.h"
#include "process/paces.h"
#include "process/proc.h"
#include "wire/tunnel.h"

/* "a " or "t " and the name. */
#define NAME_MAX_LEN	(3 + TUNNEL_TOPIC_MAX)
#define MAP_SIZE	(CONF_PACED_MAX * 2 * sizeof(struct pace_bucket))

struct paces {
	int	 fd;
	char	 names[CONF_PACED_MAX][NAME_MAX_LEN];
	bool	 told;
};

struct paces *
paces_new(void)
{
	struct paces	*p = mem_calloc(1, sizeof(*p));

	p->fd = proc_memfd("paces", MAP_SIZE);
	if (p->fd == -1)
		log_fatal(1, "memfd_create: %s", strerror(errno));
	return p;
}

int
paces_fd(const struct paces *p)
{
	return p->fd;
}

/* Its slot, or one for it.  CONF_PACED_MAX: there is none. */
static size_t
find_slot(const struct paces *p, const char *name)
{
	size_t	 empty = CONF_PACED_MAX;

	for (size_t i = 0; i < CONF_PACED_MAX; i++)
		if (strcmp(p->names[i], name) == 0)
			return i;
		else if (p->names[i][0] == '\0' && empty == CONF_PACED_MAX)
			empty = i;
	return empty;
}

static bool
fill(struct paces *p, char kind, const char *name, int64_t rate,
    struct paces_found *f, size_t i)
{
	char	 full[NAME_MAX_LEN];
	size_t	 slot;

	f->rate[i] = 0;
	f->slot[i] = 0;
	if (rate == 0)
		return false;
	snprintf(full, sizeof(full), "%c %s", kind, name);
	slot = find_slot(p, full);
	if (slot == CONF_PACED_MAX) {
		if (!p->told)
			log_warn("%s has a bandwidth too many; it is not held "
			    "to it", name);
		p->told = true;
		return false;
	}
	memcpy(p->names[slot], full, sizeof(full));
	f->rate[i] = rate;
	f->slot[i] = (uint32_t)slot;
	return true;
}

static int64_t
agent_rate(const struct conf *conf, const char *id)
{
	const struct conf_agent	*a = conf_agent_of(conf, id);

	return a != NULL ? a->bandwidth : 0;
}

static int64_t
topic_rate(const struct conf *conf, const char *name)
{
	const struct conf_topic	*t = conf_topic_find(conf, name);

	return t != NULL ? t->bandwidth : 0;
}

bool
paces_find(struct paces *p, const struct conf *conf, const char *agent,
    const char *topic, struct paces_found *f)
{
	bool	 a = fill(p, 'a', agent, agent_rate(conf, agent), f, 0);
	bool	 t = fill(p, 't', topic, topic_rate(conf, topic), f, 1);

	return a || t;
}

void
paces_tidy(struct paces *p, const struct conf *conf)
{
	for (size_t i = 0; i < CONF_PACED_MAX; i++) {
		char	*name = p->names[i];

		if (name[0] != '\0' && (name[0] == 'a' ?
		    agent_rate(conf, name + 2) :
		    topic_rate(conf, name + 2)) == 0)
			name[0] = '\0';
	}
	p->told = false;
}

void *
paces_map(int fd, const struct paces_found *f, struct pace pace[2])
{
	void			*map = mmap(NULL, MAP_SIZE, PROT_READ |
				    PROT_WRITE, MAP_SHARED, fd, 0);
	struct pace_bucket	*b = map;

	if (map == MAP_FAILED)
		return NULL;
	memset(pace, 0, 2 * sizeof(pace[0]));
	for (size_t i = 0; i < PACE_BUCKETS; i++)
		for (size_t way = 0; way < 2; way++) {
			if (f->rate[i] <= 0 || f->slot[i] >= CONF_PACED_MAX)
				continue;
			pace[way].rate[i] = f->rate[i];
			pace[way].bucket[i] = &b[2 * f->slot[i] + way];
		}
	return map;
}

void
paces_unmap(void *map)
{
	if (map != NULL)
		(void)munmap(map, MAP_SIZE);
}
