/*
 * qr.h - a text as a QR code that a phone reads from a terminal.
 */
#ifndef CTL_QR_H
#define CTL_QR_H

#include <stdio.h>

/*
 * Half a line of characters for each row, dark on light whatever colours the
 * terminal has, with the margin that ISO/IEC 18004 asks for.  0, or -1 with
 * errno.
 */
int	 qr_print(const char *text, FILE *out);

#endif
