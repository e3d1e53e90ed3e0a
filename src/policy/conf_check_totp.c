#include <string.h>

#include "policy/conf_check.h"
#include "policy/conf_check_totp.h"
#include "policy/totp_text.h"

#define SECOND	1000

struct onetime_rule
conf_onetime_rule(const struct conf *conf)
{
	return (struct onetime_rule){
		.digits = (int)conf->totp.digits,
		.period = (int)(conf->totp.period / SECOND),
		.hash = conf->totp.algorithm,
		.window = (int)conf->totp.window,
	};
}

static bool
names(const struct conf_texts *texts, const char *text)
{
	for (size_t i = 0; i < texts->n; i++)
		if (strcmp(texts->v[i], text) == 0)
			return true;
	return false;
}

static const struct conf_group *
find_group(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->groups.n; i++)
		if (strcmp(conf->groups.v[i].name, name) == 0)
			return &conf->groups.v[i];
	return NULL;
}

/* Do the users of an account name that one? */
static bool
is_one_of(const struct conf *conf, const struct conf_texts *users,
    const char *user)
{
	const struct conf_group	*g;

	for (size_t i = 0; i < users->n; i++) {
		if (strcmp(users->v[i], "*") == 0 ||
		    strcmp(users->v[i], user) == 0)
			return true;
		if (users->v[i][0] != '@')
			continue;
		g = find_group(conf, users->v[i] + 1);
		if (g != NULL && names(&g->users, user))
			return true;
	}
	return false;
}

bool
conf_account_is_at(const struct conf_account *a, const struct conf_listener *l)
{
	return l->login == CONF_LOGIN_TOTP &&
	    (a->listeners.n == 0 || names(&a->listeners, l->name));
}

size_t
conf_account_of(const struct conf *conf, const struct conf_listener *l,
    const char *user)
{
	for (size_t i = 0; i < conf->accounts.n; i++) {
		const struct conf_account	*a = &conf->accounts.v[i];

		if (conf_account_is_at(a, l) &&
		    is_one_of(conf, &a->users, user))
			return i;
	}
	return CONF_NOWHERE;
}

static const struct conf_listener *
find_listener(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->nlisteners; i++)
		if (conf->listeners[i].name != NULL &&
		    strcmp(conf->listeners[i].name, name) == 0)
			return &conf->listeners[i];
	return NULL;
}

static void
check_name(const char *where, const char *key, const char *name,
    struct conf_report *report)
{
	if (!totp_is_name(name, strlen(name)))
		conf_complain(report, "%s: %s: \"%s\": " TOTP_WANT_NAME,
		    where, key, name);
}

static void
check_account(const struct conf *conf, const struct conf_account *a,
    struct conf_report *report)
{
	for (size_t i = 0; i < a->users.n; i++) {
		const char	*user = a->users.v[i];

		if (user[0] == '@' && find_group(conf, user + 1) == NULL)
			conf_complain(report, "%s: users: \"%s\": there is no "
			    "group of that name", a->where, user);
		else if (user[0] != '@' && strcmp(user, "*") != 0)
			check_name(a->where, "users", user, report);
	}
	for (size_t i = 0; i < a->listeners.n; i++) {
		const struct conf_listener	*l = find_listener(conf,
						    a->listeners.v[i]);

		if (l == NULL)
			conf_complain(report, "%s: listeners: \"%s\": there "
			    "is no listener of that name", a->where,
			    a->listeners.v[i]);
		else if (l->login != CONF_LOGIN_TOTP)
			conf_warn(report, "%s: listeners: \"%s\" has no login "
			    "\"totp\", so nobody becomes this account there",
			    a->where, a->listeners.v[i]);
	}
	if (a->account[0] == '\0')
		conf_complain(report, "%s: account: want a name", a->where);
}

