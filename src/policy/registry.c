#include <bsd/sys/tree.h>
#include <sys/queue.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "policy/conf.h"
#include "policy/registry.h"

#define MINUTE_MS	60000
#define REFILL_MS	100	/* as long as nobody has been measured */
#define RATE_MS		1000	/* over which users are counted */

/* A link at a topic. */
struct member {
	struct reg_link		*link;
	struct topic		*topic;
	unsigned int		 weight;
	bool			 up;
	size_t			 sessions;
	TAILQ_ENTRY(member)	 at_topic;	/* who gets users comes first */
	LIST_ENTRY(member)	 at_link;
};

/* Each that comes moves the time on by its share. */
struct pace {
	int64_t	 at;		/* us: until then as many came as may */
};

struct topic {
	char			*name;
	TAILQ_HEAD(, member)	 members;
	TAILQ_HEAD(, reg_user)	 waiting;
	size_t			 nwaiting;
	size_t			 sessions;
	int64_t			 takeovers[REGISTRY_TAKEOVERS];	/* times */
	uint64_t		 ntakeovers;
	int64_t			 frozen_until;
	struct pace		 pace;
	bool			 drained;
	RB_ENTRY(topic)		 link;
};

struct reg_parked {
	void			*owner;
	struct reg_link		*link;
	int64_t			 until;
	TAILQ_ENTRY(reg_parked)	 next;
};

struct reg_link {
	char			 id[TUNNEL_ID_MAX + 1];
	void			*owner;
	uint64_t		 serial;	/* no two have the same */
	int64_t			 since;
	struct reg_limits	 limits;
	struct pace		 pace;
	LIST_HEAD(, member)	 members;
	size_t			 nmembers;
	TAILQ_HEAD(parked_head, reg_parked) parked; /* the newest comes last */
	size_t			 nparked;
	size_t			 asked;		/* tickets that are out */
	int64_t			 asked_at;	/* the last of them */
	int64_t			 refill_ms;	/* until one has come */
	size_t			 users, users_before;	/* in this time of
						   RATE_MS, and in the last */
	int64_t			 rate_at;	/* it began */
	size_t			 sessions;
	bool			 drained;
	LIST_ENTRY(reg_link)	 next;
};

struct reg_user {
	void			*owner;
	struct topic		*topic;
	struct member		*member;	/* it has a session with, or
						   NULL */
	bool			 counted;	/* in topic->sessions */
	bool			 waits;
	int64_t			 came;
	uint64_t		 avoids[REGISTRY_ELSEWHERE];	/* links, by
						   serial */
	size_t			 navoids;
	TAILQ_ENTRY(reg_user)	 at_topic;
	LIST_ENTRY(reg_user)	 next;
};

RB_HEAD(topics, topic);

struct registry {
	struct registry_ops	 ops;
	void			*ctx;
	struct topics		 topics;
	LIST_HEAD(, reg_link)	 links;
	LIST_HEAD(, reg_user)	 users;
	size_t			 nwaiting;
	char			*drained[REGISTRY_DRAINED_MAX];
	size_t			 ndrained;
	uint64_t		 nserials;
};

static int
compare(const struct topic *a, const struct topic *b)
{
	return strcmp(a->name, b->name);
}

RB_PROTOTYPE_INTERNAL(topics, topic, link, compare,
    static __attribute__((unused)));
RB_GENERATE_INTERNAL(topics, topic, link, compare,
    static __attribute__((unused)))

struct registry *
registry_new(const struct registry_ops *ops, void *ctx)
{
	struct registry	*r = mem_calloc(1, sizeof(*r));

	r->ops = *ops;
	r->ctx = ctx;
	return r;
}

/* Its place among those, or how many there are. */
static size_t
find_drained(const struct registry *r, const char *name)
{
	size_t	 i = 0;

	while (i < r->ndrained && strcmp(r->drained[i], name) != 0)
		i++;
	return i;
}

static bool
is_drained(const struct registry *r, const char *name)
{
	return find_drained(r, name) < r->ndrained;
}

/* --- topics */

static struct topic *
find_topic(const struct registry *r, const char *name)
{
	struct topic	 key = { .name = (char *)(uintptr_t)name };

	return RB_FIND(topics, (struct topics *)(uintptr_t)&r->topics, &key);
}

