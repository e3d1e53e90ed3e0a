/*
 * What is accepted prints, is read back, and prints the same again; what is
 * refused has a reason.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "fuzz.h"
#include "policy/conf.h"

/* libconfig 1.5 forgets the string it was reading when its text ends there. */
const char	*__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
	return "leak:libconfig.so";
}

static char *
print(const struct conf *conf)
{
	char	*text = NULL;
	size_t	 len;
	FILE	*out = open_memstream(&text, &len);

	if (out == NULL)
		abort();
	conf_print(conf, out);
	if (fclose(out) != 0)
		abort();
	return text;
}

/* The configuration as printed, or NULL when it is refused. */
static char *
read_and_print(const char *text, size_t len)
{
	struct conf_report	 report = { NULL, 0 };
	struct conf		*conf = conf_new();
	char			*again = NULL;

	conf_read_text(conf, "f", text, len, &report);
	if (conf_finish(conf, &report) == 0)
		again = print(conf);
	if ((again == NULL) != (report.nerrors > 0))
		abort();
	for (size_t i = 0; i < report.nerrors; i++)
		if (report.errors[i][0] == '\0')
			abort();
	conf_report_free(&report);
	conf_free(&conf);
	return again;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	*text, *one, *two;

	/* It would read other files, and /dev/zero takes a while. */
	if (memmem(data, size, "@include", 8) != NULL ||
	    memmem(data, size, "conf_d", 6) != NULL)
		return 0;
	text = mem_calloc(size + 1, 1);
	if (size > 0)
		memcpy(text, data, size);
	one = read_and_print(text, size);
	free(text);
	if (one == NULL)
		return 0;
	two = read_and_print(one, strlen(one));
	if (two == NULL || strcmp(one, two) != 0)
		abort();
	free(one);
	free(two);
	return 0;
}
