# The table of bench.sh.
BEGIN {
	npeers = split("direct haproxy nginx sallyport", peers, " ")
	nratios = 1
	upper[1] = "sallyport"
	lower[1] = "haproxy"
}

# HAProxy with splice has rows of its own, beside what all others do anyway.
$2 == "splice" {
	note("splice" substr($1, 5), "haproxy", $3, $4)
	next
}

$2 != "haproxy" && $1 ~ /^bulk/ {
	note("splice" substr($1, 5), $2, $3, $4)
}

END {
	heading("median, min..max")
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