static struct topic *
make_topic(struct registry *r, const char *name)
{
	struct topic	*t = find_topic(r, name);

	if (t != NULL)
		return t;
	t = mem_calloc(1, sizeof(*t));
	t->name = mem_strdup(name);
	t->drained = is_drained(r, name);
	TAILQ_INIT(&t->members);
	TAILQ_INIT(&t->waiting);
	for (size_t i = 0; i < REGISTRY_TAKEOVERS; i++)
		t->takeovers[i] = INT64_MIN / 2;
	RB_INSERT(topics, &r->topics, t);
	return t;
}

/* What nobody has to do with is forgotten, when its takeovers are old. */
static void
tidy_topic(struct registry *r, struct topic *t, int64_t now)
{
	int64_t	 last = t->takeovers[0];

	for (size_t i = 1; i < REGISTRY_TAKEOVERS; i++)
		if (t->takeovers[i] > last)
			last = t->takeovers[i];
	if (!TAILQ_EMPTY(&t->members) || t->nwaiting > 0 || t->sessions > 0 ||
	    now - last < MINUTE_MS || t->pace.at > 1000 * now)
		return;
	RB_REMOVE(topics, &r->topics, t);
	free(t->name);
	free(t);
}

static struct reg_rule
rule_of(const struct registry *r, const struct topic *t)
{
	struct reg_rule	 rule = { .policy = CONF_POLICY_REPLACE };

	r->ops.rule(r->ctx, t->name, &rule);
	return rule;
}

/* Is its time not further ahead than the time in which so many may come? */
static bool
is_slow_enough(const struct pace *p, int64_t count, int64_t ms, int64_t now)
{
	return count == 0 ||
	    p->at - 1000 * now <= 1000 * ms - 1000 * ms / count;
}

static void
move_on(struct pace *p, int64_t count, int64_t ms, int64_t now)
{
	if (count == 0)
		return;
	if (p->at < 1000 * now)
		p->at = 1000 * now;
	p->at += 1000 * ms / count;
}

static bool
has_room(const struct member *m, int64_t now)
{
	const struct reg_limits	*l = &m->link->limits;

	return (l->max_sessions == 0 ||
	    m->link->sessions < (size_t)l->max_sessions) &&
	    is_slow_enough(&m->link->pace, l->rate_count, l->rate_ms, now);
}

/* Did its service not answer that user before? */
static bool
is_avoided(const struct member *m, const struct reg_user *u)
{
	for (size_t i = 0; u != NULL && i < u->navoids; i++)
		if (u->avoids[i] == m->link->serial)
			return true;
	return false;
}

/* Does a have fewer sessions for its weight? */
static bool
is_freer(const struct member *a, const struct member *b)
{
	return (uint64_t)(a->sessions + 1) * b->weight <
	    (uint64_t)(b->sessions + 1) * a->weight;
}

/* Could it serve that user, or with NULL the next one? */
static bool
is_usable(const struct member *m, const struct reg_user *u, int64_t now)
{
	return m->up && !m->topic->drained && !m->link->drained &&
	    has_room(m, now) && !is_avoided(m, u);
}

/* Who gets the user, or with NULL the next one; NULL: nobody can. */
static struct member *
choose(const struct topic *t, int policy, const struct reg_user *u,
    int64_t now)
{
	struct member	*m, *best = NULL;

	TAILQ_FOREACH(m, &t->members, at_topic) {
		if (!is_usable(m, u, now))
			continue;
		if (policy != CONF_POLICY_GROUP)
			return m;
		if (best == NULL || is_freer(m, best))
			best = m;
	}
	return best;
}

/* --- links */

struct reg_link *
registry_find_link(const struct registry *r, const char *id)
{
	struct reg_link	*l;

	LIST_FOREACH(l, &r->links, next)
		if (strcmp(l->id, id) == 0)
			return l;
	return NULL;
}

void *
registry_link_owner(const struct reg_link *l)
{
	return l->owner;
}

