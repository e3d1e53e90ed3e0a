#include <sys/stat.h>

#include <bsd/sys/tree.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "policy/conf_files.h"
#include "policy/guess.h"
#include "policy/people.h"
#include "policy/prove.h"
#include "policy/used.h"
#include "process/store.h"
#include "process/vault.h"
#include "session/mysql_rsa.h"

#define SEED		32
#define GUESSES		65536	/* of users, and of sources */
#define LEARNT_MAX	4096	/* users of a table */
#define MEMORY_MS	((int64_t)24 * 3600 * 1000)	/* of wrong codes */
#define OWNER_LEN	32	/* digits */
#define SECRET_NEW	20	/* bytes, RFC 4226 section 4 R6 */

/* What is known of a generation. */
struct known {
	uint32_t	 number;
	const struct conf *conf;	/* setup's */
	int		 fds[STORES];	/* setup's, too */
	char		**passwords;	/* of each account; NULL: none */
	EVP_PKEY	**keys;		/* of each backend; NULL: none */
};

/* What a table said of a user. */
struct learnt {
	RB_ENTRY(learnt)	 link;
	struct person		 person;	/* nsecret 0: there is none */
	int64_t			 at_ms;
};

RB_HEAD(learnts, learnt);

struct vault {
	uint8_t			 seed[SEED];
	struct known		*known;
	size_t			 nknown;
	uint32_t		 now;		/* generation in use */
	struct people		*people;
	struct stat		 people_st;	/* of what was read */
	struct learnts		 learnt;
	size_t			 nlearnt;
	struct person		 nobody;
	struct used		*used;
	struct stat		 used_st;	/* of the file in use */
	char			 owner[OWNER_LEN + 1];
	struct guess		*users, *sources;
};

static int
by_name(const struct learnt *a, const struct learnt *b)
{
	return strcmp(a->person.name, b->person.name);
}

RB_PROTOTYPE_INTERNAL(learnts, learnt, link, by_name,
    static __attribute__((unused)))
RB_GENERATE_INTERNAL(learnts, learnt, link, by_name,
    static __attribute__((unused)))

static struct known *
find(const struct vault *v, uint32_t generation)
{
	for (size_t i = 0; i < v->nknown; i++)
		if (v->known[i].number == generation)
			return &v->known[i];
	return NULL;
}

/* The one in use; there is one as soon as somebody asks. */
static const struct known *
in_use(const struct vault *v)
{
	const struct known	*k = find(v, v->now);

	return k != NULL ? k : v->nknown > 0 ? &v->known[v->nknown - 1] :
	    NULL;
}

const struct conf *
vault_conf(const struct vault *v, uint32_t generation)
{
	const struct known	*k = find(v, generation);

	return k != NULL ? k->conf : NULL;
}

struct vault *
vault_new(const uint8_t *seed)
{
	struct vault	*v = mem_calloc(1, sizeof(*v));
	uint8_t		 id[OWNER_LEN / 2];

	memcpy(v->seed, seed, sizeof(v->seed));
	v->used = used_new();
	RB_INIT(&v->learnt);
	v->users = guess_new(GUESSES);
	v->sources = guess_new(GUESSES);
	v->nobody.nsecret = SECRET_NEW;
	if (RAND_bytes(v->nobody.secret, SECRET_NEW) != 1 ||
	    RAND_bytes(id, sizeof(id)) != 1)
		log_fatal(1, "no random numbers");
	for (size_t i = 0; i < sizeof(id); i++)
		snprintf(v->owner + 2 * i, 3, "%02x", id[i]);
	return v;
}

static void
free_secret(char *secret)
{
	if (secret != NULL)
		OPENSSL_secure_clear_free(secret, strlen(secret));
}

static void
drop_learnt(struct vault *v, struct learnt *l)
{
	RB_REMOVE(learnts, &v->learnt, l);
	v->nlearnt--;
	OPENSSL_secure_clear_free(l, sizeof(*l));
}

static void
release(struct known *k)
{
	for (size_t i = 0; i < k->conf->accounts.n; i++)
		free_secret(k->passwords[i]);
	for (size_t i = 0; i < k->conf->nbackends; i++)
		EVP_PKEY_free(k->keys[i]);
	free(k->passwords);
	free(k->keys);
}

void
vault_free(struct vault **vp)
{
	struct vault	*v = *vp;
	struct learnt	*l;

	if (v == NULL)
		return;
	for (size_t i = 0; i < v->nknown; i++)
		release(&v->known[i]);
	free(v->known);
	while ((l = RB_MIN(learnts, &v->learnt)) != NULL)
		drop_learnt(v, l);
	people_free(&v->people);
	used_free(&v->used);
	guess_free(&v->users);
	guess_free(&v->sources);
	free(v);
	*vp = NULL;
}

