# What tables are made of.  Each line of input is: row, peer, round, value.
#
# Another file has the table: it sets peers, npeers and the pairs of peers,
# upper[i] and lower[i], whose ratios are the last columns, nratios.
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

# What is above the lines: of all peers, and of the ratios.
function heading(title,	i, h) {
	h = sprintf("%-19s", title)
	for (i = 1; i <= npeers; i++)
		h = h sprintf("%13s", peers[i])
	for (i = 1; i <= nratios; i++)
		h = h sprintf("%13s", "/ " lower[i])
	print h
}

function line(row, label,	i, a, b) {
	if (!(row in seen))
		return
	a = sprintf("%-19s", label)
	b = sprintf("%-19s", "")
	for (i = 1; i <= npeers + nratios; i++) {
		summarise(i <= npeers ? collect(row, peers[i], "") : \
		    collect(row, upper[i - npeers], lower[i - npeers]))
		a = a sprintf("%13s", middle)
		b = b sprintf("%13s", spread)
	}
	print a
	if (rounds > 1)
		print b
}

function note(row, peer, round, v) {
	value[row, peer, round] = v
	seen[row] = 1
	if (round > rounds)
		rounds = round
}

{
	note($1, $2, $3, $4)
}