/* How many users wait that this link is to serve. */
static size_t
waiting_for(const struct registry *r, const struct reg_link *l, int64_t now)
{
	const struct member	*m;
	size_t			 n = 0;

	LIST_FOREACH(m, &l->members, at_link)
		if (m->topic->nwaiting > 0 && choose(m->topic,
		    rule_of(r, m->topic).policy, NULL, now) == m)
			n += m->topic->nwaiting;
	return n;
}

/* Users in RATE_MS, smoothed over two such times. */
static size_t
rate_of(struct reg_link *l, int64_t now)
{
	if (now - l->rate_at >= 2 * RATE_MS)
		l->users = l->users_before = 0;
	else if (now - l->rate_at >= RATE_MS) {
		l->users_before = l->users;
		l->users = 0;
	}
	if (now - l->rate_at >= RATE_MS)
		l->rate_at = now;
	return l->users > l->users_before ? l->users : l->users_before;
}

/* As many as users come while one is made, twice. */
static size_t
to_park(struct reg_link *l, int64_t now)
{
	size_t	 n = rate_of(l, now) * (size_t)l->refill_ms * 2 / RATE_MS;

	return n < REGISTRY_PARKED_MIN ? REGISTRY_PARKED_MIN : n;
}

static void
refill(struct registry *r, struct reg_link *l, int64_t now)
{
	size_t	 want, have = l->nparked + l->asked;

	if (l->nmembers == 0)
		return;
	want = waiting_for(r, l, now);
	/* Who waits takes what comes; these are for who comes next. */
	if (!l->limits.on_demand)
		want += to_park(l, now);
	if (want > REGISTRY_PARKED_MAX)
		want = REGISTRY_PARKED_MAX;
	if (have >= want)
		return;
	if (l->asked == 0)
		l->asked_at = now;
	l->asked += want - have;
	r->ops.need(r->ctx, l->owner, want - have);
}

static void
drop_parked(struct registry *r, struct reg_parked *p)
{
	TAILQ_REMOVE(&p->link->parked, p, next);
	p->link->nparked--;
	r->ops.unpark(r->ctx, p->owner);
	free(p);
}

static void
free_member(struct member *m)
{
	struct topic	*t = m->topic;

	TAILQ_REMOVE(&t->members, m, at_topic);
	LIST_REMOVE(m, at_link);
	m->link->nmembers--;
	free(m);
}

static void	 serve(struct registry *, struct topic *, int64_t);

/* Whoever had a session with it is not counted with it any more. */
static void
remove_member(struct registry *r, struct member *m, int64_t now)
{
	struct topic	*t = m->topic;
	struct reg_user	*u;

	LIST_FOREACH(u, &r->users, next)
		if (u->member == m) {
			u->member = NULL;
			m->link->sessions--;
		}
	free_member(m);
	serve(r, t, now);
	tidy_topic(r, t, now);
}

struct reg_link *
registry_join(struct registry *r, void *owner, const char *id,
    const struct reg_limits *limits, int64_t now)
{
	struct reg_link	*l = registry_find_link(r, id), *fresh;

	fresh = mem_calloc(1, sizeof(*fresh));
	snprintf(fresh->id, sizeof(fresh->id), "%s", id);
	fresh->owner = owner;
	fresh->since = fresh->rate_at = now;
	fresh->serial = ++r->nserials;
	fresh->limits = *limits;
	fresh->refill_ms = REFILL_MS;
	fresh->drained = is_drained(r, id);
	LIST_INIT(&fresh->members);
	TAILQ_INIT(&fresh->parked);
	if (l != NULL) {
		void	*old = l->owner;

		registry_leave(r, l, now);
		r->ops.evict(r->ctx, old, TUNNEL_SUPERSEDED);
	}
	LIST_INSERT_HEAD(&r->links, fresh, next);
	return fresh;
}

void
registry_leave(struct registry *r, struct reg_link *l, int64_t now)
{
	struct reg_parked	*p;

	/* Nobody else is to be paired with these. */
	while ((p = TAILQ_FIRST(&l->parked)) != NULL)
		drop_parked(r, p);
	LIST_REMOVE(l, next);
	while (!LIST_EMPTY(&l->members))
		remove_member(r, LIST_FIRST(&l->members), now);
	free(l);
}

static struct member *
find_member(const struct reg_link *l, const char *topic)
{
	struct member	*m;

	LIST_FOREACH(m, &l->members, at_link)
		if (strcmp(m->topic->name, topic) == 0)
			return m;
	return NULL;
}