/* The first line of the file, in memory that is locked. */
static char *
first_line(const struct setup_file *f)
{
	size_t	 len = strcspn(f->data, "\r\n");
	char	*secret = OPENSSL_secure_zalloc(len + 1);

	if (secret != NULL)
		memcpy(secret, f->data, len);
	return secret;
}

/* What a file of the generation is for, if it is for us; 0, or -1 with why. */
static int
take_file(struct known *k, const struct conf_file *f,
    const struct setup_file *bytes, char *why)
{
	if (f->kind == CONF_FILE_ACCOUNT_PASSWORD) {
		k->passwords[f->owner] = first_line(bytes);
		if (k->passwords[f->owner] != NULL)
			return 0;
		snprintf(why, VAULT_WHY_MAX, "%s: %s: \"%s\": no memory for "
		    "it", f->where, f->key, f->path);
		return -1;
	}
	k->keys[f->owner] = mysql_rsa_public(bytes->data, bytes->len);
	if (k->keys[f->owner] != NULL)
		return 0;
	snprintf(why, VAULT_WHY_MAX, "%s: %s: \"%s\": is no RSA key any more",
	    f->where, f->key, f->path);
	return -1;
}

static int
take_files(struct known *k, struct setup_generation *gen, char *why)
{
	size_t			 n;
	struct conf_file	*files = conf_files(gen->conf, &n);
	int			 rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++)
		if (gen->files[i].data != NULL && (files[i].kind ==
		    CONF_FILE_ACCOUNT_PASSWORD || files[i].kind ==
		    CONF_FILE_SERVER_PUBLIC_KEY)) {
			rc = take_file(k, &files[i], &gen->files[i], why);
			setup_forget_file(&gen->files[i]);
		}
	free(files);
	return rc;
}

int
vault_add(struct vault *v, struct setup_generation *gen, char *why)
{
	struct known	 k = {
		.number = gen->number, .conf = gen->conf,
		.passwords = mem_calloc(gen->conf->accounts.n + 1,
		    sizeof(char *)),
		.keys = mem_calloc(gen->conf->nbackends + 1,
		    sizeof(EVP_PKEY *)),
	};

	memcpy(k.fds, gen->stores, sizeof(k.fds));
	if (take_files(&k, gen, why) == -1) {
		release(&k);
		return -1;
	}
	v->known = mem_resize(v->known, v->nknown + 1, sizeof(*v->known));
	v->known[v->nknown++] = k;
	return 0;
}

void
vault_forget(struct vault *v, uint32_t generation)
{
	struct known	*k = find(v, generation);

	if (k == NULL)
		return;
	release(k);
	v->nknown--;
	memmove(k, k + 1, (size_t)(&v->known[v->nknown] - k) * sizeof(*k));
}

/* --- files */

/* All of a file, with a NUL, to be cleansed and freed; NULL with errno. */
static char *
read_all(int fd, size_t max, size_t *len)
{
	struct stat	 st;
	char		*text;
	ssize_t		 n;

	if (fstat(fd, &st) == -1)
		return NULL;
	if ((uintmax_t)st.st_size > max) {
		errno = EFBIG;
		return NULL;
	}
	text = mem_calloc(1, (size_t)st.st_size + 1);
	n = pread(fd, text, (size_t)st.st_size, 0);
	if (n == -1) {
		free(text);
		return NULL;
	}
	*len = (size_t)n;
	return text;
}

static void
free_text(char *text, size_t len)
{
	if (text != NULL)
		OPENSSL_cleanse(text, len);
	free(text);
}

