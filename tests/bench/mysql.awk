# The tables of mysql.sh.

# Set of `row' what a peer adds to what it takes without one.
function add(row, of,	p, r) {
	for (p in names)
		for (r = 1; r <= rounds; r++)
			if (((of, p, r) in value) &&
			    ((of, "direct", r) in value) && p != "direct")
				note(row, p, r, value[of, p, r] - \
				    value[of, "direct", r])
}

# The least of the others in a round.
function choose(row,	i, r, v, n) {
	for (r = 1; r <= rounds; r++) {
		n = 0
		for (i = 1; i < npeers; i++) {
			if (!((row, peers[i], r) in value))
				continue
			if (n++ == 0 || value[row, peers[i], r] < v)
				v = value[row, peers[i], r]
		}
		if (n > 0)
			note(row, "best", r, v)
	}
}

{
	names[$2] = 1
}

END {
	npeers = split("direct haproxy sallyport tls record", peers, " ")
	nratios = 2
	upper[1] = "sallyport"
	lower[1] = "haproxy"
	upper[2] = "record"
	lower[2] = "sallyport"
	if ("query1_rate" in seen || "query16_rate" in seen || \
	    "query64_rate" in seen)
		heading("median, min..max")
	add("query1_added", "query1_avg")
	n = split("1 16 64", threads, " ")
	for (k = 1; k <= n; k++) {
		q = "query" threads[k]
		line(q "_rate", threads[k] (k == 1 ? " thread, " : \
		    " threads, ") (k == 1 ? "queries/s" : "qry/s"))
		line(q "_p50", "  p50, us")
		line(q "_avg", "  average, us")
		line(q "_added", "  added, us")
		line(q "_cpu", "  CPU us/query")
	}

	npeers = split("hitch stunnel nginx sallyport", peers, " ")
	nratios = 2
	upper[1] = upper[2] = "sallyport"
	lower[1] = "stunnel"
	lower[2] = "best"
	if ("ec_cpu" in seen || "rsa_cpu" in seen || "tickets_cpu" in seen || \
	    "keep_memory" in seen) {
		print ""
		heading("TLS 1.3")
	}
	split("ec_cpu rsa_cpu tickets_cpu keep_memory", all, " ")
	for (k = 1; k <= 4; k++)
		choose(all[k])
	line("ec_cpu", "P-256, CPU us")
	line("ec_rate", "  handshakes/s")
	line("rsa_cpu", "RSA 2048, CPU us")
	line("rsa_rate", "  handshakes/s")
	line("tickets_cpu", "resumed, CPU us")
	line("tickets_rate", "  handshakes/s")
	line("keep_memory", "idle session, kB")
}