/* May another take the topic over now?  If so, that it did is noted. */
static bool
take_over(struct topic *t, int64_t now)
{
	size_t	 oldest = t->ntakeovers % REGISTRY_TAKEOVERS;

	if (now < t->frozen_until)
		return false;
	if (now - t->takeovers[oldest] < MINUTE_MS) {
		t->frozen_until = now + MINUTE_MS;
		return false;
	}
	t->takeovers[oldest] = now;
	t->ntakeovers++;
	return true;
}

/* Where a newcomer stands among those who are there. */
static enum tunnel_code
place(struct registry *r, struct topic *t, struct member *m, int64_t now)
{
	struct member	*first = TAILQ_FIRST(&t->members);
	bool		 taken;

	switch (first == NULL ? CONF_POLICY_GROUP : rule_of(r, t).policy) {
	case CONF_POLICY_REPLACE:
		taken = take_over(t, now);
		r->ops.tell(r->ctx, t->name, first->link->id, m->link->id,
		    !taken);
		if (!taken)
			return TUNNEL_TAKEN;
		TAILQ_INSERT_HEAD(&t->members, m, at_topic);
		break;
	case CONF_POLICY_REJECT:
		return TUNNEL_TAKEN;
	default:
		TAILQ_INSERT_TAIL(&t->members, m, at_topic);
	}
	return TUNNEL_OK;
}

enum tunnel_code
registry_register(struct registry *r, struct reg_link *l, const char *topic,
    unsigned int weight, int64_t now)
{
	struct member		*m = find_member(l, topic);
	struct topic		*t;
	enum tunnel_code	 rc;

	if (m != NULL) {
		m->weight = weight;
		return TUNNEL_OK;
	}
	if (l->nmembers == REGISTRY_LINK_TOPICS)
		return TUNNEL_TOO_MANY;
	t = make_topic(r, topic);
	m = mem_calloc(1, sizeof(*m));
	*m = (struct member){
		.link = l, .topic = t, .weight = weight > 0 ? weight : 1,
		.up = true,
	};
	rc = place(r, t, m, now);
	if (rc != TUNNEL_OK) {
		free(m);
		tidy_topic(r, t, now);
		return rc;
	}
	LIST_INSERT_HEAD(&l->members, m, at_link);
	l->nmembers++;
	refill(r, l, now);
	return TUNNEL_OK;
}

void
registry_withdraw(struct registry *r, struct reg_link *l, const char *topic,
    int64_t now)
{
	struct member	*m = find_member(l, topic);

	if (m != NULL)
		remove_member(r, m, now);
}

void
registry_health(struct registry *r, struct reg_link *l, const char *topic,
    bool up, int64_t now)
{
	struct member	*m = find_member(l, topic);

	if (m == NULL)
		return;
	m->up = up;
	serve(r, m->topic, now);
}

/* --- users and connections */

static void
stop_waiting(struct registry *r, struct reg_user *u)
{
	if (!u->waits)
		return;
	TAILQ_REMOVE(&u->topic->waiting, u, at_topic);
	u->topic->nwaiting--;
	r->nwaiting--;
	u->waits = false;
}

static void
start_waiting(struct registry *r, struct reg_user *u, int64_t now)
{
	u->waits = true;
	u->came = now;
	TAILQ_INSERT_TAIL(&u->topic->waiting, u, at_topic);
	u->topic->nwaiting++;
	r->nwaiting++;
}

/* Its connection is no more. */
static void
let_go(struct reg_user *u)
{
	if (u->member != NULL) {
		u->member->sessions--;
		u->member->link->sessions--;
	}
	u->member = NULL;
}

static void
forget_user(struct registry *r, struct reg_user *u, int64_t now)
{
	struct topic	*t = u->topic;

	stop_waiting(r, u);
	if (u->counted)
		t->sessions--;
	let_go(u);
	LIST_REMOVE(u, next);
	free(u);
	tidy_topic(r, t, now);
}

static void
refuse(struct registry *r, struct reg_user *u, enum tunnel_code code,
    int64_t now)
{
	void	*owner = u->owner;

	forget_user(r, u, now);
	r->ops.refuse(r->ctx, owner, code);
}