static bool
is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool
is_unchanged(const struct stat *a, const struct stat *b)
{
	return is_same_file(a, b) && a->st_size == b->st_size &&
	    a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	    a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void
on_line(void *ctx, unsigned int line, const char *why)
{
	const struct known	*k = ctx;

	log_warn("%s:%u: %s; this line is left out", k->conf->totp.file, line,
	    why);
}

static void
read_people(struct vault *v, struct known *k)
{
	struct onetime_rule	 usual = conf_onetime_rule(k->conf);
	size_t			 len;
	char			*text = read_all(k->fds[STORE_PEOPLE],
				    PEOPLE_BYTES_MAX, &len);

	if (text == NULL) {
		log_error("%s: %s; who is known stays known",
		    k->conf->totp.file, strerror(errno));
		return;
	}
	people_free(&v->people);
	v->people = people_parse(text, len, &usual, on_line, k);
	v->nobody.rule = usual;
	free_text(text, len);
}

/* As it is on disk now. */
static void
refresh(struct vault *v)
{
	struct known	*k = find(v, v->now);
	struct stat	 st;

	if (k == NULL || k->fds[STORE_PEOPLE] == -1 ||
	    fstat(k->fds[STORE_PEOPLE], &st) == -1 ||
	    (v->people != NULL && is_unchanged(&st, &v->people_st)))
		return;
	v->people_st = st;
	read_people(v, k);
}

size_t
vault_count(const struct vault *v)
{
	return v->people != NULL ? people_count(v->people) : 0;
}

static bool
is_in_table(const struct vault *v)
{
	const struct known	*k = find(v, v->now);

	return k != NULL && k->conf->totp.secrets == CONF_SECRETS_TABLE;
}

static struct learnt *
find_learnt(const struct vault *v, const char *user)
{
	struct learnt	 key;

	snprintf(key.person.name, sizeof(key.person.name), "%s", user);
	return RB_FIND(learnts, (struct learnts *)(uintptr_t)&v->learnt, &key);
}

bool
vault_must_ask(const struct vault *v, const char *user, int64_t now_ms)
{
	const struct learnt	*l;

	if (!is_in_table(v) || !totp_is_name(user, strlen(user)))
		return false;
	l = find_learnt(v, user);
	return l == NULL || now_ms - l->at_ms >= VAULT_FRESH_MS;
}

/* The one that was learnt first makes room. */
static void
make_room(struct vault *v)
{
	struct learnt	*l, *oldest = RB_MIN(learnts, &v->learnt);

	if (v->nlearnt < LEARNT_MAX)
		return;
	RB_FOREACH(l, learnts, &v->learnt)
		if (l->at_ms < oldest->at_ms)
			oldest = l;
	drop_learnt(v, oldest);
}

static struct learnt *
add_learnt(struct vault *v, const char *user)
{
	struct learnt	*l;

	make_room(v);
	l = OPENSSL_secure_zalloc(sizeof(*l));
	if (l == NULL)
		log_fatal(1, "no memory for secrets");
	snprintf(l->person.name, sizeof(l->person.name), "%s", user);
	RB_INSERT(learnts, &v->learnt, l);
	v->nlearnt++;
	return l;
}

void
vault_learn(struct vault *v, const char *user, const char *secret,
    int64_t now_ms)
{
	const struct known	*k = in_use(v);
	struct learnt		*l = find_learnt(v, user);
	const char		*why;

	if (k == NULL)
		return;
	if (l == NULL)
		l = add_learnt(v, user);
	l->at_ms = now_ms;
	l->person.rule = conf_onetime_rule(k->conf);
	l->person.nsecret = 0;
	if (secret == NULL)
		return;
	l->person.nsecret = onetime_base32_decode(secret, strlen(secret),
	    l->person.secret, &why);
	if (l->person.nsecret == 0)
		log_warn("%s.%s: the secret of %s: %s",
		    k->conf->otp_table.database, k->conf->otp_table.name,
		    user, why);
}

/* Whoever has codes; NULL: nobody is called so. */
static const struct person *
person_of(const struct vault *v, const char *user)
{
	const struct learnt	*l;

	if (!is_in_table(v))
		return v->people != NULL ? people_find(v->people, user) :
		    NULL;
	l = find_learnt(v, user);
	return l != NULL && l->person.nsecret > 0 ? &l->person : NULL;
}

bool
vault_has(struct vault *v, const char *user)
{
	refresh(v);
	return person_of(v, user) != NULL;
}

/*
 * How far ahead of now a code may have been taken by the auth before us, which
 * may still have handshakes under way.
 */
static int64_t
furthest(const struct vault *v, const struct conf *conf)
{
	struct onetime_rule	 usual = conf_onetime_rule(conf);
	int64_t			 most = (int64_t)usual.window * usual.period;
	int64_t			 late = conf->timeouts.handshake / 1000;

	for (size_t i = 0; i < vault_count(v); i++) {
		const struct person	*p = people_at(v->people, i);
		int64_t			 s = (int64_t)p->rule.window *
					    p->rule.period;

		if (s > most)
			most = s;
	}
	return most + late;
}

static int
write_state(int fd, const char *text, size_t len)
{
	if (ftruncate(fd, 0) == -1)
		return -1;
	return pwrite(fd, text, len, 0) == (ssize_t)len ? 0 : -1;
}

/* Was what is there left in order, and is now ours? */
static bool
take_state(struct vault *v, int fd)
{
	size_t	 len, skip = strlen(STORE_CLEAN);
	char	*text = read_all(fd, USED_BYTES_MAX, &len);
	char	 mine[64];
	bool	 good;

	good = text != NULL && len >= skip &&
	    memcmp(text, STORE_CLEAN, skip) == 0 &&
	    used_read(v->used, text + skip, len - skip) == 0;
	free(text);
	snprintf(mine, sizeof(mine), "in use by %s\n", v->owner);
	return write_state(fd, mine, strlen(mine)) == 0 && good;
}

static void
begin_state(struct vault *v, const struct known *k, int64_t now_s)
{
	int		 fd = k->fds[STORE_USED];
	struct stat	 st;
	bool		 had = v->used_st.st_ino != 0;

	if (fd == -1 || fstat(fd, &st) == -1) {
		if (!had)
			used_until(v->used, now_s +
			    furthest(v, k->conf));
		v->used_st.st_ino = had ? v->used_st.st_ino : 1;
		return;
	}
	if (had && is_same_file(&st, &v->used_st))
		return;
	v->used_st = st;
	if (had) {
		/* What we know is more than what any file can tell. */
		char	 mine[64];

		snprintf(mine, sizeof(mine), "in use by %s\n", v->owner);
		(void)write_state(fd, mine, strlen(mine));
	} else if (!take_state(v, fd)) {
		used_until(v->used, now_s + furthest(v, k->conf));
		log_info("%s: codes were in use when the last auth ended, or "
		    "it is still there: those of the next %" PRId64 " seconds "
		    "do not count", k->conf->totp.state,
		    furthest(v, k->conf));
	}
}

void
vault_use(struct vault *v, uint32_t generation, int64_t now_s)
{
	struct known	*k = find(v, generation);

	v->now = generation;
	if (k == NULL || !k->conf->totp.wanted)
		return;
	/* What is usual may be otherwise. */
	v->people_st.st_ino = 0;
	v->nobody.rule = conf_onetime_rule(k->conf);
	refresh(v);
	begin_state(v, k, now_s);
}

void
vault_end(struct vault *v, int64_t now_s)
{
	const struct known	*k = in_use(v);
	int			 fd = k != NULL ? k->fds[STORE_USED] : -1;
	char			*was, *text, *all, mine[64];
	size_t			 len, n;

	if (fd == -1)
		return;
	was = read_all(fd, USED_BYTES_MAX, &len);
	snprintf(mine, sizeof(mine), "in use by %s\n", v->owner);
	/* Whoever came after us knows better. */
	if (was != NULL && strcmp(was, mine) == 0) {
		text = used_text(v->used, now_s, &n);
		all = mem_printf("%s%s", STORE_CLEAN, text);
		if (write_state(fd, all, strlen(all)) == -1)
			log_error("%s: %s", k->conf->totp.state,
			    strerror(errno));
		free(all);
		free(text);
	}
	free(was);
}

/* --- checks */

static uint64_t
key_of(const struct vault *v, char kind, const void *data, size_t len)
{
	uint8_t		 buf[SEED + 1 + 256], sum[EVP_MAX_MD_SIZE];
	uint64_t	 key;

	if (len > 256)
		len = 256;
	memcpy(buf, v->seed, SEED);
	buf[SEED] = (uint8_t)kind;
	memcpy(buf + SEED + 1, data, len);
	if (EVP_Digest(buf, SEED + 1 + len, sum, NULL, EVP_sha256(), NULL) !=
	    1)
		log_fatal(1, "SHA-256 fails");
	memcpy(&key, sum, sizeof(key));
	return key;
}

static uint64_t
user_key(const struct vault *v, const char *user)
{
	return key_of(v, 'u', user, strlen(user));
}

static uint64_t
source_key(const struct vault *v, const struct access_source *source)
{
	return key_of(v, 's', source->bytes, sizeof(source->bytes));
}

/* One try, while it is looked at. */
struct try {
	struct vault			*v;
	const struct known		*k;
	const struct code_check		*c;
	const struct access_source	*source;
	bool				 trusted;
	int64_t				 now_s, now_ms;
	uint64_t			 user, from;	/* keys */
	struct vault_result		*result;
};

static void
deny(struct try *t, const char *reason)
{
	t->result->pass.verdict = CODE_DENIED;
	t->result->reason = reason;
}

/* It was a guess, or looks like one. */
static void
fail(struct try *t, const char *reason)
{
	struct guess_rule	 rule = {
		.tries = t->k->conf->totp.tries,
		.lock_ms = t->k->conf->totp.lock,
		.memory_ms = MEMORY_MS,
	};
	bool			 user, from = false;
	int64_t			 before = guess_wait(t->v->users, t->user,
				    t->now_ms);

	deny(t, reason);
	(void)guess_failed(t->v->users, t->user, &rule, t->now_ms, &user);
	/* Many users may come from one, and no right code makes it forget. */
	rule.memory_ms = rule.lock_ms;
	if (!t->trusted)
		(void)guess_failed(t->v->sources, t->from, &rule, t->now_ms,
		    &from);
	t->result->locked = (user || from) && before == 0;
	t->result->lock_ms = rule.lock_ms;
}

static bool
must_wait(struct try *t)
{
	int64_t	 user = guess_wait(t->v->users, t->user, t->now_ms);
	int64_t	 from = t->trusted ? 0 : guess_wait(t->v->sources, t->from,
		    t->now_ms);
	int64_t	 ms = user > from ? user : from;

	if (ms == 0)
		return false;
	t->result->pass.verdict = CODE_WAIT;
	t->result->pass.wait_s = (uint32_t)((ms + 999) / 1000);
	t->result->reason = "too_soon";
	return true;
}

/* Make a recovery code one that was used: 0, or -1. */
static int
spend_recovery(struct vault *v, const struct known *k,
    const struct person *p, size_t code)
{
	char	 dashes[PEOPLE_RECOVERY_LEN];
	int	 rc;

	memset(dashes, '-', sizeof(dashes));
	rc = pwrite(k->fds[STORE_PEOPLE], dashes, sizeof(dashes),
	    (off_t)p->recovery_at[code]) == (ssize_t)sizeof(dashes) ? 0 : -1;
	if (rc == -1)
		log_error("%s: a recovery code cannot be marked as used, and "
		    "so is not taken: %s", k->conf->totp.file,
		    strerror(errno));
	/* Even if the time of the file did not move on. */
	v->people_st.st_ino = 0;
	return rc;
}

/* It is right: is it for the first time? */
static bool
take_code(struct try *t, const struct person *p,
    const struct prove_result *proof)
{
	const struct known	*k = find(t->v, t->v->now);

	if (proof->recovery) {
		if (k != NULL && spend_recovery(t->v, k, p, proof->code) == 0)
			return true;
		deny(t, "not_stored");
		return false;
	}
	switch (used_take(t->v->used, p->name, &p->rule, proof->step,
	    t->source, t->k->conf->totp.reuse / 1000, t->now_s)) {
	case USED_OK:
	case USED_AGAIN:
		return true;
	case USED_SPENT:
		/* Who says it again knows it: that is no guess. */
		deny(t, "code_spent");
		return false;
	case USED_FULL:
		break;
	}
	deny(t, "not_stored");
	return false;
}

static void
decide(struct try *t, const struct conf_listener *l)
{
	const struct conf	*conf = t->k->conf;
	struct code_pass	*pass = &t->result->pass;
	const struct person	*p = person_of(t->v, t->c->user);
	size_t			 account = conf_account_of(conf, l,
				    t->c->user);
	struct prove_result	 proof;

	if (prove(p != NULL ? p : &t->v->nobody, conf->totp.password,
	    t->now_s, &t->c->answer, conf->totp.code == CONF_CODE_ASKED ?
	    &t->c->code : NULL, &proof) == -1)
		log_error("OpenSSL fails to hash");
	if (p == NULL)
		fail(t, "unknown_user");
	else if (!proof.proved)
		fail(t, "wrong_code");
	else if (account == CONF_NOWHERE)
		/* Not told before the code was right. */
		deny(t, "no_account");
	else if (take_code(t, p, &proof)) {
		pass->verdict = CODE_OK;
		pass->account = (uint32_t)account;
		memcpy(pass->stored, proof.stored, sizeof(pass->stored));
		(void)guess_forget(t->v->users, t->user);
	}
	OPENSSL_cleanse(&proof, sizeof(proof));
}

int
vault_check(struct vault *v, const struct code_check *c,
    const struct access_source *source, bool trusted, int64_t now_s,
    int64_t now_ms, struct vault_result *result)
{
	struct try			 t = {
		.v = v, .k = find(v, c->generation), .c = c,
		.source = source, .trusted = trusted,
		.now_s = now_s, .now_ms = now_ms, .result = result,
	};
	const struct conf_listener	*l;

	if (t.k == NULL || c->listener >= t.k->conf->nlisteners)
		return -1;
	l = &t.k->conf->listeners[c->listener];
	if (l->login != CONF_LOGIN_TOTP ||
	    c->apart != (t.k->conf->totp.code == CONF_CODE_ASKED))
		return -1;
	*result = (struct vault_result){ .reason = NULL };
	t.user = user_key(v, c->user);
	t.from = source_key(v, source);
	refresh(v);
	if (!must_wait(&t))
		decide(&t, l);
	return 0;
}

/* --- answers */

static ptrdiff_t
answer_parsec(struct mysql_bytes password, const struct code_question *q,
    uint8_t *out)
{
	uint8_t	 ours[MYSQL_PARSEC_NONCE_LEN];

	if (q->nonce.len != MYSQL_PARSEC_NONCE_LEN ||
	    RAND_bytes(ours, sizeof(ours)) != 1 ||
	    mysql_parsec_answer(password, q->nonce.p, q->more, ours, out) ==
	    -1)
		return -1;
	return MYSQL_PARSEC_LEN;
}

static ptrdiff_t
answer_sealed(EVP_PKEY *key, struct mysql_bytes password,
    const struct code_question *q, uint8_t *out)
{
	char			*with_nul;
	struct mysql_bytes	 b;
	ssize_t			 n;

	if (key == NULL)
		return -1;
	with_nul = OPENSSL_secure_zalloc(password.len + 1);
	if (with_nul == NULL)
		return -1;
	memcpy(with_nul, password.p, password.len);
	b.p = (const uint8_t *)with_nul;
	b.len = password.len + 1;
	n = mysql_rsa_encrypt(key, b, q->nonce, out);
	OPENSSL_secure_clear_free(with_nul, b.len);
	return n;
}

ptrdiff_t
vault_answer(const struct vault *v, uint32_t generation, uint32_t listener,
    uint32_t account, const struct code_question *q, uint8_t *out)
{
	const struct known	*k = find(v, generation);
	struct mysql_bytes	 password = { (const uint8_t *)"", 0 };
	bool			 short_nonce;

	if (k == NULL || account >= k->conf->accounts.n ||
	    listener >= k->conf->nlisteners)
		return -1;
	if (k->passwords[account] != NULL) {
		password.p = (const uint8_t *)k->passwords[account];
		password.len = strlen(k->passwords[account]);
	}
	short_nonce = q->nonce.len < MYSQL_NONCE_LEN;
	switch (q->how) {
	case CODE_NATIVE:
		return short_nonce || mysql_native_scramble(password,
		    q->nonce.p, out) == -1 ? -1 : MYSQL_NATIVE_LEN;
	case CODE_SHA2:
		return short_nonce || mysql_sha2_scramble(password,
		    q->nonce.p, out) == -1 ? -1 : MYSQL_SHA2_LEN;
	case CODE_SHA2_SEALED:
		return answer_sealed(k->keys[k->conf->listeners[listener].
		    backend], password, q, out);
	case CODE_PARSEC:
		return answer_parsec(password, q, out);
	case CODE_ED25519:
		return mysql_ed25519_sign(password, q->nonce, out) == -1 ?
		    -1 : MYSQL_ED25519_LEN;
	case CODE_ANSWERS:
		break;
	}
	return -1;
}

/* --- for administrators */

static int
refuse(char *why, const char *text)
{
	snprintf(why, VAULT_WHY_MAX, "%s", text);
	return -1;
}

static int
refuse_name(char *why, const char *name)
{
	snprintf(why, VAULT_WHY_MAX, "there is no user \"%.128s\"", name);
	return -1;
}

/* The people in use, as they are now, and their file. */
static const struct known *
open_people(struct vault *v, char *why)
{
	const struct known	*k = find(v, v->now);

	if (k == NULL || k->fds[STORE_PEOPLE] == -1) {
		(void)refuse(why, is_in_table(v) ? "totp.secrets is "
		    "\"table\": change and look at them there" :
		    "no listener has login \"totp\"");
		return NULL;
	}
	refresh(v);
	if (v->people != NULL)
		return k;
	(void)refuse(why, "the file of totp.file cannot be read");
	return NULL;
}

static const struct person *
find_person(struct vault *v, const char *name, char *why)
{
	const struct person	*p;

	if (open_people(v, why) == NULL)
		return NULL;
	p = people_find(v->people, name);
	if (p == NULL)
		(void)refuse_name(why, name);
	return p;
}

static int
fail_errno(const struct known *k, char *why)
{
	snprintf(why, VAULT_WHY_MAX, "%s: %s", k->conf->totp.file,
	    strerror(errno));
	return -1;
}

/*
 * A line behind all others, whatever the last one ends with; *at is where it
 * begins.
 */
static int
append_line(const struct known *k, const char *line, off_t *at, char *why)
{
	int		 fd = k->fds[STORE_PEOPLE];
	struct stat	 st;
	char		 last = '\n', *text;
	ssize_t		 len, n;

	if (fstat(fd, &st) == -1 ||
	    (st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) != 1))
		return fail_errno(k, why);
	*at = st.st_size + (last != '\n');
	text = mem_printf("%s%s\n", last == '\n' ? "" : "\n", line);
	len = (ssize_t)strlen(text);
	if (st.st_size + len > PEOPLE_BYTES_MAX) {
		free_text(text, (size_t)len);
		return refuse(why, "the file of totp.file would be longer "
		    "than 1 MiB");
	}
	n = pwrite(fd, text, (size_t)len, st.st_size);
	free_text(text, (size_t)len);
	if (n == len)
		return fdatasync(fd) == 0 ? 0 : fail_errno(k, why);
	/* What there is of it is no line, and not to be taken for one. */
	if (n >= 0 && ftruncate(fd, st.st_size) == 0)
		errno = ENOSPC;
	return fail_errno(k, why);
}

