# What gcov(1) -n says of each object, as one table: the best that any object
# has of a file, files of src/ alone, the least first; and the sums.
/^File '/ {
	file = substr($0, 7, length($0) - 7)
	sub(/^.*\/src\//, "src/", file)
	next
}
/^Lines executed:/ && file ~ /^src\/.*\.c$/ {
	split($0, a, /[:%]/)
	n = $NF
	if (!(file in lines) || a[2] > share[file]) {
		share[file] = a[2]
		lines[file] = n
	}
	file = ""
}
END {
	for (f in lines) {
		printf "%6.1f %% of %4d  %s\n", share[f], lines[f], f | "sort -n"
		split(f, part, "/")
		for (i = 1; i <= 2; i++) {
			floor = i == 1 ? "all of src" : part[2]
			run[floor] += share[f] * lines[f] / 100
			all[floor] += lines[f]
		}
	}
	close("sort -n")
	for (floor in all)
		printf "%6.1f %% of %5d  %s\n", 100 * run[floor] / all[floor],
		    all[floor], floor
}