static void
pair(struct registry *r, struct reg_user *u, struct member *m, void *parked,
    int64_t now)
{
	stop_waiting(r, u);
	u->member = m;
	m->sessions++;
	m->link->sessions++;
	if (!u->counted)
		u->topic->sessions++;
	u->counted = true;
	(void)rate_of(m->link, now);
	m->link->users++;
	move_on(&m->link->pace, m->link->limits.rate_count,
	    m->link->limits.rate_ms, now);
	r->ops.pair(r->ctx, u->owner, parked, m->link->owner);
}

/* Of a link that has some the newest: it is the likeliest to live. */
static void *
take_parked(struct reg_link *l)
{
	struct reg_parked	*p = TAILQ_LAST(&l->parked, parked_head);
	void			*owner;

	if (p == NULL)
		return NULL;
	TAILQ_REMOVE(&l->parked, p, next);
	l->nparked--;
	owner = p->owner;
	free(p);
	return owner;
}

/*
 * Who waits for a topic and may have that agent: any of a group, for whoever
 * would have been the one to choose may have none parked.
 */
static struct reg_user *
first_waiting(const struct registry *r, const struct member *m, int64_t now)
{
	struct reg_user	*u;
	int		 policy = rule_of(r, m->topic).policy;

	TAILQ_FOREACH(u, &m->topic->waiting, at_topic)
		if (policy == CONF_POLICY_GROUP ? is_usable(m, u, now) :
		    choose(m->topic, policy, u, now) == m)
			return u;
	return NULL;
}

/*
 * A connection that has just come goes to who has waited longest of those
 * that the link serves.
 */
static struct reg_user *
longest_waiting(const struct registry *r, const struct reg_link *l,
    struct member **whose, int64_t now)
{
	struct reg_user	*u, *best = NULL;
	struct member	*m;

	LIST_FOREACH(m, &l->members, at_link) {
		if ((u = first_waiting(r, m, now)) == NULL)
			continue;
		if (best == NULL || u->came < best->came) {
			best = u;
			*whose = m;
		}
	}
	return best;
}

/* A topic has changed: who waits there may be somebody else's now. */
static void
serve(struct registry *r, struct topic *t, int64_t now)
{
	struct member	*m;

	if (t->nwaiting == 0)
		return;
	m = choose(t, rule_of(r, t).policy, NULL, now);
	if (m != NULL)
		refill(r, m->link, now);
}

void
registry_park(struct registry *r, struct reg_link *l, void *owner,
    int64_t now)
{
	struct reg_parked	*p;
	struct reg_user		*u;
	struct member		*m = NULL;
	int64_t			 spread = REGISTRY_PARK_MS / 5;

	if (l->asked > 0)
		l->asked--;
	l->refill_ms = (3 * l->refill_ms + (now - l->asked_at)) / 4;
	l->asked_at = now;
	u = longest_waiting(r, l, &m, now);
	if (u != NULL) {
		pair(r, u, m, owner, now);
		refill(r, l, now);
		return;
	}
	if (l->limits.on_demand) {
		r->ops.unpark(r->ctx, owner);
		return;
	}
	p = mem_calloc(1, sizeof(*p));
	p->owner = owner;
	p->link = l;
	p->until = now + REGISTRY_PARK_MS - spread +
	    (int64_t)(r->ops.random(r->ctx) % (uint32_t)(2 * spread));
	TAILQ_INSERT_TAIL(&l->parked, p, next);
	l->nparked++;
}

void
registry_lost(struct registry *r, struct reg_link *l, int64_t now)
{
	if (l->asked > 0)
		l->asked--;
	refill(r, l, now);
}

void
registry_parked_died(struct registry *r, void *owner, int64_t now)
{
	struct reg_parked	*p;
	struct reg_link		*l;

	LIST_FOREACH(l, &r->links, next)
		TAILQ_FOREACH(p, &l->parked, next)
			if (p->owner == owner) {
				drop_parked(r, p);
				refill(r, l, now);
				return;
			}
}

/* Is there somebody who would serve but for his limit? */
static bool
is_full(const struct topic *t)
{
	const struct member	*m;

	if (t->drained)
		return false;
	TAILQ_FOREACH(m, &t->members, at_topic)
		if (m->up && !m->link->drained)
			return true;
	return false;
}