static void
ignore_line(void *ctx, unsigned int line, const char *why)
{
	(void)ctx;
	(void)line;
	(void)why;
}

/*
 * The lines of that name that begin before `end' become comments that tell
 * nothing; 0, or -1 with errno.
 */
static int
blank_lines(const struct known *k, const char *name, size_t end)
{
	struct onetime_rule	 usual = conf_onetime_rule(k->conf);
	int			 fd = k->fds[STORE_PEOPLE], rc = 0;
	size_t			 len;
	char			*text = read_all(fd, PEOPLE_BYTES_MAX, &len);
	struct people		*people;
	const struct person	*p;

	if (text == NULL)
		return -1;
	if (len > end)
		len = end;
	do {
		people = people_parse(text, len, &usual, ignore_line, NULL);
		p = people_find(people, name);
		if (p != NULL) {
			memset(text + p->at, '#', p->len);
			if (pwrite(fd, text + p->at, p->len, (off_t)p->at) !=
			    (ssize_t)p->len)
				rc = -1;
		}
		people_free(&people);
	} while (p != NULL && rc == 0);
	free_text(text, len);
	return rc == 0 ? fdatasync(fd) : -1;
}

/* Another line for somebody who has one, or the first. */
static int
put_person(struct vault *v, const struct known *k, const struct person *p,
    char *why)
{
	struct onetime_rule	 usual = conf_onetime_rule(k->conf);
	char			 line[PEOPLE_LINE_MAX];
	off_t			 at;
	int			 rc;

	if (people_line(p, &usual, line) == -1)
		return refuse(why, "the line would be longer than 1024 "
		    "bytes");
	rc = append_line(k, line, &at, why);
	OPENSSL_cleanse(line, sizeof(line));
	if (rc == 0 && blank_lines(k, p->name, (size_t)at) == -1)
		rc = fail_errno(k, why);
	v->people_st.st_ino = 0;
	refresh(v);
	return rc;
}

