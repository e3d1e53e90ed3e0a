#include <jansson.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

#include "base/mem.h"
#include "tunnel_flags.h"

/* goproxy's own. */
#define PORT_PRESET	"925"
#define UUID_PRESET	"idste"
#define HUB_PRESET	"0.0.0.0"
#define AGENT_PRESET	"127.0.0.1"

#define SIDE	"{\"Domain\":\"tcp\",\"Addr\":\"HOST:PORT\"}"
#define WANT	"want {\"Listen\":" SIDE ",\"Forward\":" SIDE "}"

static void
put_string(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static void
put_key(FILE *out, const char *key, const char *text)
{
	fprintf(out, "%s = ", key);
	put_string(out, text);
	fputs(";\n", out);
}

static void
put_path(FILE *out, const char *key, const char *path)
{
	char	*cwd = path[0] == '/' ? NULL : getcwd(NULL, 0), *whole;

	whole = cwd != NULL ? mem_printf("%s/%s", cwd, path) :
	    mem_strdup(path);
	put_key(out, key, whole);
	free(whole);
	free(cwd);
}

/* An IPv6 address has its brackets, if it has not. */
static void
put_address(FILE *out, const char *key, const char *host, const char *port)
{
	bool	 bare = strchr(host, ':') != NULL && host[0] != '[';
	char	*text = mem_printf("%s%s%s:%s", bare ? "[" : "", host,
		    bare ? "]" : "", port);

	put_key(out, key, text);
	free(text);
}

static void
put_secret(FILE *out, const struct tunnel_flags *f, const char *uuid)
{
	char	*preset = mem_printf("%s/sallyport/%s.secret", SYSCONFDIR,
		    uuid);

	put_path(out, "secret_file", f->secret_file != NULL ?
	    f->secret_file : preset);
	free(preset);
}

/*
 * One end, as "hub:127.0.0.1:80" or "agent:unix:/path".  Agents look no names
 * up, and of what Go takes for any host they want to know which one it is.
 */
static int
put_end(FILE *out, const json_t *end, const char *key, bool listen,
    bool agent)
{
	const char	*domain = json_string_value(json_object_get(end,
			    "Domain"));
	const char	*addr = json_string_value(json_object_get(end, "Addr"));
	const char	*host = "", *unix_ = "";
	char		*text;

	if (domain == NULL || addr == NULL || addr[0] == '\0')
		return -1;
	if (strcmp(domain, "unix") == 0)
		unix_ = "unix:";
	else if (strcmp(domain, "tcp") != 0 && strcmp(domain, "tcp4") != 0 &&
	    strcmp(domain, "tcp6") != 0)
		return -1;
	else if (addr[0] == ':' && (agent || !listen))
		host = listen ? strcmp(domain, "tcp4") == 0 ? "0.0.0.0" :
		    "[::]" : "127.0.0.1";
	else if (agent && strncmp(addr, "localhost:", 10) == 0) {
		host = strcmp(domain, "tcp6") == 0 ? "[::1]" : "127.0.0.1";
		addr += strlen("localhost");
	}
	text = mem_printf("%s:%s%s%s", agent ? "agent" : "hub", unix_, host,
	    addr);
	put_key(out, key, text);
	free(text);
	return 0;
}

static int
put_pair(FILE *out, const char *text, bool by_agent, bool first)
{
	json_t	*pair = json_loads(text, 0, NULL);
	int	 rc;

	fputs(first ? "{ " : ", { ", out);
	rc = put_end(out, json_object_get(pair, "Listen"), "listen", true,
	    by_agent);
	if (rc == 0)
		rc = put_end(out, json_object_get(pair, "Forward"),
		    "forward", false, !by_agent);
	fputs("}\n", out);
	json_decref(pair);
	return rc;
}

static int
put_pairs(FILE *out, const struct tunnel_flags *f, char *why, size_t size)
{
	const struct {
		const struct tunnel_flags_list	*list;
		const char			*flag;
	} lists[] = {
		{ &f->listener, "listener" },
		{ &f->peer_listener, "peer_listener" },
	};
	size_t	 n = 0;

	for (size_t i = 0; i < nitems(lists); i++)
		for (size_t j = 0; j < lists[i].list->n; j++, n++)
			if (put_pair(out, lists[i].list->v[j], i == 1,
			    n == 0) == -1) {
				snprintf(why, size, "--%s='%s': " WANT,
				    lists[i].flag, lists[i].list->v[j]);
				return -1;
			}
	if (n > 0)
		return 0;
	snprintf(why, size, "--hub: without --listener or --peer_listener "
	    "there is nothing to do");
	return -1;
}

static int
put_hub(FILE *out, const struct tunnel_flags *f, const char *uuid,
    const char *port, char *why, size_t size)
{
	int	 rc;

	fputs("listeners = ( { name = \"hub\"; protocol = \"hub\";\n", out);
	put_address(out, "listen", f->host != NULL ? f->host : HUB_PRESET,
	    port);
	if (f->certificate != NULL) {
		fputs("tls = { mode = \"require\";\n", out);
		put_path(out, "certificate", f->certificate);
		put_path(out, "key", f->key != NULL ? f->key :
		    f->certificate);
		fputs("};\n", out);
	}
	fputs("} );\nagents = ( {\n", out);
	put_key(out, "id", uuid);
	put_secret(out, f, uuid);
	fputs("assign = (", out);
	rc = put_pairs(out, f, why, size);
	fputs("); } );\n", out);
	return rc;
}

static void
put_agent(FILE *out, const struct tunnel_flags *f, const char *uuid,
    const char *port)
{
	fputs("hubs = ( { name = \"hub\";\n", out);
	put_address(out, "address", f->host != NULL ? f->host : AGENT_PRESET,
	    port);
	put_key(out, "id", uuid);
	put_secret(out, f, uuid);
	if (f->pin != NULL)
		put_key(out, "pin", f->pin);
	else
		fputs("tls = { mode = \"off\"; };\n", out);
	fputs("accept_assign = (", out);
	for (size_t i = 0; i < f->accept.n; i++) {
		fputs(i > 0 ? ", " : "", out);
		put_string(out, f->accept.v[i]);
	}
	fputs("); } );\n", out);
}

static int
check(const struct tunnel_flags *f, char *why, size_t size)
{
	const char	*wrong = NULL;

	if (f->hub && f->agent)
		wrong = "--hub and --agent exclude each other";
	else if (f->hub && (f->pin != NULL || f->accept.n > 0))
		wrong = "--pin and --accept-assign are an agent's";
	else if (f->agent && (f->certificate != NULL || f->key != NULL ||
	    f->listener.n > 0 || f->peer_listener.n > 0))
		wrong = "--certificate, --key, --listener and "
		    "--peer_listener are a hub's";
	else if (f->agent && f->accept.n == 0)
		wrong = "--agent: the hub may have us do nothing; "
		    "--accept-assign='forward 127.0.0.1:3389', or "
		    "'listen 127.0.0.1:14151', lets it, and may be repeated";
	if (wrong != NULL)
		snprintf(why, size, "%s", wrong);
	return wrong == NULL ? 0 : -1;
}

char *
tunnel_flags_text(const struct tunnel_flags *f, char *why, size_t size)
{
	const char	*uuid = f->uuid != NULL ? f->uuid : UUID_PRESET;
	const char	*port = f->port != NULL ? f->port : PORT_PRESET;
	char		*text = NULL;
	size_t		 len;
	FILE		*out;
	int		 rc = 0;

	if (check(f, why, size) == -1)
		return NULL;
	out = open_memstream(&text, &len);
	if (out == NULL)
		abort();	/* as mem.h has it */
	fputs("log = { to = \"stdout\"; };\n", out);
	if (f->hub)
		rc = put_hub(out, f, uuid, port, why, size);
	else
		put_agent(out, f, uuid, port);
	(void)fclose(out);
	if (rc == 0)
		return text;
	free(text);
	return NULL;
}