struct reg_user *
registry_open(struct registry *r, void *owner, const char *topic, int64_t now)
{
	struct topic	*t = make_topic(r, topic);
	struct reg_rule	 rule = rule_of(r, t);
	struct reg_user	*u = mem_calloc(1, sizeof(*u));
	struct member	*m;
	void		*parked;

	u->owner = owner;
	u->topic = t;
	LIST_INSERT_HEAD(&r->users, u, next);
	if ((rule.max_sessions > 0 &&
	    t->sessions >= (size_t)rule.max_sessions) ||
	    t->nwaiting >= (size_t)rule.waiting ||
	    !is_slow_enough(&t->pace, rule.rate_count, rule.rate_ms, now)) {
		refuse(r, u, TUNNEL_TOO_MANY, now);
		return NULL;
	}
	move_on(&t->pace, rule.rate_count, rule.rate_ms, now);
	m = choose(t, rule.policy, NULL, now);
	if (m == NULL && is_full(t)) {
		refuse(r, u, TUNNEL_TOO_MANY, now);
		return NULL;
	}
	if (t->drained || (m == NULL && rule.hold_ms == 0)) {
		refuse(r, u, TUNNEL_NO_AGENT, now);
		return NULL;
	}
	/* Who came before goes first. */
	parked = m != NULL && t->nwaiting == 0 ? take_parked(m->link) : NULL;
	if (parked != NULL)
		pair(r, u, m, parked, now);
	else
		start_waiting(r, u, now);
	if (m != NULL)
		refill(r, m->link, now);
	return u;
}

void
registry_again(struct registry *r, struct reg_user *u, int64_t now)
{
	struct member		*m = u->member;
	struct reg_parked	*p;

	/* One died unseen: so may all have that lie beside it. */
	while (m != NULL && (p = TAILQ_FIRST(&m->link->parked)) != NULL)
		drop_parked(r, p);
	let_go(u);
	if (!u->waits)
		start_waiting(r, u, now);
	m = choose(u->topic, rule_of(r, u->topic).policy, u, now);
	if (m != NULL)
		refill(r, m->link, now);
}

void
registry_elsewhere(struct registry *r, struct reg_user *u, int64_t now)
{
	struct member	*m = u->member;
	void		*parked;

	if (m != NULL && u->navoids < REGISTRY_ELSEWHERE)
		u->avoids[u->navoids++] = m->link->serial;
	m = u->navoids == REGISTRY_ELSEWHERE ? NULL :
	    choose(u->topic, rule_of(r, u->topic).policy, u, now);
	let_go(u);
	if (m == NULL) {
		refuse(r, u, TUNNEL_NO_SERVICE, now);
		return;
	}
	parked = take_parked(m->link);
	if (parked != NULL)
		pair(r, u, m, parked, now);
	else
		start_waiting(r, u, now);
	refill(r, m->link, now);
}

void
registry_close(struct registry *r, struct reg_user *u, int64_t now)
{
	forget_user(r, u, now);
}

bool
registry_drain(struct registry *r, const char *name, bool drained,
    int64_t now)
{
	struct reg_link	*l = registry_find_link(r, name);
	struct topic	*t = find_topic(r, name);
	size_t		 i = find_drained(r, name);
	struct member	*m;

	if (drained && i == REGISTRY_DRAINED_MAX)
		return false;
	if (drained && i == r->ndrained)
		r->drained[r->ndrained++] = mem_strdup(name);
	else if (!drained && i < r->ndrained) {
		free(r->drained[i]);
		r->drained[i] = r->drained[--r->ndrained];
	}
	if (l != NULL) {
		l->drained = drained;
		LIST_FOREACH(m, &l->members, at_link)
			serve(r, m->topic, now);
	}
	if (t != NULL) {
		t->drained = drained;
		serve(r, t, now);
	}
	return true;
}

/* --- time */