/* What is not said of itself in a URI. */
static void
escape(char *out, size_t size, const char *text)
{
	size_t	 n = 0;

	for (; *text != '\0' && n + 4 < size; text++) {
		unsigned char	 c = (unsigned char)*text;

		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
		    (c >= 'A' && c <= 'Z') || strchr("-._~", c) != NULL)
			out[n++] = (char)c;
		else
			n += (size_t)snprintf(out + n, size - n, "%%%02X", c);
	}
	out[n] = '\0';
}

/* As authenticator apps read it; they know the key's form from Google's. */
static void
make_uri(const struct person *p, char *uri)
{
	char	 name[3 * TOTP_NAME_MAX], secret[ONETIME_BASE32_MAX];

	escape(name, sizeof(name), p->name);
	(void)onetime_base32_encode(p->secret, p->nsecret, secret);
	snprintf(uri, VAULT_URI_MAX, "otpauth://totp/sallyport:%s?secret=%s"
	    "&issuer=sallyport&algorithm=%s&digits=%d&period=%d", name,
	    secret, onetime_hash_text(p->rule.hash), p->rule.digits,
	    p->rule.period);
	OPENSSL_cleanse(secret, sizeof(secret));
}

static void
on_bad_line(void *ctx, unsigned int line, const char *why)
{
	(void)line;
	(void)refuse(ctx, why);
}

