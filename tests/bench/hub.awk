# The table of hub.sh.
BEGIN {
	npeers = split("direct ssh-L ssh-R hub-tls hub-plain hub-zstd", \
	    peers, " ")
	nratios = 2
	upper[1] = "hub-tls"
	lower[1] = "ssh-R"
	upper[2] = "hub-plain"
	lower[2] = "ssh-R"
}

END {
	heading("median, min..max")
	line("one_rate", "1 session, msg/s")
	line("one_p50", "  p50, us")
	line("one_cpu", "  CPU us/message")
	line("few_rate", "16 sessions, msg/s")
	line("few_p50", "  p50, us")
	line("few_cpu", "  CPU us/message")
	line("connect_rate", "connections/s")
	line("connect_p50", "  p50, us")
	line("connect_cpu", "  CPU us/connection")
	line("bulk_rate", "bulk, MB/s")
	line("bulk_cpu", "  CPU s/GB")
	line("agents_memory", "idle agent, kB")
	line("agents_cpu", "  200, CPU %")
}
