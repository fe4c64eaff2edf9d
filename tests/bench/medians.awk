# Samples (tests/bench/bench-rows) to a line for each row and who: row, who,
# unit, the median, the lowest, the highest, the medians of the processor times,
# and how many samples it were; parted by tabs.

BEGIN {
	FS = OFS = "\t"
}

function sorted(list, values,	n, i, j, x) {
	n = split(list, values, " ")
	for (i = 2; i <= n; i++) {
		x = values[i]
		for (j = i - 1; j > 0 && values[j] + 0 > x + 0; j--)
			values[j + 1] = values[j]
		values[j + 1] = x
	}
	return n
}

function median(list,	values, n) {
	n = sorted(list, values)
	return values[int((n + 1) / 2)]
}

{
	name = $1 "\t" $2 "\t" $3
	if (!(name in rates))
		order[++n_names] = name
	rates[name] = rates[name] " " $4
	cpus[name] = cpus[name] " " $5
	owns[name] = owns[name] " " $6
}

END {
	for (i = 1; i <= n_names; i++) {
		name = order[i]
		split(name, part, "\t")
		n = sorted(rates[name], values)
		print part[1], part[2], part[3], median(rates[name]),
			values[1], values[n], median(cpus[name]),
			median(owns[name]), n
	}
}