/* A line as in people.h, with a secret that is made where there is none. */
static char *
make_line(const char *name, const char *secret, const char *options)
{
	uint8_t	 bytes[SECRET_NEW];
	char	 text[ONETIME_BASE32_MAX], *line;

	if (secret[0] != '\0')
		return mem_printf("%s %s %s", name, secret, options);
	if (RAND_bytes(bytes, sizeof(bytes)) != 1 ||
	    onetime_base32_encode(bytes, sizeof(bytes), text) == -1)
		log_fatal(1, "no random numbers");
	line = mem_printf("%s %s %s", name, text, options);
	OPENSSL_cleanse(bytes, sizeof(bytes));
	OPENSSL_cleanse(text, sizeof(text));
	return line;
}

int
vault_add_person(struct vault *v, const char *name, const char *secret,
    const char *options, char *uri, char *why)
{
	const struct known	*k = open_people(v, why);
	struct onetime_rule	 usual;
	struct people		*one;
	char			*line;
	int			 rc = -1;

	if (k == NULL)
		return -1;
	if (!totp_is_name(name, strlen(name)))
		return refuse(why, TOTP_WANT_NAME);
	usual = conf_onetime_rule(k->conf);
	line = make_line(name, secret, options);
	one = people_parse(line, strlen(line), &usual, on_bad_line, why);
	free_text(line, strlen(line));
	if (people_count(one) == 1) {
		rc = put_person(v, k, people_at(one, 0), why);
		/* Both may be written to one place. */
		if (rc == 0)
			make_uri(people_at(one, 0), uri);
		used_forget(v->used, name);
	}
	people_free(&one);
	return rc;
}