static void
check_groups(const struct conf *conf, struct conf_report *report)
{
	for (size_t i = 0; i < conf->groups.n; i++) {
		const struct conf_group	*g = &conf->groups.v[i];

		if (find_group(conf, g->name) != g)
			conf_complain(report, "%s: name: \"%s\" is the name "
			    "of an earlier group", g->where, g->name);
		for (size_t j = 0; j < g->users.n; j++)
			check_name(g->where, "users", g->users.v[j], report);
	}
}

static void
check_listener(const struct conf *conf, const struct conf_listener *l,
    struct conf_report *report)
{
	bool	 some = false;

	if (l->protocol != CONF_MYSQL) {
		conf_complain(report, "%s: login: only protocol \"mysql\" "
		    "has one", l->where);
		return;
	}
	for (size_t i = 0; i < conf->accounts.n; i++)
		some |= conf_account_is_at(&conf->accounts.v[i], l);
	if (!some)
		conf_complain(report, "%s: login: \"totp\" needs accounts "
		    "that its users become", l->where);
	if (l->greeting != CONF_GREETING_OWN)
		conf_complain(report, "%s: greeting: with login \"totp\" a "
		    "server hears of nobody before the code is right: want "
		    "\"own\"", l->where);
	if (l->compression)
		conf_complain(report, "%s: compression: must be false with "
		    "login \"totp\", whose commands are looked at", l->where);
	if (l->tls.mode != CONF_TLS_REQUIRE)
		conf_warn(report, "%s: tls.mode: with login \"totp\" want "
		    "\"require\": who sees a plain login can find out its "
		    "code, and use the session", l->where);
	if (l->tls.routes.n > 0)
		conf_complain(report, "%s: tls.routes: not with login "
		    "\"totp\"", l->where);
}

static void
check_totp(const struct conf *conf, struct conf_report *report)
{
	const char	*why;

	if (conf->totp.secrets == CONF_SECRETS_TABLE &&
	    conf->totp.code == CONF_CODE_ASKED)
		conf_complain(report, "%s%stotp.code: \"asked\" needs a "
		    "password of each user, for which secrets \"table\" has "
		    "no place", CONF_FILE(conf));
	if (conf->totp.secrets == CONF_SECRETS_TABLE) {
		if (conf->totp.file[0] != '\0')
			conf_warn(report, "%s%stotp.file: with secrets "
			    "\"table\" it is of no effect", CONF_FILE(conf));
	} else if (conf->totp.file[0] == '\0')
		conf_complain(report, "%s%stotp.file: login \"totp\" needs "
		    "it", CONF_FILE(conf));
	if (conf->totp.file[0] != '\0' &&
	    strcmp(conf->totp.file, conf->totp.state) == 0)
		conf_complain(report, "%s%stotp.state: \"%s\" is the file of "
		    "totp.file", CONF_FILE(conf), conf->totp.state);
	if (conf->totp.digits == 7)
		conf_complain(report, "%s%stotp.digits: want 6 or 8",
		    CONF_FILE(conf));
	if (!totp_is_template(conf->totp.password,
	    conf->totp.code == CONF_CODE_INSIDE, &why))
		conf_complain(report, "%s%stotp.password: \"%s\": %s",
		    CONF_FILE(conf), conf->totp.password, why);
}

void
conf_check_totp(struct conf *conf, struct conf_report *report)
{
	const char	*where = conf->file != NULL ? conf->file :
			    "configuration";

	conf->totp.wanted = false;
	for (size_t i = 0; i < conf->nlisteners; i++) {
		const struct conf_listener	*l = &conf->listeners[i];

		if (l->login != CONF_LOGIN_TOTP)
			continue;
		conf->totp.wanted = true;
		check_listener(conf, l, report);
	}
	check_groups(conf, report);
	for (size_t i = 0; i < conf->accounts.n; i++)
		check_account(conf, &conf->accounts.v[i], report);
	if (conf->totp.wanted) {
		check_totp(conf, report);
		return;
	}
	conf_check_unused(where, "totp", "without login \"totp\"", CONF_TOTP,
	    conf, report);
	if (conf->accounts.n > 0)
		conf_warn(report, "%s: accounts: without login \"totp\" they "
		    "are of no effect", where);
}
