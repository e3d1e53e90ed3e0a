# The table.  Each line of input is: row, peer, round, value.
function text(v) {
	if (v == "")
		return "-"
	if (v >= 999500)
		return sprintf("%.2fM", v / 1000000)
	if (v >= 99950)
		return sprintf("%.0fk", v / 1000)
	if (v >= 9995)
		return sprintf("%.1fk", v / 1000)
	if (v >= 100)
		return sprintf("%.0f", v)
	if (v >= 10)
		return sprintf("%.1f", v)
	return sprintf("%.2f", v)
}

# Sort list[1..n]; few as they are.
function sort(n,	i, j, v) {
	for (i = 2; i <= n; i++) {
		v = list[i]
		for (j = i - 1; j > 0 && list[j] > v; j--)
			list[j + 1] = list[j]
		list[j + 1] = v
	}
}

# Set `middle' and `spread' of what is in list.
function summarise(n) {
	middle = "-"
	spread = ""
	if (n == 0)
		return
	sort(n)
	middle = n % 2 ? list[(n + 1) / 2] : \
	    (list[n / 2] + list[n / 2 + 1]) / 2
	middle = text(middle)
	if (n > 1)
		spread = text(list[1]) ".." text(list[n])
}

# Values of a peer, divided by those of another in the same round.
function collect(row, peer, by,		n, r) {
	n = 0
	for (r = 1; r <= rounds; r++) {
		if (!((row, peer, r) in value))
			continue
		if (by == "")
			list[++n] = value[row, peer, r]
		else if (value[row, by, r] + 0 > 0)
			list[++n] = value[row, peer, r] / value[row, by, r]
	}
	return n
}

function line(row, label,	i, a, b) {
	if (!(row in seen))
		return
	a = sprintf("%-19s", label)
	b = sprintf("%-19s", "")
	for (i = 1; i <= npeers; i++) {
		summarise(collect(row, peers[i], ""))
		a = a sprintf("%13s", middle)
		b = b sprintf("%13s", spread)
	}
	summarise(collect(row, "sallyport", "haproxy"))
	print a sprintf("%13s", middle)
	if (rounds > 1)
		print b sprintf("%13s", spread)
}

BEGIN {
	npeers = split("direct haproxy nginx sallyport", peers, " ")
}

function note(row, peer, round, v) {
	value[row, peer, round] = v
	seen[row] = 1
	if (round > rounds)
		rounds = round
}

# HAProxy with splice has rows of its own, beside what all others do anyway.
$2 == "splice" {
	note("splice" substr($1, 5), "haproxy", $3, $4)
	next
}

{
	note($1, $2, $3, $4)
	if ($2 != "haproxy" && $1 ~ /^bulk/)
		note("splice" substr($1, 5), $2, $3, $4)
}

END {
	h = sprintf("%-19s", "median, min..max")
	for (i = 1; i <= npeers; i++)
		h = h sprintf("%13s", peers[i])
	print h sprintf("%13s", "/ haproxy")
	line("one_rate", "1 session, msg/s")
	line("one_p50", "  p50, us")
	line("few_rate", "16 sessions, msg/s")
	line("few_p50", "  p50, us")
	line("many_rate", "256 sessions, msg/s")
	line("many_p50", "  p50, us")
	line("many_p99", "  p99, us")
	line("many_cpu", "  CPU us/message")
	line("mixed_rate", "16 + 4000 idle")
	line("connect_rate", "connections/s")
	line("connect_p50", "  p50, us")
	line("connect_cpu", "  CPU us/connection")
	line("bulk_rate", "bulk, MB/s")
	line("bulk_cpu", "  CPU s/GB")
	line("splice_rate", "  splice, MB/s")
	line("splice_cpu", "  splice, CPU s/GB")
	line("idle_memory", "idle session, kB")
}