int
vault_remove_person(struct vault *v, const char *name, char *why)
{
	const struct known	*k = open_people(v, why);

	if (k == NULL || find_person(v, name, why) == NULL)
		return -1;
	if (blank_lines(k, name, SIZE_MAX) == -1)
		return fail_errno(k, why);
	v->people_st.st_ino = 0;
	refresh(v);
	return 0;
}

/* Digits and capitals that nobody takes for one another. */
static void
make_code(char *code)
{
	static const char	 signs[] = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
	uint8_t			 bytes[PEOPLE_RECOVERY_LEN];

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		log_fatal(1, "no random numbers");
	for (size_t i = 0; i < sizeof(bytes); i++)
		code[i] = signs[bytes[i] % 32];
	code[sizeof(bytes)] = '\0';
}

int
vault_recovery(struct vault *v, const char *name, char *text, char *why)
{
	const struct known	*k = open_people(v, why);
	const struct person	*found = find_person(v, name, why);
	struct person		*p;
	size_t			 n = 0;
	int			 rc;

	if (k == NULL || found == NULL)
		return -1;
	p = mem_calloc(1, sizeof(*p));
	*p = *found;
	p->nrecovery = PEOPLE_RECOVERY_MAX;
	for (size_t i = 0; i < p->nrecovery; i++) {
		make_code(p->recovery[i]);
		n += (size_t)snprintf(text + n, VAULT_CODES_MAX - n, "%s\n",
		    p->recovery[i]);
	}
	rc = put_person(v, k, p, why);
	free_text((char *)p, sizeof(*p));
	return rc;
}