static void
refuse_late(struct registry *r, int64_t now)
{
	struct reg_user	*u, *next;

	for (u = LIST_FIRST(&r->users); u != NULL; u = next) {
		struct reg_rule	 rule;
		bool		 some;

		next = LIST_NEXT(u, next);
		if (!u->waits)
			continue;
		rule = rule_of(r, u->topic);
		some = choose(u->topic, rule.policy, u, now) != NULL;
		if (now - u->came >= (some && rule.wait_ms > rule.hold_ms ?
		    rule.wait_ms : rule.hold_ms))
			refuse(r, u, some ? TUNNEL_NO_ANSWER :
			    TUNNEL_NO_AGENT, now);
	}
}

static void
recycle(struct registry *r, struct reg_link *l, int64_t now)
{
	struct reg_parked	*p, *next;
	bool			 some = false;

	for (p = TAILQ_FIRST(&l->parked); p != NULL; p = next) {
		next = TAILQ_NEXT(p, next);
		if (now < p->until)
			continue;
		drop_parked(r, p);
		some = true;
	}
	if (some)
		refill(r, l, now);
}

int64_t
registry_tick(struct registry *r, int64_t now)
{
	struct reg_link	*l;
	struct topic	*t, *next;

	if (r->nwaiting > 0)
		refuse_late(r, now);
	LIST_FOREACH(l, &r->links, next)
		recycle(r, l, now);
	for (t = RB_MIN(topics, &r->topics); t != NULL; t = next) {
		next = RB_NEXT(topics, &r->topics, t);
		tidy_topic(r, t, now);
	}
	return now + (r->nwaiting > 0 ? REGISTRY_TICK_MS / 10 :
	    REGISTRY_TICK_MS);
}

/* --- for people */

bool
registry_next_link(const struct registry *r, const char *after,
    struct reg_link_facts *f, int64_t now)
{
	const struct reg_link	*l, *best = NULL;

	LIST_FOREACH(l, &r->links, next)
		if (strcmp(l->id, after) > 0 &&
		    (best == NULL || strcmp(l->id, best->id) < 0))
			best = l;
	if (best == NULL)
		return false;
	*f = (struct reg_link_facts){
		.id = best->id, .topics = best->nmembers,
		.parked = best->nparked, .sessions = best->sessions,
		.waiting = waiting_for(r, best, now), .since = best->since,
		.drained = best->drained,
	};
	return true;
}

bool
registry_next_topic(const struct registry *r, const char *after,
    struct reg_topic_facts *f, int64_t now)
{
	struct topic		 key = { .name = (char *)(uintptr_t)after };
	const struct topic	*t;
	const struct member	*m;

	t = RB_NFIND(topics, (struct topics *)(uintptr_t)&r->topics, &key);
	if (t != NULL && strcmp(t->name, after) == 0)
		t = RB_NEXT(topics, NULL, (struct topic *)(uintptr_t)t);
	if (t == NULL)
		return false;
	m = choose(t, rule_of(r, t).policy, NULL, now);
	*f = (struct reg_topic_facts){
		.name = t->name, .agent = m != NULL ? m->link->id : NULL,
		.sessions = t->sessions, .waiting = t->nwaiting,
		.takeovers = t->ntakeovers, .frozen = now < t->frozen_until,
		.drained = t->drained,
	};
	TAILQ_FOREACH(m, &t->members, at_topic)
		f->agents++;
	return true;
}

void
registry_free(struct registry **rp)
{
	struct registry		*r = *rp;
	struct reg_parked	*p;
	struct reg_link		*l;
	struct reg_user		*u;
	struct topic		*t;

	if (r == NULL)
		return;
	while ((u = LIST_FIRST(&r->users)) != NULL) {
		LIST_REMOVE(u, next);
		free(u);
	}
	while ((l = LIST_FIRST(&r->links)) != NULL) {
		while (!LIST_EMPTY(&l->members))
			free_member(LIST_FIRST(&l->members));
		while ((p = TAILQ_FIRST(&l->parked)) != NULL) {
			TAILQ_REMOVE(&l->parked, p, next);
			free(p);
		}
		LIST_REMOVE(l, next);
		free(l);
	}
	while ((t = RB_ROOT(&r->topics)) != NULL) {
		RB_REMOVE(topics, &r->topics, t);
		free(t->name);
		free(t);
	}
	while (r->ndrained > 0)
		free(r->drained[--r->ndrained]);
	free(r);
	*rp = NULL;
}
