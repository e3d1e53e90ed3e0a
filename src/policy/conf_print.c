#include <inttypes.h>

#include "policy/conf.h"
#include "policy/conf_value.h"

/* A string as libconfig reads it back. */
static void
print_string(const char *s, FILE *out)
{
	fputc('"', out);
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			fprintf(out, "\\%c", *s);
		else if ((unsigned char)*s < ' ' || *s == 0x7f)
			fprintf(out, "\\x%02x", (unsigned char)*s);
		else
			fputc(*s, out);
	}
	fputc('"', out);
}

static void
print_listen(const struct conf_addrs *list, FILE *out)
{
	fputc('(', out);
	for (size_t i = 0; i < list->n; i++) {
		fputs(i > 0 ? ", " : " ", out);
		print_string(list->v[i].text, out);
	}
	fputs(" )", out);
}

static void
print_nets(const struct conf_nets *list, FILE *out)
{
	char	 text[NET_TEXT_MAX];

	fputc('(', out);
	for (size_t i = 0; i < list->n; i++) {
		fputs(i > 0 ? ", " : " ", out);
		print_string(access_net_text(&list->v[i], text, sizeof(text)),
		    out);
	}
	fputs(" )", out);
}

static void
print_texts(const struct conf_texts *list, FILE *out)
{
	fputc('(', out);
	for (size_t i = 0; i < list->n; i++) {
		fputs(i > 0 ? ", " : " ", out);
		print_string(list->v[i], out);
	}
	fputs(" )", out);
}

void
conf_key_print(const struct conf_key *k, const void *base, FILE *out)
{
	const void		*value = (const char *)base + k->offset;
	const struct conf_rate	*rate = value;
	char			 text[64];

	switch (k->type) {
	case CONF_STRING:
	case CONF_NAME:
	case CONF_PATH:
	case CONF_LOG_TO:
	case CONF_ADDRESS:
		print_string(*(char *const *)value, out);
		break;
	case CONF_BOOL:
		fputs(*(const bool *)value ? "true" : "false", out);
		break;
	case CONF_INT:
		fprintf(out, "%" PRId64, *(const int64_t *)value);
		break;
	case CONF_TIME:
	case CONF_SIZE:
		print_string(conf_quantity_text(conf_key_unit(k),
		    *(const int64_t *)value, text, sizeof(text)), out);
		break;
	case CONF_ENUM:
		print_string(k->choices[*(const int *)value], out);
		break;
	case CONF_RATE:
		print_string(conf_rate_text(rate->count, rate->ms, text,
		    sizeof(text)), out);
		break;
	case CONF_NETS:
		print_nets(value, out);
		break;
	case CONF_LISTEN:
		print_listen(value, out);
		break;
	case CONF_TEXTS:
	case CONF_PATHS:
		print_texts(value, out);
		break;
	case CONF_SERVERS:
	case CONF_ROUTES:
	case CONF_ACCOUNTS:
	case CONF_GROUPS:
	case CONF_AGENTS:
	case CONF_TOPICS:
	case CONF_HUBS:
	case CONF_PUBLISHES:
	case CONF_ASSIGNS:
	case CONF_GROUP:
	case CONF_LIST:
		break;
	}
}

static void	 print_section(const struct conf *, enum conf_section,
		    const void *, int, FILE *);

static void
indent(int depth, FILE *out)
{
	for (int i = 0; i < depth; i++)
		fputc('\t', out);
}

static void
print_element(const struct conf *conf, const struct conf_key *k,
    const void *base, bool first, int depth, FILE *out)
{
	fputs(first ? "\n" : ",\n", out);
	indent(depth + 1, out);
	fputs("{\n", out);
	print_section(conf, k->inner, base, depth + 2, out);
	indent(depth + 1, out);
	fputc('}', out);
}

static void
print_elements(const struct conf *conf, const struct conf_key *k,
    const void *base, int depth, FILE *out)
{
	bool	 first = true;

	if (k->inner == CONF_BACKEND)
		for (size_t i = 0; i < conf->nbackends; i++) {
			if (conf->backends[i].implicit)
				continue;
			print_element(conf, k, &conf->backends[i], first,
			    depth, out);
			first = false;
		}
	else if (k->inner == CONF_LISTENER)
		/* Those that were made stand behind all others. */
		for (size_t i = 0; i < conf->nlisteners &&
		    !conf->listeners[i].implicit; i++)
			print_element(conf, k, &conf->listeners[i], i == 0,
			    depth, out);
	else
		for (size_t i = 0; i < conf_key_count(k, base); i++)
			print_element(conf, k, conf_key_item(k, base, i),
			    i == 0, depth, out);
}

static void
print_key(const struct conf *conf, const struct conf_key *k, const void *base,
    int depth, FILE *out)
{
	indent(depth, out);
	fprintf(out, "%s = ", k->name);
	switch (k->type) {
	case CONF_GROUP:
		fputs("{\n", out);
		print_section(conf, k->inner, base, depth + 1, out);
		indent(depth, out);
		fputc('}', out);
		break;
	case CONF_LIST:
	case CONF_SERVERS:
	case CONF_ROUTES:
	case CONF_ACCOUNTS:
	case CONF_GROUPS:
	case CONF_AGENTS:
	case CONF_TOPICS:
	case CONF_HUBS:
	case CONF_PUBLISHES:
	case CONF_ASSIGNS:
		fputc('(', out);
		print_elements(conf, k, base, depth, out);
		fputc('\n', out);
		indent(depth, out);
		fputc(')', out);
		break;
	default:
		conf_key_print(k, base, out);
	}
	fputs(";\n", out);
}

static void
print_section(const struct conf *conf, enum conf_section section,
    const void *base, int depth, FILE *out)
{
	for (const struct conf_key *k = conf_keys; k->name != NULL; k++)
		if (k->section == section)
			print_key(conf, k, base, depth, out);
}

void
conf_print(const struct conf *conf, FILE *out)
{
	print_section(conf, CONF_TOP, conf, 0, out);
}