int
vault_try_code(struct vault *v, const char *name, const char *code,
    int64_t now_s, char *text, char *why)
{
	const struct person	*p = find_person(v, name, why);
	struct prove_answer	 a = {
		.how = PROVE_CLEAR,
		.bytes = { (const uint8_t *)code, strlen(code) },
	};
	struct prove_result	 r;
	int64_t			 off;

	if (p == NULL)
		return -1;
	if (prove(p, "%t", now_s, &a, NULL, &r) == -1 || !r.proved)
		return refuse(why, "wrong: is the clock of the phone right, "
		    "and was the secret made for this user?");
	off = r.step - onetime_step(&p->rule, now_s);
	if (r.recovery)
		snprintf(text, VAULT_CODES_MAX, "right: a recovery code");
	else if (off == 0)
		snprintf(text, VAULT_CODES_MAX, "right");
	else
		snprintf(text, VAULT_CODES_MAX, "right, but its clock is "
		    "about %" PRId64 " seconds %s", (off < 0 ? -off : off) *
		    p->rule.period, off < 0 ? "behind" : "ahead");
	OPENSSL_cleanse(&r, sizeof(r));
	return 0;
}

/* An address as text is the source of who comes from there. */
static int
read_source(const char *text, struct access_source *source)
{
	struct access_net	 net;
	struct net_addr		 a = { .len = sizeof(a.u) };
	const char		*fault;

	if (access_net_parse(text, &net, &fault) == -1)
		return -1;
	a.u.sa.sa_family = (sa_family_t)net.family;
	if (net.family == AF_INET)
		memcpy(&a.u.in.sin_addr, net.addr, sizeof(a.u.in.sin_addr));
	else if (net.family == AF_INET6)
		memcpy(&a.u.in6.sin6_addr, net.addr,
		    sizeof(a.u.in6.sin6_addr));
	access_source_of(&a, source);
	return 0;
}

int
vault_unlock(struct vault *v, const char *what, char *why)
{
	struct access_source	 source;
	bool			 known;

	known = guess_forget(v->users, user_key(v, what));
	if (read_source(what, &source) == 0)
		known |= guess_forget(v->sources, source_key(v, &source));
	if (known)
		return 0;
	snprintf(why, VAULT_WHY_MAX, "nothing is held against \"%.128s\"",
	    what);
	return -1;
}

int
vault_person_text(struct vault *v, size_t i, char *text)
{
	const struct person	*p;

	if (open_people(v, text) == NULL)
		return -1;
	if (i >= vault_count(v))
		return 0;
	p = people_at(v->people, i);
	snprintf(text, VAULT_WHY_MAX, "%s digits=%d period=%d algorithm=%s "
	    "window=%d recovery=%zu", p->name, p->rule.digits, p->rule.period,
	    onetime_hash_text(p->rule.hash), p->rule.window, p->nrecovery);
	return 1;
}
