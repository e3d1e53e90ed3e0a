/*
 * text.h - what people read: texts made safe, figures, aligned columns.
 *
 * Whatever comes from sessions is data that a stranger may have chosen.
 * Characters that steer a terminal never get to one: they are written as \xNN
 * or \uNNNN.
 */
#ifndef CTL_TEXT_H
#define CTL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TEXT_FIGURE_MAX	24	/* bytes that hold any figure */

/* A safe copy, to be freed. */
char	*text_safe(const char *s);

/* Bytes as "999", "1.2k", "12M", by powers of 1024; returns buf. */
char	*text_bytes(uint64_t bytes, char buf[TEXT_FIGURE_MAX]);

/* Milliseconds as "850ms", "12s", "3m12s", "2h05m", "4d03h"; returns buf. */
char	*text_age(int64_t ms, char buf[TEXT_FIGURE_MAX]);

/* Rows of cells under headings; numbers stand to the right. */
struct table;

/* Headings as "ID PID> LISTENER": one that ends with > is of numbers. */
struct table	*table_new(const char *headings);
void		 table_free(struct table **t);

/* The next cell, row by row; "-" for an empty one.  It is made safe. */
void	 table_cell(struct table *t, const char *text);
void	 table_number(struct table *t, int64_t number);
void	 table_print(const struct table *t, FILE *out);

#endif
