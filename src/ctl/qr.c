#include <qrencode.h>

#include <stdbool.h>

#include "ctl/qr.h"

#define MARGIN	4

static bool
is_dark(const QRcode *code, int x, int y)
{
	x -= MARGIN;
	y -= MARGIN;
	if (x < 0 || y < 0 || x >= code->width || y >= code->width)
		return false;
	return (code->data[y * code->width + x] & 1) != 0;
}

/* Two rows are one line: black on white are the upper half's colours. */
static void
print_line(const QRcode *code, int y, FILE *out)
{
	static const char *const	 halves[2][2] = {
		{ "\u2588", "\u2580" },		/* both light; upper light */
		{ "\u2584", " " },		/* lower light; none */
	};

	fputs("\033[40;97m", out);
	for (int x = 0; x < code->width + 2 * MARGIN; x++)
		fputs(halves[is_dark(code, x, y)][is_dark(code, x, y + 1)],
		    out);
	fputs("\033[0m\n", out);
}

int
qr_print(const char *text, FILE *out)
{
	QRcode	*code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_L);

	if (code == NULL)
		return -1;
	for (int y = 0; y < code->width + 2 * MARGIN; y += 2)
		print_line(code, y, out);
	QRcode_free(code);
	return 0;
}
